/*
 * base/utf8 — is it UTF-8, is it ASCII (RFC 3629)
 *
 *   Overlong forms, surrogates and code points above U+10FFFF are not UTF-8. Fast for plain ASCII.
 */
#ifndef WAYPOST_BASE_UTF8_H
#define WAYPOST_BASE_UTF8_H

#include "gateway/base/slice.h"

bool utf8_is_ascii(struct slice s); /* no byte above 127; NUL counts as ASCII */
bool utf8_is_valid(struct slice s);

#endif
