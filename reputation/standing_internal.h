/*
 * reputation/standing_internal — the records behind standing.h, shared by its files only
 *
 *   Times are of the inner clock (struct standing.now_ms), which only ever moves on; 0 means never.
 *   Texts are owned and never NULL. What is kept over a restart is listed in standing_wire.c.
 */
#ifndef WAYPOST_REPUTATION_STANDING_INTERNAL_H
#define WAYPOST_REPUTATION_STANDING_INTERNAL_H

#include "reputation/standing.h"

enum {
    MINUTE_MS = 60 * 1000,
    HOUR_MS = 60 * MINUTE_MS,
    DAY_MS = 24 * HOUR_MS,
    WEEK_MS = 7 * DAY_MS,
    COLD_DAYS = 30, /* an idle provider is forgotten, and so is a member that is gone */
    DRAIN_MS = 5 * MINUTE_MS,
    CALM_MS = 30 * MINUTE_MS,
    CLEAR_CHECKS = 3,
    CLEAR_APART_MS = 15 * MINUTE_MS,
    BLOCK_WINDOW_MS = 15 * MINUTE_MS,
    BLOCK_REPLIES = 3, /* within the window: the provider blocks us */
    BLOCK_DOMAINS = 2,
    BLOCK_HOURS = 2,
    BLOCK_HOURS_MOST = 24,
    CANARY_MS = 15 * MINUTE_MS, /* without a reply it is lost */
    THROTTLE_WINDOW_MS = 10 * MINUTE_MS,
    THROTTLE_RAISE_MS = 5 * MINUTE_MS,
    THROTTLE_HALVE_MS = MINUTE_MS, /* at most so often */
    PROVEN_MS = 3 * DAY_MS,
    PROVEN_MAILS = 500,
    PROVEN_OF = 200, /* fewer than one of so many refused: 0.5 % */
    WARM_PER_HOUR = 20,
    BURST_OF_HOUR = 12, /* so large a part of an hour's quota may go at once */
    WARM_STEPS = 40,    /* 20 * 1.4^40: no limit any more */
    GATE_OF = 20,
    GATE_LEAST = 3,     /* 4xx: one of so many, and at least so many */
    CONTENT_LEAST = 50, /* replies in the window before a share means anything */
    RECENT_BLOCKS = 8,
    RELAPSES_MOST = 16,
    POINTS_MOST = 1000 /* of one listing */
};

static const int64_t STANDING_TIME_MOST = 1000000000000000; /* the year 33658 */
static const double RAMP_START = 0.1, RATE_LEAST = 1.0 / 16, RATE_STEP = 0.1, WARM_GROWTH = 1.4,
                    FORMER_KEPT = 0.98, CONTENT_SHARE = 0.05;

struct listing {
    char *source, *text;
    double points;
    bool hard, many;
    uint8_t clear; /* checks in a row without it */
    int64_t since_ms, clear_ms;
    int64_t heard_ms; /* the last check with a result */
};

/* Evidence that decays, for people; what counts is the sum in member.e. */
struct trace {
    uint8_t kind;
    char *source, *text;
    double points;
    int64_t at_ms;
};

struct block {
    int64_t at_ms;
    uint64_t domain;
    bool names_us;
};

/* (member, provider) */
struct cell {
    char *provider, *reason;
    uint8_t state;
    int64_t since_ms, used_ms;
    /* ip-blocked */
    struct block block[RECENT_BLOCKS]; /* oldest first */
    uint32_t block_n;
    int64_t counted_ms; /* when it last gave points */
    int64_t until_ms;   /* blocked */
    uint32_t blocks;    /* repeats */
    int64_t canary_ms;  /* flying since */
    bool resort;        /* blocked, and the least bad of a pool. Derived, as the next one */
    bool was_resort;
    /* ip-throttled */
    int64_t throttled_ms, scored_ms; /* last reply; when `scored` was true */
    double scored;                   /* of E that comes from throttling */
    double rate, cap;                /* 0..1 of `cap` an hour */
    int64_t rate_ms;                 /* last change */
    /* warm-up */
    bool warm, day_bad, day_pressed; /* no quota; refused for the address; quota was too small */
    uint32_t step, day_sent, day_temporary;
    int64_t day_ms; /* when the current day with traffic began */
    int64_t first_ms;
    uint32_t accepted, refused;
    /* volume */
    int64_t hour_ms;
    uint32_t hour_n;
    double former; /* of a busy hour */
    double tokens;
    int64_t tokens_ms;
};

enum { HOLD_CONFIG = 1, HOLD_OPERATOR = 2, HOLDS = 4 };

struct member {
    char *egress, *reason;
    struct addr address;
    uint8_t state, before; /* before: disabled or draining by order: where it was */
    uint8_t holds, fault;
    uint8_t fcrdns, helo; /* enum standing_name */
    bool begun;           /* warm-up has */
    bool drained;         /* by order: disabled when done */
    bool capped, acknowledged;
    bool soft;        /* it is out, and by soft evidence alone: let back when its pool runs short */
    bool ramp_good;   /* mail was delivered in this hour */
    bool last_resort; /* derived from the states */
    uint32_t index;   /* of the configuration */
    int64_t warmup_ms;          /* as configured: wall clock */
    int64_t parked_ms;          /* not configured since */
    int64_t since_ms, until_ms; /* until: drain or dwell */
    int64_t before_ms;
    double e;
    int64_t e_ms;
    int64_t calm_ms;           /* E is low since */
    int64_t good_ms;           /* hour in which good_n deliveries were credited */
    int64_t bad_ms, listed_ms; /* last evidence; last listing */
    int64_t blocked_ms;        /* a provider's refusal counted */
    int64_t two_ms;            /* and it was the second provider within an hour */
    int64_t freed_ms;          /* last release from quarantine */
    double ramp;               /* after a release, of its weight; 1 */
    int64_t ramp_ms;
    int64_t fcrdns_ms, helo_ms;
    int64_t content_ms, content_scored_ms;
    uint32_t replies[2], contents[2]; /* this half hour and the one before */
    uint32_t accepted, refused;       /* in probation, since proving_ms */
    int64_t proving_ms;               /* 0: since probation began */
    uint32_t sessions, good_n;
    uint32_t falls; /* falls soon after a release, in a row */
    uint32_t listing_n, trace_n;
    uint32_t cell_n, cell_cap;
    struct listing listing[STANDING_LISTINGS_MAX];
    struct trace trace[STANDING_EVIDENCE_MAX]; /* oldest first */
    struct cell **cell;                        /* by name */
    int64_t due_ms, checked_ms; /* its cells are looked at then; were last. Derived */
};

struct standing {
    struct standing_hooks hooks;
    int64_t now_ms, wall_ms;
    struct member **member; /* conf_n configured ones in their order, then parked ones */
    uint32_t n, conf_n;
    struct standing_set *pool;
    uint32_t pool_n;
    uint8_t pool_empty[STANDING_POOLS_MAX]; /* the alarm has been raised */
    uint32_t min_active;
    bool acknowledge, send;
    bool doubt; /* until it is configured */
    bool dirty; /* eligibility may have changed: pools are to be looked at */
    uint64_t version;
};

/* standing.c */
void standing_advance(struct standing *s, int64_t now_ms);
int64_t standing_at(const struct standing *s, int64_t wall_ms); /* the inner time it would be */
struct member *standing_member(const struct standing *s, int index); /* NULL: out of range */
struct member *member_new(struct slice egress, const struct addr *address);
void member_free(struct member *m);
void standing_touched(struct standing *s, struct member *m); /* after an input: rules, pools */
/* A copy without control characters, cut to `max`. */
char *standing_text(struct slice text, size_t max);
size_t standing_clean(struct slice text, char *out, size_t max); /* the same, no NUL: its length */
void standing_retext(char **text, const char *fresh);

/* standing_evidence.c */
double standing_decay(double points, int64_t ms);
double member_points(const struct member *m, int64_t at_ms); /* E */
double member_standing_points(const struct member *m);       /* of listings */
bool member_hard_listed(const struct member *m);
bool member_broken(const struct member *m); /* names */
void member_charge(struct standing *s, struct member *m, enum standing_evidence_kind kind,
                   struct slice source, struct slice text, double points);
void member_credit(struct standing *s, struct member *m); /* a good delivery */
void member_forget(struct member *m);                     /* all evidence */
void listing_drop(struct standing *s, struct member *m, uint32_t index);

/* standing_state.c: the only function that changes a state, of a member or (c) of a cell */
void standing_move(struct standing *s, struct member *m, struct cell *c, enum standing_state to,
                   const char *reason);
void member_settle(struct standing *s, struct member *m); /* follows the rules until none applies */
void member_spare(struct standing *s, struct member *m);  /* back from where soft evidence put it */
void member_hold(struct standing *s, struct member *m, uint8_t hold, bool on, const char *reason);
bool member_eligible(const struct member *m);
bool member_works(const struct member *m); /* eligible, and mail can leave by it just now */
void member_ramp_tick(struct standing *s, struct member *m);
void member_prove_anew(const struct standing *s, struct member *m);

/* standing_pool.c */
bool member_carries(const struct member *m); /* eligible, or the last resort */
bool pools_permit(const struct standing *s, const struct member *m);
/* Going there it is out for soft reasons alone. */
bool pools_may_want(const struct standing *s, const struct member *m, enum standing_state to);
void pools_check(struct standing *s); /* alarms and last resort */
bool pools_share(const struct standing *s, const struct member *a, const struct member *b);
/* Is there a pool of it of which nobody else may carry mail to this provider? */
bool pools_need(const struct standing *s, const struct member *m, const char *provider);

/* standing_cell.c */
struct cell cell_fresh(const struct member *m, int64_t now_ms); /* without texts */
struct cell *cell_new(const struct member *m, struct slice provider, int64_t now_ms);
void cell_free(struct cell *c);
struct cell *cell_find(const struct member *m, struct slice provider);
struct cell *cell_get(struct standing *s, struct member *m, struct slice provider);
void cells_tick(struct standing *s, struct member *m);
void cells_rewarm(struct standing *s, struct member *m, bool warm);
double cell_quota(const struct member *m, const struct cell *c); /* an hour; < 0: none */
double cell_tokens(const struct member *m, const struct cell *c, int64_t at_ms);
bool cell_canary(const struct cell *c, int64_t at_ms);
double cell_share(const struct cell *c);
enum standing_state cell_base(const struct cell *c);

#endif
