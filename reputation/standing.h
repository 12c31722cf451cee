/*
 * reputation/standing — what every address of ours is worth, and what it is worth to each provider
 *
 *   Evidence goes in: what lists say, what receivers answer, names that do not resolve, faults,
 *   operator's orders. Out come a state for every member (one egress with one source address) and
 *   for every (member, provider), how much each may carry, and an event for every transition. The
 *   provider is whatever the caller groups destinations by (an MX operator's name).
 *
 *   Pure: no I/O, no randomness, no clock. `now_ms` is Unix time in milliseconds, since states are
 *   kept over restarts. A clock that is set back stops time here until it moves on again, and
 *   nothing is lost; one set forward lets that much time pass. Drive it so: inputs as they happen,
 *   standing_tick() about once a second, standing_version() to see whether to build new advice,
 *   standing_pack() into a file now and then (after every event is a good rhythm). The event
 *   callback runs inside inputs, orders, configure and tick; it must not call back.
 *
 *   Members, by weight of their evidence (E: points with a half-life of six hours, and beside them
 *   what stands: listings and names that are broken, which count in full as long as they stand):
 *
 *                    72 h, 500 accepted            E >= 20
 *     (new) ─► probation ───────────► clean ◄──────────────────► suspect
 *                ▲  │                   │   E < 10 for 30 min       │
 *                │  │                   └────────────┬──────────────┘
 *     dwell over,│  │ ip-blocked,       hard listing; E >= 60; two providers block in 1 h
 *     E < 10,    │  │ listing, E >= 60               ▼
 *     names ok   │  ▼                            draining ── no sessions left, or 5 min
 *              quarantined ◄─────────────────────────┤
 *                ▲                                   ▼ a listing stands
 *                └────────────────────────────── listed
 *                    three clear checks, 15 min apart, of each source
 *
 *     disabled: by the operator or the configuration; back to where it was.
 *
 *   (member, provider): probation (warming up), clean, throttled, blocked:
 *
 *     2 throttled in 10 min: throttled, rate x 0.5, +10 % per 5 good minutes, clean at full rate
 *     3 blocked in 15 min (two sender domains, or the reply names us): blocked 2 h, x 2 each time
 *     up to 24 h, then one canary: accepted → throttled at the lowest rate, refused → blocked again
 *     with STANDING_SEND the least bad of a pool of which a provider blocks all carries mail there
 *     meanwhile, at the lowest rate: what is accepted counts as a canary
 *
 *   Soft evidence (all but hard listings) never takes out more than half of a pool nor leaves less
 *   than min_active that work: such a member stays, at half its share, and its reason says so.
 *
 * Ownership:  everything is copied in; slices given out live until the next call that changes.
 * Limits:     below, together. What exceeds them replaces the oldest or least interesting.
 * See:        docs/REPUTATION.md; the weights are in standing_weights.
 */
#ifndef WAYPOST_REPUTATION_STANDING_H
#define WAYPOST_REPUTATION_STANDING_H

#include "gateway/base/addr.h"
#include "policies/advice.h"

enum {
    STANDING_MEMBERS_MAX = 4 * ADVICE_EGRESS_MAX,
    STANDING_PROVIDERS_MAX = 512,       /* of a member, while all members have no more than... */
    STANDING_PROVIDERS_ALL = 64 * 1024, /* ...together; then it is an equal part of these */
    STANDING_POOLS_MAX = 256,
    STANDING_LISTINGS_MAX = 16, /* of a member, from different sources */
    STANDING_EVIDENCE_MAX = 24, /* remembered of a member, for people */
    STANDING_NAME_MAX = 255,    /* bytes of an egress, provider or source */
    STANDING_TEXT_MAX = 200,    /* bytes of a reply or a list's text; more is cut off */
    STANDING_PACK_MAX = 96 * 1024 * 1024,
    STANDING_NONE = -1
};

enum standing_state {
    STANDING_PROBATION, /* new, or released; of a provider: warming up */
    STANDING_CLEAN,
    STANDING_SUSPECT,
    STANDING_THROTTLED, /* of a provider */
    STANDING_BLOCKED,   /* of a provider */
    STANDING_DRAINING,
    STANDING_LISTED,
    STANDING_QUARANTINED,
    STANDING_DISABLED,
    STANDING_STATES
};
extern const char *const standing_state_names[STANDING_STATES];

/* Points of evidence, and what the thresholds are. */
struct standing_weights {
    double hard_list, pbl, strong_list; /* for callers that translate lists into points */
    double uce1, uce2, uce3;
    double ip_blocked, ip_throttled, content_burst, hygiene;
    double delivered, delivered_per_hour; /* taken off */
    double throttled_most, blocked_most;  /* of one provider's word at a time */
    double suspect, calm, drain;          /* thresholds of E */
};
extern const struct standing_weights standing_weights;
enum { STANDING_HALF_LIFE_MS = 6 * 3600 * 1000, STANDING_SILENT_MS = 24 * 3600 * 1000 };

/* ---- configuration ---- */

struct standing_member {
    struct slice egress; /* name of the configuration */
    struct addr address; /* ADDR_NONE: the system's choice, or remote; the port is ignored */
    int64_t warmup_ms;   /* Unix ms from which it is warmed up; 0: it is warm and begins clean */
    bool disabled;       /* by the configuration */
};

struct standing_set {
    uint64_t bits[STANDING_MEMBERS_MAX / 64]; /* by index of standing_config.member */
};

enum standing_last_resort {
    STANDING_HOLD, /* nothing eligible: mail waits */
    STANDING_SEND  /* the member with the least against it is marked last_resort; at a provider
                      that blocks all who may carry mail, the one it blocks for the shortest time */
};

struct standing_config {
    const struct standing_member *member;
    uint32_t member_n;               /* beyond STANDING_MEMBERS_MAX they are not looked at */
    const struct standing_set *pool; /* members that serve the same routes */
    uint32_t pool_n;                 /* 0: all members are one pool */
    const struct slice *source;      /* lists and feeds of the configuration; listings by others */
    uint32_t source_n;               /* are dropped. NULL: all stay */
    uint32_t min_active;             /* of each pool */
    bool acknowledge;                /* quarantine ends only after the operator said so */
    uint8_t last_resort;             /* enum standing_last_resort */
};

/* ---- events ---- */

enum standing_evidence_kind {
    STANDING_EV_LISTED,
    STANDING_EV_BLOCKED,
    STANDING_EV_THROTTLED,
    STANDING_EV_CONTENT,
    STANDING_EV_FCRDNS,
    STANDING_EV_HELO,
    STANDING_EV_KINDS
};
extern const char *const standing_evidence_names[STANDING_EV_KINDS]; /* "ip-blocked" */

struct standing_evidence {
    uint8_t kind;        /* enum standing_evidence_kind */
    bool standing, hard; /* counts in full until it is withdrawn; a hard listing */
    bool many;           /* a listing of most of our addresses at once: soft for that */
    uint8_t clear;       /* of a listing: checks in a row that no longer found it */
    struct slice source; /* list or feed; provider of a reply; empty */
    struct slice text;   /* what it said */
    double points;       /* now */
    int64_t at_ms;       /* first seen */
    int64_t gone_ms;     /* when it is worth less than a point; 0 while it stands */
};

enum standing_event_kind {
    STANDING_TRANSITION,
    STANDING_POOL_EMPTY, /* once: nothing of the pool is eligible. An alarm */
    STANDING_POOL_BACK,
    STANDING_EVENT_KINDS
};
extern const char *const standing_event_names[STANDING_EVENT_KINDS];

/* Slices are valid during the callback. */
struct standing_event {
    enum standing_event_kind kind;
    int64_t at_ms;
    int member;          /* index, STANDING_NONE for pools */
    int pool;            /* index of the configuration, 0 for the one of all; else NONE */
    struct slice egress; /* empty for pools */
    struct addr address;
    struct slice provider;        /* empty: the member as a whole */
    enum standing_state from, to; /* both BLOCKED: again, for longer */
    bool alone; /* to BLOCKED: a pool of it has nobody else to carry mail to that provider */
    struct slice reason; /* for people: "2 providers block it: gmail.com, qq.com" */
    double points;       /* E */
    const struct standing_evidence *evidence; /* of the member, newest first */
    uint32_t evidence_n;
};

struct standing_hooks {
    void (*event)(void *arg, const struct standing_event *event); /* may be NULL */
    void *arg;
};

/* ---- life ---- */

struct standing;

struct standing *standing_new(const struct standing_hooks *hooks, int64_t now_ms);
void standing_free(struct standing **standing); /* sets NULL */

/* At the start and after a reload. Members that keep (egress, address) keep what is known of them;
 * those that are gone are remembered for 30 days. An address that is another egress's now, and no
 * longer that of the one it was, takes along what is known of it, orders too. Indices are those of
 * `config` from now on. */
void standing_configure(struct standing *s, const struct standing_config *config, int64_t now_ms);
/* What was known before is lost, and may have been bad: with the next configuration those that
 * would begin clean begin suspect. */
void standing_doubt(struct standing *s);
void standing_tick(struct standing *s, int64_t now_ms);

/* Everything that matters, byte for byte the same for the same standing. */
void standing_pack(const struct standing *s, struct buf *out);
/* A new standing, to be configured next; time that passed since counts. RC_PARSE with a reason for
 * anything that standing_pack() would not have written (of the version before, too), RC_LIMIT above
 * STANDING_PACK_MAX. */
enum rc standing_unpack(struct slice bytes, const struct standing_hooks *hooks,
                        struct standing **standing_r, struct err *err);

/* ---- what happens. A member out of range is ignored ---- */

int standing_find(const struct standing *s, struct slice egress, const struct addr *address);

enum standing_verdict {
    STANDING_CLEARED,
    STANDING_IS_LISTED,
    STANDING_UNKNOWN,
    STANDING_SILENT /* the source has said nothing usable for hours, whatever it was asked */
};

/* One check of one source: confirmed already (self-test, quorum and sweep guard are the lists').
 * STANDING_UNKNOWN changes nothing; STANDING_SILENT ends a listing that nobody has borne out for
 * STANDING_SILENT_MS: then it is evidence that decays. Repeating IS_LISTED refreshes it and adds
 * nothing; points or hardness may change. */
struct standing_check {
    struct slice source, text;
    double points; /* < 10: reported, but no reason to act by itself */
    bool hard;
    bool many;       /* the list took most of our addresses at once: it is not hard, then */
    uint8_t verdict; /* enum standing_verdict */
};
void standing_listing(struct standing *s, int member, const struct standing_check *check,
                      int64_t now_ms);

enum standing_class {
    STANDING_DELIVERED,
    STANDING_IP_BLOCKED,
    STANDING_IP_THROTTLED,
    STANDING_CONTENT,
    STANDING_OTHER,
    STANDING_CLASSES
};

/* One final answer of a receiver, for one transaction. */
struct standing_reply {
    uint8_t reply_class;    /* enum standing_class */
    bool temporary;         /* 4xx; leave greylisting and full mailboxes out */
    bool names_us;          /* our address is in the text */
    uint64_t sender_domain; /* slice_hash_stable() of it */
    struct slice text;
};
void standing_reply(struct standing *s, int member, struct slice provider,
                    const struct standing_reply *reply, int64_t now_ms);

enum standing_name { STANDING_NAME_UNKNOWN, STANDING_NAME_OK, STANDING_NAME_BROKEN };
/* Forward-confirmed reverse DNS and the EHLO name; UNKNOWN leaves what was known. */
void standing_hygiene(struct standing *s, int member, enum standing_name fcrdns,
                      enum standing_name helo, int64_t now_ms);

/* EGRESS_FINE, EGRESS_UNPLUMBED, EGRESS_PROXY_DOWN or EGRESS_PATHS_DOWN: why mail cannot leave by
 * it just now. That changes no state and bars nothing; but a pool does not rely on it: soft
 * evidence leaves alone what has to carry the mail instead, and gives back what it took. */
void standing_fault(struct standing *s, int member, enum egress_fault_kind fault, int64_t now_ms);

/* Transactions that are still under way by one that is draining; else it is ignored. */
void standing_sessions(struct standing *s, int member, uint32_t sessions, int64_t now_ms);

enum standing_order {
    STANDING_DRAIN,       /* let running sessions end, then disabled */
    STANDING_RESUME,      /* takes DRAIN and DISABLE back */
    STANDING_DISABLE,     /* at once */
    STANDING_ENABLE,      /* as RESUME */
    STANDING_RESET,       /* forget all evidence, listings and overlays; clean (or warming) */
    STANDING_ACKNOWLEDGE, /* the quarantine has been looked at */
    STANDING_ORDERS
};
extern const char *const standing_order_names[STANDING_ORDERS];
/* RC_NOT_FOUND: no such member; RC_DENIED with a reason when the order changes nothing. */
enum rc standing_order(struct standing *s, int member, enum standing_order order, int64_t now_ms,
                       struct err *err);

/* Permission to begin up to `want` transactions: how many it may be. 0 when the member is not
 * eligible, the provider blocks it (but for the last resort) or the quota is used up; one when the
 * canary may fly, whose reply decides (without a reply within 15 minutes it may fly again). Who
 * hands permissions on to others takes some ahead and gives back what was not used. Without a limit
 * it may be left out: volume is counted by the replies. */
uint32_t standing_take(struct standing *s, int member, struct slice provider, uint32_t want,
                       int64_t now_ms);
void standing_give_back(struct standing *s, int member, struct slice provider, uint32_t unused,
                        int64_t now_ms);

/* ---- what is known ---- */

/* Grows whenever a state, share or quota changed. */
uint64_t standing_version(const struct standing *s);

struct standing_view {
    struct slice egress;
    struct addr address;
    enum standing_state state;
    int64_t since_ms;
    int64_t until_ms;    /* drain or dwell ends, or warm-up begins; 0: it is no matter of time */
    double points;       /* E */
    bool eligible;       /* may carry mail */
    bool last_resort;    /* is not eligible, but nothing else is and the configuration says send */
    bool capped;         /* evidence says out, but the pool cannot spare it */
    bool wants_ack;      /* waits for STANDING_ACKNOWLEDGE */
    double share;        /* 0..1 of its weight */
    uint32_t relapses;   /* within 7 days */
    struct slice reason; /* of the last transition */
    const char *does;    /* what is made of it, as a sentence of its mail; "" when it is clean */
    const char *todo;    /* what to do about it; "" when nothing */
};
uint32_t standing_member_n(const struct standing *s);
struct slice standing_egress(const struct standing *s, int member); /* its name; empty: none */
/* false: no such member. Of the time given, changing nothing. */
bool standing_view(const struct standing *s, int member, int64_t now_ms,
                   struct standing_view *view_r);

struct standing_provider_view {
    struct slice provider;
    enum standing_state state; /* PROBATION, CLEAN, THROTTLED or BLOCKED */
    int64_t since_ms;
    int64_t until_ms;      /* BLOCKED: when the canary may fly; else 0 */
    bool eligible;         /* the member is, and the provider does not block it */
    bool canary;           /* one transaction may be tried: standing_take() gives it */
    bool last_resort;      /* it blocks it, but all others, too, and the configuration says send */
    double share;          /* 0..1 on top of the member's: below 1 mail may go elsewhere */
    double quota_per_hour; /* transactions; < 0: no limit */
    double tokens;         /* of it, left now; 0 without limit */
    uint32_t warmup_step;  /* days of warm-up behind it */
    struct slice reason;
    const char *does; /* what is made of it, where that is not what the state says; "" */
};
uint32_t standing_provider_n(const struct standing *s, int member); /* ordered by name */
bool standing_provider_view(const struct standing *s, int member, uint32_t index, int64_t now_ms,
                            struct standing_provider_view *view_r);
/* The same by name, also for a provider nothing is known of: what it would get. */
bool standing_provider_find(const struct standing *s, int member, struct slice provider,
                            int64_t now_ms, struct standing_provider_view *view_r);

/* What stands first, then newest first; how many were filled in. */
uint32_t standing_evidence(const struct standing *s, int member, int64_t now_ms,
                           struct standing_evidence *at, uint32_t max);

/* How often to look at its lists: 60 s while suspect, draining, listed or quarantined, or while
 * any list names it; else 5 minutes. */
int64_t standing_check_every_ms(const struct standing *s, int member);

#endif
