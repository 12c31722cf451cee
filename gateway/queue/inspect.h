/*
 * queue/inspect — looking at a worker's part of the queue, and an operator's hand in it
 *
 *   All calls run on the queue's own loop and finish before they return: they look at every item
 *   once (some 50 ns each; envelopes are unpacked only when the filter asks for addresses), so an
 *   admin asks each worker in turn and shows the sum. Views are valid inside the callback only.
 */
#ifndef WAYPOST_QUEUE_INSPECT_H
#define WAYPOST_QUEUE_INSPECT_H

#include "gateway/queue/queue.h"
#include "policies/pattern.h"

/* A zeroed filter matches everything. Patterns are globs without ASCII case (policies/pattern). */
struct queue_filter {
    bool by_id, by_lane, by_to, by_from, by_domain, by_site;
    struct spool_id id;
    unsigned lane;
    struct pattern to, from; /* some recipient, the sender */
    struct pattern domain;   /* of the destination, or of some recipient with fixed hosts */
    struct pattern site;     /* its name or its key */
    int64_t age_min_ms;      /* accepted at least this long ago */
    /* One more condition; NULL: none. Runs on the workers' threads: it only reads. */
    bool (*also)(const void *arg, const struct item *item);
    const void *also_arg;
};

/* Age since acceptance, or since release when it was held (RFC 4865). Bucket i holds what is
 * younger than queue_age_s[i] and no younger than the one before; the last one all the rest. */
enum { QUEUE_AGES = 11 };
extern const int64_t queue_age_s[QUEUE_AGES - 1];

struct queue_site_row {
    const char *name, *key, *last_error; /* last_error may be empty */
    uint32_t ready[LANE_COUNT], busy, waiting, held, sessions;
    uint32_t ages[LANE_COUNT][QUEUE_AGES]; /* of all of it, in whatever state */
    int64_t oldest_ms;                     /* wall clock: accepted; 0 when there is no mail */
    int64_t backoff_ms;                    /* left; 0: none */
    uint32_t failures;
    enum site_hold hold;  /* why what could leave does not */
    const char *held_by;  /* SITE_LIMIT: which */
    uint64_t connections; /* that it may have; 0: no limit */
    uint32_t bears;       /* sessions, as was found out; 0: not known */
};

enum queue_action { QUEUE_RETRY, QUEUE_HOLD, QUEUE_RELEASE, QUEUE_DROP, QUEUE_BOUNCE };

/* The carrier and region that rules see of a site with these hosts, when the resolver's cache
 * tells; NULL: not known. */
const struct geo_group *queue_place_known(struct queue *queue, const struct mx_set *mx);

/* Mail for this recipient, whether or not its site has any now. */
struct queue_limits_question {
    const struct mx_set *mx;       /* NULL: not known, or the hosts of the route */
    struct slice route;            /* its name */
    const struct geo_group *place; /* NULL: not known */
    struct slice domain, recipient;
    struct slice egress; /* empty: whichever */
};
/* What holds for its site if it comes there: as site_limits() says it. What is not known no rule
 * can ask for. */
size_t queue_limits(const struct queue *queue, const struct queue_limits_question *question,
                    struct traffic_limits *limits_r, struct traffic_toll *tolls_r,
                    struct facts *facts_r);

/* One row a site with mail; mail that has no site yet (looked up, or waiting since the start) is
 * one more row with key "". */
void queue_each_site(struct queue *queue, void (*fn)(void *arg, const struct queue_site_row *row),
                     void *arg);
/* `site` of the item may be NULL. Stops when fn says false. */
void queue_each(struct queue *queue, const struct queue_filter *filter,
                bool (*fn)(void *arg, const struct item *item), void *arg);
/* Returns how many items it changed. retry also ends the back-off of their sites; hold and release
 * are written to the spool. BUSY items: hold, drop and bounce take effect when the attempt ends. */
size_t queue_act(struct queue *queue, const struct queue_filter *filter, enum queue_action action);

#endif
