/*
 * policies/choose — one egress out of those a route allows, and why not the others
 *
 *   choose() decides for one mail at the moment of dispatch, from the advice table and what the
 *   relay knows itself. In this order:
 *     1. eligible: usable, not excluded for this mail, no fault, not refused by the receiver, with
 *        something left of its allowance there, not without weight while one with weight is left
 *        (but for mail that has been there before); DOWN only when nothing else is left; then the
 *        fallback set of the route. One that has less than its share (suspect, just released) sits
 *        out the rest.
 *     2. sticky: a retry (greylisting) goes by the egress of the earlier try.
 *     3. without advice (none, stale, unknown group): by weight, as if nothing were measured.
 *     4. the preferred egress of the group (hysteresis is control's work) or, when the route does
 *        not allow that one, the egress the caller used last, unless another is 15 % and 40 ms
 *        better; without either the cheapest for this mail.
 *     5. a warm session is kept unless another way is 20 % better.
 *     6. among those that are nearly as good, the sender's domain decides by consistent hash, in
 *        proportion to the weights.
 *     7. rarely, small mail of no hurry tries another one (exploration).
 *     8. small mail of no hurry goes by one that is warming up, as long as that has something left
 *        of its allowance, in proportion to the weights: what is never used is never warm.
 *   An egress that the receiver limits keeps the mail that is its: by 4 and 6 alone, for the same
 *   correspondents the same. When its allowance is used up a bounded part of that mail goes by
 *   others (`spilled`), and the rest waits (`waits`) even if others could carry it: going round a
 *   limit makes it worse.
 *   `explain` prints the struct choice of the same call.
 *
 * Guarantees: never an ineligible egress; no allocation; no clock; draws from `rnd` only.
 * Ownership:  everything is the caller's. A struct choice is large: keep one per worker.
 */
#ifndef WAYPOST_POLICIES_CHOOSE_H
#define WAYPOST_POLICIES_CHOOSE_H

#include "gateway/base/rnd.h"
#include "policies/advice.h"
#include "policies/cost.h"
#include "policies/route.h"

enum {
    EGRESS_NONE = -1,
    CHOICE_MAX = ADVICE_EGRESS_MAX,      /* candidates of one choice; more are not looked at */
    CHOICE_STICKY_MS = 4 * 3600 * 1000,  /* how long the egress of a deferred mail is remembered */
    CHOICE_EXPLORE_BYTES = 64 * 1024,    /* larger mail never explores */
    CHOICE_EXPLORE_EVERY_MS = 60 * 1000, /* at most one mail of a group */
    CHOICE_RACE_NEVER = -1
};

/* How this receiver takes mail by it. */
enum egress_receiver {
    RECEIVER_TAKES,
    RECEIVER_WARMS,  /* it is to get used to it: up to its allowance it should have mail */
    RECEIVER_LIMITS, /* it has told us to send less */
    RECEIVER_REFUSES /* whatever the mail */
};

/* What is known about an egress now, one per egress of the configuration, in its order. */
struct egress_facts {
    bool usable;      /* configured for use, and with a source of a family the destination has */
    bool excluded;    /* for this mail: it was refused there */
    bool warm;        /* an idle session to the destination stands */
    uint8_t fault;    /* enum egress_fault_kind that the relay itself knows of */
    uint8_t receiver; /* enum egress_receiver */
    bool spent;       /* its allowance for this receiver is used up for now */
    bool spills;      /* RECEIVER_LIMITS and spent: one mail may go by another */
    bool least_bad;  /* the receiver refuses all that are left, and this one carries all the same */
    bool limited;    /* a limit of its own holds it back for a moment */
    uint32_t active; /* bulk transfers under way on it */
};

enum choice_reason {
    /* chosen */
    CHOSEN_BY_WEIGHT, /* nothing measured to go by */
    CHOSEN_STICKY,
    CHOSEN_PREFERRED, /* of the group, or used last */
    CHOSEN_CHEAPEST,
    CHOSEN_WARM,
    CHOSEN_BY_HASH, /* one of several nearly as good */
    CHOSEN_EXPLORING,
    CHOSEN_WARMING_UP,
    CHOSEN_LAST_RESORT, /* everything is down */
    CHOSEN_LEAST_BAD,   /* last_resort: send */
    /* not chosen */
    NOT_CHEAPEST, /* better_pct < 0: it would take that much longer */
    BELOW_MARGIN, /* better_pct > 0: better, but not enough to leave the chosen one */
    NOT_DRAWN,    /* as good; weight or hash gave another */
    RULED_OUT_UNUSABLE,
    RULED_OUT_EXCLUDED,
    RULED_OUT_FAULT,
    RULED_OUT_DOWN,
    RULED_OUT_RESERVE, /* weight 0, and another one is left */
    RULED_OUT_SHARE,   /* advice: it may carry nothing */
    RULED_OUT_REFUSED, /* the receiver refuses it, whatever the mail */
    RULED_OUT_SPENT,
    RULED_OUT_LIMITED,
    RULED_OUT_SITS_OUT, /* it has less than its share now, and this mail is another's */
    RULED_OUT_ROUND,    /* the mail is that of one whose limit must not be gone round */
    CHOICE_REASONS
};
extern const char *const choice_reason_texts[CHOICE_REASONS]; /* for people: "nothing measured" */

struct candidate {
    uint16_t egress;                /* index into conf->egress */
    bool fallback;                  /* of the route's fallback set */
    uint8_t reason;                 /* enum choice_reason */
    uint8_t fault;                  /* enum egress_fault_kind */
    int row;                        /* in the advice table; ADVICE_NONE */
    double share;                   /* of its weight that it may carry, here and now */
    double weight;                  /* after that */
    double better_pct;              /* than the chosen one, in time; negative: worse */
    const struct advice_path *path; /* NULL: not measured; lives as long as the table */
    struct cost cost;               /* zero when ruled out before the path was looked at */
};

struct choice {
    int egress;               /* index into conf->egress; EGRESS_NONE: the mail waits */
    int chosen;               /* index into `at`; -1 */
    int second;               /* the best of the others that could carry it: for a race; -1 */
    int spilled;              /* egress whose mail it is, by whose spill it goes; EGRESS_NONE */
    bool waits;               /* egress is NONE, but others could carry it */
    bool bound;               /* nobody else may carry it instead */
    bool measured;            /* false: by weight */
    bool drawn;               /* some have less than their share: the next mail may go otherwise */
    bool destination_suspect; /* no path is to blame: a second egress would not help */
    uint32_t n;
    struct candidate at[CHOICE_MAX]; /* in the order of the configuration, fallback last */
};

/* Advice rows by egress of the configuration: looked up once per table and configuration. */
struct choice_rows {
    int16_t row[CHOICE_MAX]; /* ADVICE_NONE: the table does not know it */
};
void choice_rows_fill(const struct conf *conf, const struct advice *advice,
                      struct choice_rows *rows_r);

struct choice_request {
    const struct conf *conf;
    struct egress_set allowed, fallback; /* of the route */
    const struct egress_facts *facts;    /* [conf->egress.n] */
    const struct advice *advice;         /* NULL: none */
    const struct choice_rows *rows;      /* of `advice`; may be NULL without it */
    int group;                           /* advice_group() of the destination address */
    int64_t now_ms;                      /* monotonic */
    uint64_t bytes;
    enum lane lane;
    bool tls;            /* a new session would negotiate it */
    uint64_t sender;     /* slice_hash_stable() of the sender's domain */
    int sticky;          /* egress of an earlier try, EGRESS_NONE */
    int incumbent;       /* egress this caller used last for group and route, EGRESS_NONE */
    int64_t *explore_ms; /* of the group: not before then; moved on when it explores. NULL: never */
    uint32_t sharers;    /* workers that have an explore_ms of their own for the group; >= 1 */
};

/* Fills *choice_r and returns choice_r->egress. */
int choose(const struct choice_request *request, struct rnd *rnd, struct choice *choice_r);
bool choice_rules_out(const struct choice *choice, int egress, enum choice_reason reason);
bool choice_has(const struct choice *choice, enum choice_reason reason); /* some candidate has it */

/* After how long without a connection the second egress shall be tried beside the first, in ms:
 * when the path is doubtful as soon as it is overdue, else when the repeated SYN is, too.
 * CHOICE_RACE_NEVER when there is no second or the destination is to blame. */
int64_t choice_race_ms(const struct choice *choice);
/* How long a connection by this path may take before it is reported as overdue, in ms. */
int64_t choice_overdue_ms(const struct advice_path *path);

/* By weight alone: an index into conf->egress, EGRESS_NONE when nothing of the set is usable. An
 * egress of weight 0 is taken only when no other is usable. */
int choose_egress(const struct conf *conf, struct egress_set allowed,
                  const struct egress_facts *facts, struct rnd *rnd);

#endif
