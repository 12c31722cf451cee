/*
 * base/varint — small numbers in few bytes, for records kept by the million
 *
 *   Little-endian groups of seven bits, the high bit says that more follow: 0..127 take one byte,
 *   UINT64_MAX ten. cur_varint() sets the cursor's `bad` on a truncated, overlong or too large
 *   number, so each value has exactly one encoding. A negative number goes through zigzag_*.
 */
#ifndef WAYPOST_BASE_VARINT_H
#define WAYPOST_BASE_VARINT_H

#include "gateway/base/cursor.h"

void put_varint(struct buf *b, uint64_t v);
uint64_t cur_varint(struct cursor *c);

void put_slice_varint(struct buf *b, struct slice s); /* length as varint, then the bytes */
struct slice cur_slice_varint(struct cursor *c);

uint64_t zigzag_of(int64_t v);
int64_t zigzag_to(uint64_t v);

#endif
