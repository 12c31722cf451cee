/*
 * base/cursor — reads and writes fixed-layout records with one check at the end
 *
 *   Reading past the end, or a length or figure that does not fit, sets `bad` and yields zeroes and
 *   empty slices from then on; the caller checks cur->bad once. Integers are little-endian with
 *   cur_*, big-endian (network order) with cur_*be. Slices point into the input. Writers append to
 *   a buf.
 */
#ifndef WAYPOST_BASE_CURSOR_H
#define WAYPOST_BASE_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/buf.h"

struct cursor {
    const uint8_t *p, *end;
    bool bad;
};

struct cursor cur_of(const void *p, size_t n);
size_t cur_left(const struct cursor *c);
uint8_t cur_u8(struct cursor *c);
uint16_t cur_u16(struct cursor *c);
uint32_t cur_u32(struct cursor *c);
uint64_t cur_u64(struct cursor *c);
uint16_t cur_u16be(struct cursor *c);
uint32_t cur_u32be(struct cursor *c);
double cur_f64(struct cursor *c, double most); /* IEEE bits of 0 (never -0) to `most` */
/* v, which was just read, when it is at most `most`; else the input is bad. */
uint64_t cur_most(struct cursor *c, uint64_t v, uint64_t most);
struct slice cur_bytes(struct cursor *c, size_t n);
struct slice cur_slice16(struct cursor *c); /* u16 length, then the bytes */
struct slice cur_slice32(struct cursor *c); /* u32 length, then the bytes */

void put_u8(struct buf *b, uint8_t v);
void put_u16(struct buf *b, uint16_t v);
void put_u32(struct buf *b, uint32_t v);
void put_u64(struct buf *b, uint64_t v);
void put_slice16(struct buf *b, struct slice s); /* longer than 65535 marks the buffer full */
void put_slice32(struct buf *b, struct slice s);

#endif
