/*
 * reputation/standing_wire — what is kept of a standing, as tables
 *
 *   Private to reputation/. standing_wire.c names what is kept and writes it, standing_unpack.c
 *   reads it. What is missing in the tables is configuration or derived.
 */
#ifndef WAYPOST_REPUTATION_STANDING_WIRE_H
#define WAYPOST_REPUTATION_STANDING_WIRE_H

#include "reputation/standing_internal.h"

/* "WPs1", "WPs2": the version of the layout. Both are read; what 1 did not have is zero. */
enum { STANDING_MAGIC_1 = 0x31735057, STANDING_MAGIC = 0x32735057 };

enum field_type {
    FIELD_BOOL,
    FIELD_U8,
    FIELD_U32,
    FIELD_U64,
    FIELD_PAST,
    FIELD_AHEAD,
    FIELD_UNIX,
    FIELD_F64,
    FIELD_TEXT
};

struct standing_field {
    uint16_t offset;
    uint8_t type;
    bool new;     /* of version 2 */
    uint32_t max; /* of U8, U32, F64 (0: the largest), bytes of TEXT; all inclusive */
};

struct standing_fields {
    const struct standing_field *at;
    size_t n;
};

extern const struct standing_fields standing_member_fields, standing_cell_fields,
    standing_block_fields, standing_listing_fields, standing_trace_fields;

#endif
