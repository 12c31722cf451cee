/*
 * reputation/dnsbl — which of our addresses stand on which DNS blocklists (pure)
 *
 *   Decides what to ask whom and when, and what the answers amount to. Time, randomness and answers
 *   come in; questions, verdicts and alarms go out by hooks.
 *
 *   A listing is believed when
 *   - the answer is in the list's table (dnsbl_answer.h),
 *   - two resolvers agree, or, when only one of them can be used, it says so twice, 60 s apart,
 *   - each of them has just passed the list's self-test once more: the test entry is listed and
 *     127.0.0.1 is not (RFC 5782 section 5; a list that has become a wildcard fails here),
 *   - not more than half of three or more addresses have been listed within one interval. If they
 *     have, the list is taken to be at fault for 15 minutes and an alarm is raised. What is still
 *     listed then, by a list that still passes its tests, may be true (a provider's whole network
 *     does get listed) or a fault that lasts; so it is told as `many`: evidence, but soft. When no
 *     more than half is left of it, those still there are listed like any other.
 *   It ends when the quorum says three times that there is no entry, and passes the self-tests once
 *   more after the third: a list that was closed has no entries, either. Of an address that is
 *   suspect no entry means something only when the tests were passed in the 15 minutes before.
 *   Errors, silence and answers that cannot be right neither list nor clear; after three hours of
 *   nothing else comes an alarm, and the list counts as dead: each minute a verdict repeats the
 *   state and says so.
 *
 *   Of one or two addresses no share means anything: there the self-test alone guards.
 *
 *   Cadence: a list's interval less up to a tenth, later when the answer's TTL is longer (an hour
 *   at most); every 60 s for an address that is suspect; 15 s, then doubling, after a round without
 *   a result. Self-tests: hourly; after a failure 60 s later, then doubling to 32 minutes.
 *   Questions go out at no more than `per_second`; those that wait keep their order.
 *
 * Callbacks: `ask` and `verdict` run from dnsbl_tick() only, `fault` too. dnsbl_answered() may be
 *            called from inside `ask`; nothing else may.
 * See:       RFC 5782.
 */
#ifndef WAYPOST_REPUTATION_DNSBL_H
#define WAYPOST_REPUTATION_DNSBL_H

#include "gateway/base/rnd.h"
#include "reputation/dnsbl_answer.h"

enum { DNSBL_RESOLVERS_MAX = 4, DNSBL_TEXT_MAX = 200 };

/* One list as configured. Copied by dnsbl_configure(). */
struct dnsbl_zone_conf {
    struct slice zone;
    const char *link; /* with {address}; "" for none */
    bool v4, v6;      /* families it knows */
    bool expires;     /* entries go by themselves */
    int64_t interval_ms;
    const struct zone_code *codes, *errors;
    size_t code_n, error_n;
    const struct addr *resolvers; /* more than DNSBL_RESOLVERS_MAX: the first ones */
    size_t resolver_n;
};

struct dnsbl_config {
    const struct dnsbl_zone_conf *zones;
    size_t zone_n;
    const struct addr *addresses; /* ours, each once */
    size_t address_n;
    unsigned per_second; /* questions to all resolvers together; > 0 */
};

struct dnsbl_question {
    uint64_t ticket; /* for dnsbl_answered() */
    const struct addr *resolver;
    const char *name;
    bool text; /* TXT, else A */
};

struct dnsbl_hooks {
    /* Exactly one dnsbl_answered() must follow, unless the core is configured anew or freed. */
    void (*ask)(void *arg, const struct dnsbl_question *question);
    /* After every round that bears the state out, whether `changed` or only repeated. */
    void (*verdict)(void *arg, const struct listing *verdict);
    /* When something is wrong with the list itself, and when that is over. The first time that
     * nothing is wrong `text` is "": it may have been otherwise before we began. */
    void (*fault)(void *arg, struct slice zone, enum list_fault fault, const char *text);
    void *arg;
};

struct dnsbl;

struct dnsbl *dnsbl_new(const struct dnsbl_hooks *hooks);
void dnsbl_free(struct dnsbl **dnsbl);

/* What is known of an address and a list that are in both configurations stays. Questions under way
 * are forgotten. */
void dnsbl_configure(struct dnsbl *d, const struct dnsbl_config *config, int64_t now_ms);
/* An earlier process believed that the zone lists the address, as one of `many` or not: that is no
 * news. Ignored once this one knows. */
void dnsbl_believed(struct dnsbl *d, struct slice zone, const struct addr *address, bool many);
/* The address is under suspicion: ask more often. */
void dnsbl_suspect(struct dnsbl *d, const struct addr *address, bool suspect, int64_t now_ms);
/* Call it every 100 ms or so. */
void dnsbl_tick(struct dnsbl *d, int64_t now_ms, struct rnd *rnd);
/* A ticket that is not open any more is ignored. Copies what it needs. */
void dnsbl_answered(struct dnsbl *d, uint64_t ticket, const struct dnsbl_answer *answer);
/* Everything, list by list. */
void dnsbl_each(const struct dnsbl *d, void (*fn)(void *arg, const struct listing *verdict),
                void *arg);

#endif
