/*
 * report/standing_rows — what our addresses are worth, and what happened to them, as JSON
 *
 *   An address: its state with points, reason and what to do, the providers whose opinion of it is
 *   not clean, and the evidence: from where, what it said, when it is worth nothing, where to be
 *   removed from a list. The same members in `egress list`, `report reputation` and the web.
 *
 * Pure. `now_ms` is Unix time in milliseconds.
 */
#ifndef WAYPOST_REPORT_STANDING_ROWS_H
#define WAYPOST_REPORT_STANDING_ROWS_H

#include "gateway/base/buf.h"
#include "reputation/standing.h"

enum { STANDING_ROWS_PROVIDERS = 64 }; /* of an address; the others are counted */

/* The members of an object that is open; false: there is no such member. */
bool standing_row_put(struct buf *json, const struct standing *standing, int member,
                      int64_t now_ms);
/* "standing":[...], an object for each address of this egress. */
void standing_rows_put(struct buf *json, const struct standing *standing, struct slice egress,
                       int64_t now_ms);

/* ---- what happened ---- */

enum standing_note_kind {
    STANDING_NOTE_STATE,
    STANDING_NOTE_POOL_EMPTY,
    STANDING_NOTE_POOL_BACK,
    STANDING_NOTE_LISTING, /* a list names the address, or no longer */
    STANDING_NOTE_POINTS,  /* no event: the points, now and then */
    STANDING_NOTE_KINDS
};
extern const char *const standing_note_names[STANDING_NOTE_KINDS];

/* Slices may be empty. */
struct standing_note {
    uint8_t kind;        /* enum standing_note_kind */
    struct slice egress; /* empty for pools */
    struct slice address;
    struct slice with;     /* the provider, or the list */
    struct slice from, to; /* states, of the address or of the listing */
    struct slice reason;
    double points; /* of the address, all in all */
};
void standing_note_put(struct buf *json, int64_t at_ms, const struct standing_note *note);

#endif
