/*
 * geo/mmdb_value — the values of a MaxMind DB's data section, checked and read (pure)
 *
 *   Private to geo/mmdb_bytes.c. A value that section_check() found good may be read with
 *   section_next() without further care.
 */
#ifndef WAYPOST_GEO_MMDB_VALUE_H
#define WAYPOST_GEO_MMDB_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/rc.h"

enum { MMDB_DEPTH_MAX = 24 }; /* real databases nest to about five */

enum mmdb_type {
    MMDB_POINTER = 1,
    MMDB_TEXT = 2,
    MMDB_DOUBLE = 3,
    MMDB_BYTES = 4,
    MMDB_U16 = 5,
    MMDB_U32 = 6,
    MMDB_MAP = 7,
    MMDB_I32 = 8,
    MMDB_U64 = 9,
    MMDB_U128 = 10,
    MMDB_ARRAY = 11,
    MMDB_BOOL = 14,
    MMDB_FLOAT = 15
};

/* One data section: what pointers in it are relative to. */
struct section {
    const uint8_t *p;
    size_t n;
    uint8_t *seen; /* a bit for each offset that was checked as a value */
    size_t steps;  /* left */
    size_t
        open[MMDB_DEPTH_MAX + 2]; /* targets being checked: one that leads to itself is met again */
    unsigned open_n;
    struct err *err;
};

struct value {
    unsigned type;
    size_t size;  /* bytes, pairs or elements */
    size_t at;    /* of what follows the control bytes */
    size_t where; /* MMDB_POINTER: where it leads */
};

void section_open(struct section *s, const uint8_t *p, size_t n, struct err *err);
void section_close(struct section *s);
/* The map at `at` with all it leads to; what was found good before costs nothing. RC_CORRUPT. */
enum rc section_check(struct section *s, size_t at);
/* The map that is known to be good, at its first key. */
struct value section_map(const struct section *s, size_t at);
/* The value at *at, behind its pointer if it is one; *at moves on. */
struct value section_next(struct section *s, size_t *at);
uint64_t section_number(const struct section *s, const struct value *v); /* 0: it is none */

#endif
