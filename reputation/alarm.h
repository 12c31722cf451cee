/*
 * reputation/alarm — what people must hear of, and how often they are told
 *
 *   Alarms are gathered for a second into one message, since what belongs together happens
 *   together. A subject (an address, a provider's opinion of it, a pool, a list) is told at most
 *   once an hour, and no more than ALARMS_PER_HOUR messages go in an hour. What is withheld is told
 *   with the next message, and an hour later at the latest: nothing is lost but the time.
 *
 *     take ─► subject told within the hour? ── no ──► fresh ── 1 s ──┐
 *                                          └─ yes ─► held ─── 1 h ──┴─► message, if the hour
 *                                                                       has room for one
 *
 *   Pure: no I/O, no clock. `now_ms` grows (monotonic milliseconds). Kept over restarts: what was
 *   told and what waits.
 *
 * Ownership: what is taken is copied; a digest lives until alarms_end().
 */
#ifndef WAYPOST_REPUTATION_ALARM_H
#define WAYPOST_REPUTATION_ALARM_H

#include "reputation/listing.h"
#include "reputation/standing.h"

enum {
    ALARMS_PER_HOUR = 10,
    ALARMS_GATHER_MS = 1000,
    ALARMS_EACH_MS = 3600 * 1000, /* of a subject, and before what is withheld goes alone */
    ALARMS_MEMORY_MS = 7 * 24 * 3600 * 1000, /* a provider that blocks again within it */
    ALARM_LINES_MAX = 50,      /* of a message, fresh and held each; the rest is counted */
    ALARM_SUBJECTS_MAX = 1024, /* remembered; beyond them the oldest is forgotten */
    ALARM_LISTS_MAX = 256      /* with a fault at the same time; the same */
};

enum alarm_kind {
    ALARM_ADDRESS,     /* it is draining, listed or quarantined */
    ALARM_ACKNOWLEDGE, /* its quarantine waits for a person */
    ALARM_PROVIDER,    /* blocks it again */
    ALARM_POOL,        /* empty, or back */
    ALARM_LIST,        /* something is wrong with a list or feed, or no longer */
    ALARM_NAMES,       /* its own names are broken */
    ALARM_STATE,       /* what was known of all addresses is lost */
    ALARM_KINDS
};
extern const char *const alarm_kind_names[ALARM_KINDS]; /* "address" */

struct alarm {
    uint8_t kind; /* enum alarm_kind */
    struct slice egress;
    struct addr address;
    struct slice with;  /* the provider, the list, or the route */
    struct slice state; /* of the address, the pool or the list */
    struct slice reason;
};

struct alarms;

struct alarms *alarms_new(void);
void alarms_free(struct alarms **alarms);

/* Does this need a person? `acknowledge`: a quarantine ends only by one. Remembers who blocks. */
bool alarms_judge(struct alarms *alarms, const struct standing_event *event, bool acknowledge,
                  int64_t now_ms, struct alarm *alarm_r);
/* True when names that were not known to be broken are so now. */
bool alarms_judge_names(struct alarms *alarms, const struct addr *address, bool broken);

/* Of a list, whenever it is known: true when it is otherwise than people were told. */
bool alarms_judge_list(struct alarms *alarms, struct slice source, enum list_fault fault,
                       const char *text, struct alarm *alarm_r);

void alarms_take(struct alarms *alarms, const struct alarm *alarm, int64_t now_ms);

/* When the next message is due; -1: none is waiting. */
int64_t alarms_due_ms(const struct alarms *alarms);

struct alarm_digest {
    const struct alarm *fresh, *held;
    uint32_t fresh_n, held_n;
    uint32_t fresh_more, held_more; /* further ones there was no room for */
};
/* A message that is due: counted as sent. False: not yet. */
bool alarms_begin(struct alarms *alarms, int64_t now_ms, struct alarm_digest *digest_r);
void alarms_end(struct alarms *alarms);

enum { ALARMS_PACK_MAX = 1 << 20 };

/* Everything, to be kept over a restart. Unpacked it has aged by what the wall clock says has
 * passed; a clock that was set back makes it no older. RC_PARSE: not what alarms_pack() wrote. */
void alarms_pack(const struct alarms *alarms, int64_t now_ms, int64_t wall_ms, struct buf *out);
enum rc alarms_unpack(struct slice bytes, int64_t now_ms, int64_t wall_ms, struct alarms **alarms_r,
                      struct err *err);

#endif
