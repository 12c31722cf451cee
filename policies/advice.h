/*
 * policies/advice — what control knows about every path, as the relay uses it
 *
 *   A complete, versioned, immutable table: one row per egress, one column per destination group
 *   (carrier x region), one cell per path. Control makes a new one whenever something changed; each
 *   worker of the relay holds a reference and takes the next one in a single pointer exchange; what
 *   takes time in proportion to the table is done where it is unpacked, on the main thread. An old
 *   table stays valid: without control the relay goes on with the last one, and once that is
 *   older than ADVICE_STALE_MS, with the weights alone.
 *
 *   Egresses are named as in the configuration, so a table survives a reload: the relay looks names
 *   up once per table (advice_egress) and groups once per address and table (advice_group).
 *
 * Ownership: advice_ref()/advice_unref() are atomic; everything inside lives as long as the table.
 * Units:     milliseconds in double, bytes per millisecond, shares and probabilities 0..1.
 * Wire:      advice_pack()/advice_unpack(); unpacking checks everything (RC_PARSE with a reason):
 *            sizes, order of the groups, ranges of every figure, nothing left over.
 */
#ifndef WAYPOST_POLICIES_ADVICE_H
#define WAYPOST_POLICIES_ADVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/base/buf.h"
#include "gateway/base/rc.h"
#include "gateway/base/slice.h"

enum {
    ADVICE_EGRESS_MAX = 256,
    ADVICE_GROUPS_MAX = 1024,
    ADVICE_STANDINGS_MAX = 32768,
    ADVICE_BARRED_MAX = 4096,
    ADVICE_STALE_MS = 120 * 1000, /* control sends at least every 10 s */
    ADVICE_NONE = -1
};

enum path_state {
    PATH_UNKNOWN, /* never measured: costs come from the coarser group */
    PATH_UP,
    PATH_SUSPECT, /* a failure that is being verified */
    PATH_DOWN     /* not chosen while another of the route is not down */
};
extern const char *const path_state_names[];

/* Why an egress takes no mail, whatever the group; in order of weight. */
enum egress_fault_kind {
    EGRESS_FINE,
    EGRESS_UNPLUMBED,  /* its address is not on this machine */
    EGRESS_PROXY_DOWN, /* socks5, proxy or relay does not answer */
    EGRESS_PATHS_DOWN, /* most of its groups fail while other egresses reach them */
    EGRESS_BARRED      /* reputation or operator */
};
extern const char *const egress_fault_names[];

struct advice_egress {
    struct slice name;
    uint8_t fault; /* enum egress_fault_kind */
    bool probed;   /* no worker is known to have found that: they look for themselves */
    double share;  /* of its weight that it may carry; 1 normally */
};

struct advice_group {
    struct slice carrier, region; /* as in geo/group.h */
    double think_ms;              /* of the destinations: what they need beyond round trips */
    bool destination_suspect;     /* fails from every egress: no path is to blame */
    int16_t preferred;            /* egress index for small mail, hysteresis applied; ADVICE_NONE */
    int16_t preferred_large;      /* for mail where goodput decides */
};

enum { PATH_NEAR = 1, PATH_NEAR_LARGE = 2 };

struct advice_path {
    uint8_t state;    /* enum path_state */
    uint8_t near;     /* PATH_NEAR...: nearly as good as the preferred one, hysteresis applied */
    float rtt_ms;     /* smoothed; 0: unknown */
    float rtt_var_ms; /* mean deviation */
    float loss;       /* share of segments (or probes) lost */
    float fail;       /* probability that setting up a session fails */
    float goodput;    /* bytes per ms a bulk transfer gets; 0: unknown */
    float samples;    /* effective number behind the estimate */
    uint32_t age_ms;  /* of the newest sample when the table was made */
};

/* How an egress stands with one receiver, where that is not as well as can be. */
struct advice_standing {
    struct slice provider; /* as reply_provider() names it; empty: with all others */
    float share;           /* of the mail it would get that it may have; 0: none */
    uint32_t per_hour;     /* mails, in all workers together; 0: no limit */
    bool last_resort;      /* it refuses all that are left: this is the least bad of them */
    int16_t egress;        /* its row */
    struct addr source;    /* ADDR_NONE: the egress, by whatever address. Else this address of its
                              is left out beyond that while others of the family are not; no port */
};

struct advice {
    uint64_t version; /* grows; of one control process */
    int64_t made_ms;  /* monotonic clock, which processes of one machine share */
    uint32_t egress_n, group_n;
    struct advice_egress *egress;
    struct advice_group *group;
    struct advice_path *path; /* [egress * group_n + group] */
    uint32_t standing_n, barred_n;
    struct advice_standing *standing; /* by advice_standing_cmp() */
    struct addr *barred; /* source addresses that carry no mail, without port; by addr_cmp() */
    uint64_t digest;     /* of what it says about who may carry mail; 0: not sealed */
};

/* Zeroed tables of the given size with one reference; texts go in by advice_text(). */
struct advice *advice_new(uint32_t egress_n, uint32_t group_n);
struct slice advice_text(struct advice *advice, struct slice text); /* a copy that lives with it */
/* Room for that many, zeroed; once for a table. The caller sorts them. */
void advice_standings(struct advice *advice, uint32_t standing_n, uint32_t barred_n);
int advice_standing_cmp(const struct advice_standing *a, const struct advice_standing *b);
/* When all is in it, before it is compared with another. */
void advice_seal(struct advice *advice);
struct advice *advice_ref(struct advice *advice);
void advice_unref(struct advice **advice); /* sets NULL */

int advice_egress(const struct advice *advice, struct slice name); /* index or ADVICE_NONE */
/* The group itself, else (carrier, "other"), else ("other", region), else ("other", "other"),
 * else ADVICE_NONE. Binary search: groups are sorted by carrier, then region. */
int advice_group(const struct advice *advice, struct slice carrier, struct slice region);
/* Their order: negative, 0 or positive as memcmp(). */
int advice_group_cmp(struct slice carrier_a, struct slice region_a, struct slice carrier_b,
                     struct slice region_b);
const struct advice_path *advice_path(const struct advice *advice, int egress, int group);
/* With this provider, else with all others; NULL: as well as can be. */
const struct advice_standing *advice_standing(const struct advice *advice, int egress,
                                              struct slice provider);
/* What there is about one address of it, with this provider, else with all others; NULL: it is like
 * the others. */
const struct advice_standing *advice_source(const struct advice *advice, int egress,
                                            struct slice provider, const struct addr *source);
bool advice_bars(const struct advice *advice, const struct addr *source); /* whatever its port */
/* Do both, sealed, say the same about who may carry mail: bars, shares and standings? */
bool advice_same_standing(const struct advice *a, const struct advice *b);
bool advice_stale(const struct advice *advice, int64_t now_ms); /* NULL is stale */

void advice_pack(const struct advice *advice, struct buf *out);
enum rc advice_unpack(struct slice bytes, struct advice **advice_r, struct err *err);

#endif
