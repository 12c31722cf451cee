/*
 * base/base64 — RFC 4648 section 4, strict
 *
 *   Decoding takes the canonical form only: padded, no blanks or line breaks, unused bits zero. So
 *   two different texts never decode to the same bytes.
 */
#ifndef WAYPOST_BASE_BASE64_H
#define WAYPOST_BASE_BASE64_H

#include "gateway/base/buf.h"
#include "gateway/base/rc.h"

/* Appends the decoded bytes. RC_PARSE leaves out_r as it was; the buffer's limit sets `full`. */
enum rc base64_decode(struct slice in, struct buf *out_r);
void base64_encode(struct slice in, struct buf *out_r); /* no line breaks */

#endif
