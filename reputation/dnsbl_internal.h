/*
 * reputation/dnsbl_internal — shared by the files of the blocklist core
 *
 *   dnsbl.c         life, configuration, the phases of a list
 *   dnsbl_ask.c     questions, tickets, the budget
 *   dnsbl_test.c    self-tests: which resolver may be believed about a list
 *   dnsbl_decide.c  from answers to verdicts
 *   dnsbl_many.c    what is wrong with a list: it lists most of us at once, or says nothing
 *
 *   A list goes round: IDLE → TEST (when self-tests are due) → IDLE → SWEEP (addresses that are
 *   due, by all resolvers that may be believed) → VERIFY (only when something new is listed, or no
 *   longer: the tests again, and the list's text) → IDLE. A phase ends when all its questions are
 *   answered.
 */
#ifndef WAYPOST_REPUTATION_DNSBL_INTERNAL_H
#define WAYPOST_REPUTATION_DNSBL_INTERNAL_H

#include "reputation/dnsbl.h"

enum {
    SECOND_MS = 1000,
    MINUTE_MS = 60 * SECOND_MS,
    HOUR_MS = 60 * MINUTE_MS,
    CONFIRM_MS = MINUTE_MS,         /* the only resolver must say it twice, so far apart */
    SUSPECT_MS = MINUTE_MS,         /* between checks of a suspect address */
    AGAIN_MS = 15 * SECOND_MS,      /* after a round without result */
    HOLD_MS = 15 * MINUTE_MS,       /* a list that lists too many of us */
    UNKNOWN_MS = 3 * HOUR_MS,       /* then an alarm, and the list is dead */
    TEST_MS = HOUR_MS,              /* between self-tests */
    TEST_AGAIN_MS = MINUTE_MS,      /* after one that failed */
    TEST_DOUBLINGS = 5,             /* to 32 times that */
    TEST_FRESH_MS = 15 * MINUTE_MS, /* what clears a suspect address is not older */
    CLEAR_ROUNDS = 3,
    GUARD_MIN = 3 /* so many addresses make a share of them mean something */
};

enum phase { PHASE_IDLE, PHASE_TEST, PHASE_SWEEP, PHASE_VERIFY };
enum family { FAMILY_V4, FAMILY_V6, FAMILIES };

/* One resolver's standing with a list, for one family. */
struct gate {
    bool used;                           /* there are addresses of the family */
    bool passed;                         /* may be believed */
    bool asked;                          /* in the test under way */
    struct dnsbl_finding must, must_not; /* what it said of the two entries */
    int64_t tested_ms, next_ms;
    unsigned failures;
    const char *why; /* it may not be believed */
};

/* One address on one list. */
struct cell {
    struct addr address;
    bool suspect, swept;
    bool dead;   /* no result for UNKNOWN_MS */
    bool before; /* an earlier process believed that it is listed */
    bool many;   /* it is listed (or was, `before`) with most of the others */
    enum listing_state state;
    int64_t since_ms, checked_ms, due_ms;
    const char *problem;
    const struct zone_code *code;
    uint32_t answer;
    unsigned clear_rounds, failures; /* in a row */
    bool candidate;                  /* the last round lists it; not believed yet */
    bool leaves;                     /* the last round clears it; likewise */
    int alone_by;                    /* a resolver that listed it alone, -1: none */
    int64_t alone_ms;                /* since then */
    int64_t known_ms;                /* the last round with a result, or when we began */
    struct dnsbl_finding votes[DNSBL_RESOLVERS_MAX];
    uint32_t ttl_s[DNSBL_RESOLVERS_MAX];
    bool asked[DNSBL_RESOLVERS_MAX];
    char text[DNSBL_TEXT_MAX];
};

struct list_watch {
    struct dnsbl_zone_conf conf;
    struct addr resolvers[DNSBL_RESOLVERS_MAX];
    struct gate gates[DNSBL_RESOLVERS_MAX][FAMILIES];
    struct cell *cells;
    size_t cell_n;
    enum phase phase;
    size_t open; /* questions of the phase not answered yet */
    int64_t sweep_ms;
    int64_t hold_until_ms; /* 0: no hold */
    bool borne_out;        /* this sweep's answers list a candidate */
    int64_t wait_ms;       /* until the next sweep, as drawn at the end of this one */
    int64_t look_ms;       /* the next look for cells that are unknown too long */
    bool told;             /* `last` holds */
    enum list_fault fault; /* as of the last sweep: FINE, HELD or MANY */
    enum list_fault last;  /* as told */
    size_t listed;         /* at once, when too many are */
};

enum purpose { ASK_ADDRESS, ASK_TEXT, ASK_MUST, ASK_MUST_NOT };

struct slot {
    bool used;
    uint32_t turn; /* makes a ticket good for one question */
    enum purpose purpose;
    uint32_t list, cell;
    uint8_t resolver, family;
    int64_t next; /* in the queue or among the free ones; -1: the last */
};

struct dnsbl {
    struct dnsbl_hooks hooks;
    struct arena *arena; /* of the configuration */
    struct list_watch *lists;
    size_t list_n;
    unsigned per_second;
    struct slot *slots;
    size_t slot_n;
    int64_t free_slot, first, last; /* indices, -1: none */
    double tokens;
    int64_t tokens_ms;
};

/* ---- dnsbl_ask.c ---- */

void dnsbl_ask_address(struct dnsbl *d, size_t list, size_t cell, unsigned resolver, bool text);
void dnsbl_ask_test(struct dnsbl *d, size_t list, unsigned resolver, enum family family);
void dnsbl_ask_release(struct dnsbl *d, int64_t now_ms); /* as many as the budget has room for */
void dnsbl_ask_forget(struct dnsbl *d);                  /* all of them */

/* ---- dnsbl_test.c ---- */

enum family dnsbl_family(const struct cell *c);
bool dnsbl_tests_begin(struct dnsbl *d, size_t list,
                       int64_t now_ms); /* those due; false: none is */
/* Of all resolvers that list something new, or no longer what they did, when the last test was
 * before this sweep. */
void dnsbl_tests_verify(struct dnsbl *d, size_t list);
void dnsbl_tests_end(struct list_watch *l, int64_t now_ms, struct rnd *rnd);

/* ---- dnsbl_decide.c ---- */

/* Reads the answers of the sweep: which cells would be listed now, and which leave. True: there are
 * some. */
bool dnsbl_candidates(struct list_watch *l, int64_t now_ms);
/* Turns them into verdicts, and says when each cell is due again. */
void dnsbl_decide(struct dnsbl *d, struct list_watch *l, int64_t now_ms, struct rnd *rnd);
/* Repeats the state of cells that nothing is known of; then whether anything is wrong. */
void dnsbl_look(struct dnsbl *d, struct list_watch *l, int64_t now_ms);
void dnsbl_listing_of(const struct list_watch *l, const struct cell *c, struct buf *link,
                      struct listing *verdict_r);

/* ---- dnsbl_many.c ---- */

/* Does the list list more of us than can be true? Sets l->fault, when it is to be believed after
 * all, and lets go of the mark when it is over. */
void dnsbl_weigh(struct list_watch *l, int64_t now_ms);
/* Tells what is wrong, when that has changed; `dead`: a cell that nothing is known of, or NULL. */
void dnsbl_tell_fault(const struct dnsbl *d, struct list_watch *l, const struct cell *dead);

#endif
