/*
 * tests/support/queue_rig — two workers' queues on two loops in one thread
 *
 *   Destinations are fixed hosts and address literals, so no name server is needed. What the queues
 *   tell is kept in `w`; with w.take set, everything that becomes ready is taken at once. Every
 *   wait is bounded; what never comes fails the test.
 */
#ifndef WAYPOST_TESTS_SUPPORT_QUEUE_RIG_H
#define WAYPOST_TESTS_SUPPORT_QUEUE_RIG_H

#include "gateway/base/rnd.h"
#include "gateway/queue/inspect.h"
#include "gateway/queue/queue.h"

enum { WORKERS = 2, TAKEN_MAX = 4096 };

struct queue_world {
    struct loop *loops[WORKERS];
    struct resolver *resolvers[WORKERS];
    struct queue *queues[WORKERS];
    struct policies *policies;
    struct spool *spool;
    struct spool_port *ports[WORKERS];
    struct rnd rnd;
    struct geo_cache *geo[WORKERS]; /* knows nothing until a test says so */
    char dir[64];                   /* of the spool */
    bool take;                      /* take everything that is ready */
    struct item *taken[TAKEN_MAX];
    struct queue *taken_from[TAKEN_MAX];
    size_t taken_n;
    struct site *last_site;
    enum queue_trouble trouble[TAKEN_MAX];
    size_t trouble_n, held_n, released_n;
};

extern struct queue_world w;

int set_up(void **state); /* cmocka fixtures, for each test */
int tear_down(void **state);

struct policies *policies_of(const char *rules); /* a gateway with these policies.yaml */
struct item *item_to(const char *key, const char *recipient, enum lane lane);
struct item *take_next(struct site *site); /* BUSY, holding no slot; NULL: nothing may go */
/* The same from a client with this address, of this size. */
struct item *item_from(const char *client, const char *key, enum lane lane, uint64_t bytes);
bool turn_until_taken(size_t n); /* false: they do not come */
void turn_a_little(void);
void finish_all(void); /* what was taken */

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif
