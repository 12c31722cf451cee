/*
 * tests/sim/recovery — everything breaks, in any order; once nothing is broken, all is usable again
 *
 *   The decision core as control drives it, with two workers that see to the egresses as
 *   delivery/egress does: what one holds to be out it looks at each second, and of what a probe
 *   found advice asks them. Faults of every kind are drawn from a seed, and some of the addresses
 *   of a group go away for ever, as hosts do. When the last fault has ended no egress may stay at
 *   fault, no path DOWN or SUSPECT, no destination suspect for longer than RECOVERY_MOST_MS,
 *   whether or not any mail comes. A host that answers no probe gives no proof, so there a verdict
 *   may have to lapse.
 *
 * Units: milliseconds.
 */
#ifndef WAYPOST_TESTS_SIM_RECOVERY_H
#define WAYPOST_TESTS_SIM_RECOVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/rnd.h"

enum { REC_EGRESS = 4, REC_GROUPS = 6, REC_WORKERS = 2, REC_ADDRESSES = 24, REC_FAULTS = 24 };
enum { REC_PROXY = 2, REC_DIRECT = 3 }; /* the egress with a proxy; the one that may be a relay */
#define RECOVERY_LEARN_MS INT64_C(600000)
#define RECOVERY_BREAK_MS INT64_C(1200000)
#define RECOVERY_MOST_MS INT64_C(9000000)

enum rec_kind {
    REC_EGRESS_DEAD, /* nothing comes back by it */
    REC_PATH_DEAD,
    REC_PATH_FLAPS, /* 15 s dead, 35 s alive */
    REC_PATH_LOSES, /* every fifth connection */
    REC_GROUP_DEAD,
    REC_HOST_DEAD,
    REC_UNPLUMBED,
    REC_PROXY_DOWN,
    REC_PROXY_NAMELESS, /* only control does not find its name */
    REC_REFUSES,        /* the hosts of a group greet probes with 421 */
    REC_SILENT,         /* or keep everybody waiting */
    REC_RELAY,          /* by a reload it is a relay, and by another one itself again */
    REC_REMOVED,        /* the same, it is not there */
    REC_UNTOLD,         /* what workers say of egresses does not arrive */
    REC_CONTROL,        /* is away; it kept its state */
    REC_REBOOT,         /* the same, and the monotonic clock begins anew */
    REC_WORKERS_ANEW,   /* they end and begin, and know nothing any more */
    REC_KINDS
};
extern const char *const rec_kind_names[REC_KINDS];

struct rec_fault {
    enum rec_kind kind;
    int egress, group, address; /* -1: whichever */
    int64_t from_ms, to_ms;
};

struct rec_world {
    int addresses[REC_GROUPS], gone[REC_GROUPS]; /* the first of them are gone for ever */
    int64_t gone_ms;
    double rate; /* of mail, for a group and second, until all faults have ended */
    bool mail_after;
    struct rec_fault fault[REC_FAULTS];
    int faults;
    int64_t end_ms; /* of the last */
};

/* All kinds, or `only` that one (REC_KINDS: all). */
void rec_world_make(struct rec_world *w, uint64_t seed, enum rec_kind only);
bool rec_is(const struct rec_world *w, enum rec_kind kind, int egress, int group, int64_t now_ms);
/* Does a connection get through? `luck` is drawn from 0..1. */
bool rec_reaches(const struct rec_world *w, int egress, int group, int address, double luck,
                 int64_t now_ms);

struct rec_result {
    bool recovered;
    int64_t after_ms;                 /* the last fault */
    unsigned downs, faults, suspects; /* events of such kinds: something did happen */
    char what[200];                   /* is not usable, when that is so */
};

void recovery_run(uint64_t seed, enum rec_kind only, bool verbose, struct rec_result *result_r);

#endif
