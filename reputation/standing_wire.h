/*
 * reputation/standing_wire — what is kept of a standing, as tables
 *
 *   Private to reputation/. standing_wire.c names what is kept and writes it, standing_unpack.c
 *   reads it. What is missing in the tables is configuration or derived.
 */
#ifndef WAYPOST_REPUTATION_STANDING_WIRE_H
#define WAYPOST_REPUTATION_STANDING_WIRE_H

#include "reputation/standing_internal.h"

/* "WPs1" to "WPs3": the version of the layout. All are read; what an old one did not have is
 * zero. */
enum { STANDING_MAGIC_1 = 0x31735057, STANDING_LAYOUT = 3 };
#define STANDING_MAGIC_OF(version) (STANDING_MAGIC_1 + ((uint32_t)(version)-1) * 0x01000000u)

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
    uint8_t since; /* the first version that has it */
    uint32_t max;  /* of U8, U32, F64 (0: the largest), bytes of TEXT; all inclusive */
};

struct standing_fields {
    const struct standing_field *at;
    size_t n;
};

extern const struct standing_fields standing_member_fields, standing_cell_fields,
    standing_block_fields, standing_listing_fields, standing_trace_fields;

#endif
