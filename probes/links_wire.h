/*
 * probes/links_wire — what is known of all paths as bytes, to be kept over a restart
 *
 *   Private to probes/: links_pack.c writes it, links_unpack.c reads it, the tables name what is
 *   kept; what is missing in them is configuration, derived, or on its way (probes).
 *
 *   Little-endian, figures as IEEE bits, texts with a u16 length. A time is an age, so that it goes
 *   on ageing: 0 is never, else how many ms before the packing, plus one.
 *     magic, wall clock u64, slots u16 { name, slot, leg? u8 { cell } },
 *     groups u16 { carrier, region, group, 2 preferences, cells, targets }, both by their names
 *     preference: slot u16, challenger u16, preference
 *     cells:   { slot u16, cell, pieces u8 { evidence }, transfers u8, next u8, { f32 } }, NO_ONE
 *     targets: u8 { family u8, 16 bytes, port u16, target, { slot u16, own u8, age u64 } NO_ONE }
 */
#ifndef WAYPOST_PROBES_LINKS_WIRE_H
#define WAYPOST_PROBES_LINKS_WIRE_H

#include <stddef.h>

#include "probes/links_internal.h"

enum { WIRE_MAGIC = 0x316c5057 }; /* "WPl1": 1 is the version of the layout */
enum { WIRE_TEXT_MAX = 4096, WIRE_NO_ONE = 0xffff };
enum { WIRE_PAIR_MOST_MS = LINKS_PAIR_MS + 1000 }; /* older ones do not matter any more */
#define WIRE_AGE_MOST_MS (INT64_C(3650) * 24 * 3600 * 1000)

enum field_type { FIELD_BOOL, FIELD_U8, FIELD_U32, FIELD_U64, FIELD_AGE, FIELD_SPAN, FIELD_F64 };

struct field {
    uint16_t offset;
    uint8_t type;
    uint32_t max; /* of U8 and SPAN, inclusive */
};

struct fields {
    const struct field *at;
    size_t n;
};

extern const struct fields links_cell_fields;
extern const struct fields links_evidence_fields;
extern const struct fields links_slot_fields;
extern const struct fields links_target_fields;
extern const struct fields links_prefer_fields;
extern const struct fields links_group_fields;

#endif
