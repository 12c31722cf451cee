/*
 * queue: items find their site and owner, lanes keep their order, waiting, back-off, operators,
 * reloads. Two workers run on two loops in one thread; destinations are fixed hosts and address
 * literals, so no name server is needed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/mail/envelope.h"
#include "gateway/queue/inspect.h"
#include "gateway/queue/queue.h"

enum { WORKERS = 2, TAKEN_MAX = 4096, TURNS_MAX = 3000 };

struct world {
    struct loop *loops[WORKERS];
    struct resolver *resolvers[WORKERS];
    struct queue *queues[WORKERS];
    struct policies *policies;
    struct spool *spool;
    struct spool_port *ports[WORKERS];
    struct rnd rnd;
    char dir[64]; /* of the spool */
    bool take;    /* take everything that is ready */
    struct item *taken[TAKEN_MAX];
    struct queue *taken_from[TAKEN_MAX];
    size_t taken_n;
    struct site *last_site;
    enum queue_trouble trouble[TAKEN_MAX];
    size_t trouble_n, held_n, released_n;
};

static struct world w;

static void note_taken(struct queue *q, struct item *item)
{
    assert_true(w.taken_n < TAKEN_MAX);
    w.taken_from[w.taken_n] = q;
    w.taken[w.taken_n++] = item;
}

static void on_ready(void *arg, struct site *site)
{
    struct queue *q = site->queue;
    (void)arg;
    w.last_site = site;
    if (!w.take)
        return;
    for (struct flow *flow; (flow = site_next_flow(site));) {
        struct item *item = flow_take(flow);
        if (item)
            note_taken(q, item);
    }
}

static void on_trouble(void *arg, struct item *item, enum queue_trouble why, const char *text)
{
    struct queue **q = arg; /* limbo items do not name their queue */
    assert_non_null(text);
    w.trouble[w.trouble_n++] = why;
    note_taken(*q, item);
}

static void on_noted(void *arg, const struct item *item, enum queue_note note)
{
    (void)arg;
    (void)item;
    if (note == NOTE_HELD)
        w.held_n++;
    else
        w.released_n++;
}

static void on_site_gone(void *arg, struct site *site)
{
    (void)arg;
    assert_int_equal(site->sessions, 0);
}

static struct policies *policies_of(const char *rules)
{
    struct bundle *b = bundle_new();
    struct conf_errors *errors = conf_errors_new();
    struct policies *p = NULL;
    bundle_put(b, "/w.yaml",
               slice_of("hostname: gw.example\nstate: /tmp\n"
                        "listen: [ { address: \"127.0.0.1:2525\" } ]\n"
                        "clients: [ { network: 127.0.0.0/8 } ]\npolicies: p.yaml\n"));
    bundle_put(b, "/p.yaml", slice_of(rules));
    if (policies_load(b, "/w.yaml", &p, errors) != RC_OK)
        fail_msg("the test's own configuration has errors");
    conf_errors_free(&errors);
    bundle_free(&b);
    return p;
}

static const char *const rules_a =
    "routes:\n"
    "  - { name: fixed, when: { recipient_domain: fixed.example }, hosts: [\"127.0.0.9:2600\"] }\n"
    "  - { name: other, when: { recipient_domain: other.example }, hosts: [\"127.0.0.8:2600\"] }\n"
    "  - { name: default }\n"
    "retry: { first: 1s, max: 4s, expire: 1h }\n";

static int set_up(void **state)
{
    struct err err;
    (void)state;
    memset(&w, 0, sizeof w);
    rnd_seed(&w.rnd, 11);
    w.policies = policies_of(rules_a);
    snprintf(w.dir, sizeof w.dir, "/tmp/wp-queue-XXXXXX");
    assert_non_null(mkdtemp(w.dir));
    struct spool_conf sc = { .dir = w.dir };
    assert_int_equal(spool_open(&sc, &w.spool, &err), RC_OK);
    for (unsigned i = 0; i < WORKERS; i++) {
        struct resolver_conf rc = resolver_defaults;
        rc.allow_loopback = true;
        w.loops[i] = loop_new();
        assert_int_equal(resolver_new(w.loops[i], &rc, &w.resolvers[i], &err), RC_OK);
        w.ports[i] = spool_port_new(w.spool, w.loops[i], (uint16_t)i);
        struct queue_env env = { .loop = w.loops[i],
                                 .resolver = w.resolvers[i],
                                 .spool = w.ports[i],
                                 .policies = w.policies,
                                 .rnd = &w.rnd,
                                 .index = i,
                                 .count = WORKERS,
                                 .all = w.queues };
        struct queue_events events = { on_ready, on_trouble, on_noted, on_site_gone, &w.queues[i] };
        w.queues[i] = queue_new(&env, &events);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (unsigned i = 0; i < WORKERS; i++) {
        queue_free(&w.queues[i]);
        spool_port_free(&w.ports[i]);
        resolver_free(&w.resolvers[i]);
        loop_free(&w.loops[i]);
    }
    spool_close(&w.spool);
    policies_unref(&w.policies);
    return 0;
}

static struct item *item_to(const char *key, const char *recipient, enum lane lane)
{
    struct recipient r = { .address = slice_of(recipient) };
    struct envelope env = { .sender = slice_of("alice@corp.example"),
                            .size = 5000,
                            .received_ms = clock_wall_ms(),
                            .recipients = &r,
                            .recipients_n = 1 };
    static uint64_t n;
    struct buf packed;
    buf_init(&packed, 65536);
    envelope_pack(&env, &packed);
    struct spool_item record = { .id = { .ms = 1, .seq = (uint32_t)++n },
                                 .count = 1,
                                 .lane = (uint8_t)lane,
                                 .accepted_ms = clock_wall_ms(),
                                 .due_ms = 0,
                                 .expire_ms = clock_wall_ms() + 3600000,
                                 .body_size = 5000,
                                 .dest = slice_of(key),
                                 .env = buf_slice(&packed) };
    struct item *item = item_new(&record);
    buf_free(&packed);
    return item;
}

/* Turns both loops until `n` items came out; false when they do not. */
static bool turn_until_taken(size_t n)
{
    for (int i = 0; i < TURNS_MAX && w.taken_n < n; i++)
        for (int k = 0; k < WORKERS; k++)
            loop_turn(w.loops[k], 1);
    return w.taken_n >= n;
}

static void turn_a_little(void)
{
    for (int i = 0; i < 10; i++)
        for (int k = 0; k < WORKERS; k++)
            loop_turn(w.loops[k], 1);
}

static void finish_all(void)
{
    for (size_t i = 0; i < w.taken_n; i++)
        queue_finish(w.taken_from[i], &w.taken[i]);
    w.taken_n = 0;
}

static void one_owner_for_a_site(void **state)
{
    (void)state;
    w.take = true;
    for (int i = 0; i < 20; i++) {
        queue_submit(w.queues[i % 2], item_to("fixed", "u@fixed.example", LANE_NORMAL));
        queue_submit(w.queues[i % 2], item_to("default/[127.0.0.5]", "u@[127.0.0.5]", LANE_NORMAL));
    }
    assert_true(turn_until_taken(40));
    struct queue *fixed = NULL, *literal = NULL;
    for (size_t i = 0; i < 40; i++) {
        struct queue **owner = slice_eq_str(item_route(w.taken[i]), "fixed") ? &fixed : &literal;
        if (!*owner)
            *owner = w.taken_from[i];
        assert_ptr_equal(*owner, w.taken_from[i]);
        assert_int_equal(w.taken[i]->state, ITEM_BUSY);
        assert_ptr_equal(w.taken[i]->site->queue, w.taken_from[i]);
    }
    finish_all();
}

static void lanes_in_order(void **state)
{
    (void)state;
    static const enum lane in[] = { LANE_BULK, LANE_NORMAL, LANE_URGENT, LANE_HIGH, LANE_NORMAL };
    static const enum lane out[] = { LANE_URGENT, LANE_HIGH, LANE_NORMAL, LANE_NORMAL, LANE_BULK };
    for (size_t i = 0; i < 5; i++)
        queue_submit(w.queues[0], item_to("fixed", "u@fixed.example", in[i]));
    turn_a_little();
    assert_int_equal(site_ready(w.last_site), 5);
    for (size_t i = 0; i < 5; i++) {
        struct item *item = flow_take(site_next_flow(w.last_site));
        assert_int_equal(item->lane, out[i]);
        queue_finish(w.last_site->queue, &item);
    }
    assert_null(site_next_flow(w.last_site));
}

static void bulk_has_its_turn(void **state)
{
    int bulk = 0;
    (void)state;
    for (int i = 0; i < 200; i++)
        queue_submit(w.queues[0],
                     item_to("fixed", "u@fixed.example", i % 2 ? LANE_BULK : LANE_NORMAL));
    turn_a_little();
    for (int i = 0; i < 100; i++) {
        struct item *item = flow_take(site_next_flow(w.last_site));
        bulk += item->lane == LANE_BULK;
        queue_finish(w.last_site->queue, &item);
    }
    assert_int_equal(bulk, 20);
}

static void deferred_comes_back(void **state)
{
    (void)state;
    w.take = true;
    queue_submit(w.queues[0], item_to("fixed", "u@fixed.example", LANE_NORMAL));
    assert_true(turn_until_taken(1));
    struct item *item = w.taken[0];
    struct queue *q = w.taken_from[0];
    w.taken_n = 0;
    queue_defer(q, item, clock_wall_ms() + 300);
    assert_int_equal(item->state, ITEM_WAITING);
    assert_int_equal(item->site->waiting, 1);
    assert_true(turn_until_taken(1));
    assert_ptr_equal(w.taken[0], item);
    assert_true(clock_wall_ms() >= item->due_ms);
    finish_all();
}

static void returned_goes_first(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        queue_submit(w.queues[0], item_to("fixed", "u@fixed.example", LANE_NORMAL));
    turn_a_little();
    struct item *first = flow_take(site_next_flow(w.last_site));
    queue_return(w.last_site->queue, first);
    assert_ptr_equal(flow_take(site_next_flow(w.last_site)), first);
    queue_finish(w.last_site->queue, &first);
}

static void backoff_puts_off_and_ends(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        queue_submit(w.queues[0], item_to("fixed", "u@fixed.example", LANE_NORMAL));
    turn_a_little();
    struct site *site = w.last_site;
    struct item *tried = flow_take(site_next_flow(site));
    site_failed(site, "connection refused");
    assert_int_equal(site_ready(site), 0);
    assert_int_equal(site->waiting, 2);
    assert_string_equal(site->last_error, "connection refused");
    queue_return(site->queue, tried); /* not tried again before the back-off ends */
    assert_int_equal(tried->state, ITEM_WAITING);
    assert_int_equal(tried->attempts, 0);
    queue_submit(w.queues[0], item_to("fixed", "u@fixed.example", LANE_URGENT));
    turn_a_little();
    assert_int_equal(site->waiting, 4);
    int64_t first = site->backoff_until_ms;
    site_failed(site, "again");
    assert_true(site->backoff_until_ms > first);
    site_succeeded(site);
    w.take = true;
    struct queue_filter all = { 0 };
    assert_int_equal(queue_act(site->queue, &all, QUEUE_RETRY), 4);
    assert_true(turn_until_taken(4));
    finish_all();
}

static void expired_is_trouble(void **state)
{
    (void)state;
    struct item *item = item_to("fixed", "u@fixed.example", LANE_NORMAL);
    item->expire_ms = clock_wall_ms() + 200;
    item->due_ms = clock_wall_ms() + 3600000;
    queue_submit(w.queues[0], item);
    assert_true(turn_until_taken(1));
    assert_int_equal(w.trouble_n, 1);
    assert_int_equal(w.trouble[0], TROUBLE_EXPIRED);
    finish_all();
}

static void expired_in_a_lane_is_trouble(void **state)
{
    (void)state;
    struct item *item = item_to("fixed", "u@fixed.example", LANE_NORMAL);
    queue_submit(w.queues[0], item);
    turn_a_little();
    item->expire_ms = 1;
    assert_null(flow_take(site_next_flow(w.last_site)));
    assert_int_equal(w.trouble[0], TROUBLE_EXPIRED);
    finish_all();
}

static void operator_holds_and_releases(void **state)
{
    (void)state;
    struct item *item = item_to("fixed", "u@fixed.example", LANE_NORMAL);
    struct queue_filter mine = { .by_id = true, .id = item->id };
    struct queue_filter other = { .by_id = true, .id = { .ms = 99 } };
    queue_submit(w.queues[0], item);
    turn_a_little();
    struct queue *q = w.last_site->queue;
    assert_int_equal(queue_act(q, &other, QUEUE_HOLD), 0);
    assert_int_equal(queue_act(q, &mine, QUEUE_HOLD), 1);
    assert_int_equal(item->state, ITEM_HELD);
    assert_int_equal(site_ready(w.last_site), 0);
    assert_int_equal(w.last_site->held, 1);
    assert_int_equal(queue_act(q, &mine, QUEUE_RETRY), 0);
    w.take = true;
    assert_int_equal(queue_act(q, &mine, QUEUE_RELEASE), 1);
    assert_true(turn_until_taken(1));
    assert_true(w.held_n == 1 && w.released_n == 1);
    assert_int_equal(queue_act(q, &mine, QUEUE_DROP), 1); /* BUSY: when the attempt ends */
    w.taken_n = 0;
    queue_defer(q, item, clock_wall_ms() + 1000);
    assert_int_equal(w.trouble[0], TROUBLE_DROP);
    assert_int_equal(item->state, ITEM_BUSY);
    finish_all();
}

static void filters(void **state)
{
    (void)state;
    static const struct {
        const char *to, *from, *domain, *site;
        size_t n;
    } rows[] = {
        { "*@fixed.example", NULL, NULL, NULL, 1 },
        { NULL, "ALICE@*", NULL, NULL, 2 },
        { NULL, "bob@*", NULL, NULL, 0 },
        { NULL, NULL, "[127.0.0.5]", NULL, 1 },
        { NULL, NULL, NULL, "*127.0.0.9:2600", 1 },
        { NULL, NULL, NULL, "fixed", 1 },
        { "*@fixed.example", "x@y", NULL, NULL, 0 },
    };
    struct arena *arena = arena_new(512);
    queue_submit(w.queues[0], item_to("fixed", "u@fixed.example", LANE_NORMAL));
    queue_submit(w.queues[0], item_to("default/[127.0.0.5]", "u@[127.0.0.5]", LANE_BULK));
    turn_a_little();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct queue_filter f = { .by_to = rows[i].to,
                                  .by_from = rows[i].from,
                                  .by_domain = rows[i].domain,
                                  .by_site = rows[i].site };
        pattern_compile(arena, slice_of(rows[i].to), &f.to);
        pattern_compile(arena, slice_of(rows[i].from), &f.from);
        pattern_compile(arena, slice_of(rows[i].domain), &f.domain);
        pattern_compile(arena, slice_of(rows[i].site), &f.site);
        size_t n = queue_act(w.queues[0], &f, QUEUE_HOLD) + queue_act(w.queues[1], &f, QUEUE_HOLD);
        assert_int_equal(n, rows[i].n);
        queue_act(w.queues[0], &f, QUEUE_RELEASE);
        queue_act(w.queues[1], &f, QUEUE_RELEASE);
        turn_a_little();
    }
    arena_free(&arena);
}

static void reload_takes_the_route_away(void **state)
{
    (void)state;
    queue_submit(w.queues[0], item_to("other", "u@[127.0.0.5]", LANE_NORMAL));
    turn_a_little();
    struct policies *p = policies_of("routes: [ { name: default } ]\n");
    w.take = true;
    for (int i = 0; i < WORKERS; i++)
        queue_reconfigure(w.queues[i], p);
    assert_true(turn_until_taken(1));
    assert_true(slice_eq_str(item_key(w.taken[0]), "default/[127.0.0.5]"));
    assert_int_equal(w.trouble_n, 0);
    finish_all();
    policies_unref(&p);
}

static void undecided_route_is_decided_by_the_mx(void **state)
{
    (void)state;
    struct policies *p = policies_of(
        "routes:\n"
        "  - { name: near, when: { mx: \"[127.0.0.5]\" }, hosts: [\"127.0.0.9:2600\"] }\n"
        "  - { name: default }\n");
    for (int i = 0; i < WORKERS; i++)
        queue_reconfigure(w.queues[i], p);
    w.take = true;
    queue_submit(w.queues[0], item_to("*/[127.0.0.5]", "u@[127.0.0.5]", LANE_NORMAL));
    queue_submit(w.queues[1], item_to("*/[127.0.0.6]", "u@[127.0.0.6]", LANE_NORMAL));
    assert_true(turn_until_taken(2));
    for (size_t i = 0; i < 2; i++)
        assert_true(slice_eq_str(item_key(w.taken[i]), "near") ||
                    slice_eq_str(item_key(w.taken[i]), "default/[127.0.0.6]"));
    finish_all();
    policies_unref(&p);
}

static void loaded_items_wait_for_their_time(void **state)
{
    (void)state;
    struct item *later = item_to("fixed", "u@fixed.example", LANE_NORMAL);
    struct item *held = item_to("fixed", "u@fixed.example", LANE_NORMAL);
    later->due_ms = clock_wall_ms() + 3600000;
    held->due_ms = ITEM_DUE_HELD;
    w.take = true;
    queue_load(w.queues[0], later);
    queue_load(w.queues[0], held);
    queue_load(w.queues[0], item_to("fixed", "u@fixed.example", LANE_NORMAL));
    assert_true(turn_until_taken(1));
    turn_a_little();
    assert_int_equal(w.taken_n, 1);
    assert_int_equal(later->state, ITEM_WAITING);
    assert_int_equal(held->state, ITEM_HELD);
    finish_all();
}

static void a_waiting_item_is_small(void **state)
{
    (void)state;
    struct item *item = item_to("default/destination.example.org",
                                "some.recipient@destination.example.org", LANE_NORMAL);
    assert_true(malloc_usable_size(item) + 16 <= 500);
    item_free(&item);
}

static void add_row(void *arg, const struct queue_site_row *row)
{
    struct queue_site_row *sum = arg;
    for (int lane = 0; lane < LANE_COUNT; lane++)
        sum->ready[lane] += row->ready[lane];
    sum->busy += row->busy;
    sum->waiting += row->waiting;
    sum->held += row->held;
}

static uint32_t total_rows(struct queue_site_row *sum)
{
    uint32_t n = 0;
    memset(sum, 0, sizeof *sum);
    for (int i = 0; i < WORKERS; i++)
        queue_each_site(w.queues[i], add_row, sum);
    for (int lane = 0; lane < LANE_COUNT; lane++)
        n += sum->ready[lane];
    return n + sum->busy + sum->waiting + sum->held;
}

static bool count_one(void *arg, const struct item *item)
{
    (void)item;
    ++*(uint32_t *)arg;
    return true;
}

/* Whatever is done to them, items are neither lost nor doubled and the counts follow. */
static void random_walk_keeps_count(void **state)
{
    static const enum queue_action actions[] = { QUEUE_RETRY, QUEUE_HOLD, QUEUE_RELEASE };
    struct queue_filter all = { 0 };
    uint32_t alive = 0;
    (void)state;
    for (int step = 0; step < 3000; step++) {
        struct queue *q = w.queues[rnd_below(&w.rnd, WORKERS)];
        uint64_t dice = rnd_below(&w.rnd, 100);
        if (dice < 30 && alive < 500) {
            bool literal = rnd_below(&w.rnd, 2);
            queue_submit(q, item_to(literal ? "default/[127.0.0.5]" : "fixed",
                                    literal ? "u@[127.0.0.5]" : "u@fixed.example",
                                    (enum lane)rnd_below(&w.rnd, LANE_COUNT)));
            alive++;
        } else if (dice < 35) {
            queue_act(q, &all, actions[rnd_below(&w.rnd, 3)]);
        } else if (dice < 37 && w.last_site) {
            site_failed(w.last_site, "test");
        } else if (w.taken_n) {
            struct item *item = w.taken[--w.taken_n];
            q = w.taken_from[w.taken_n];
            if (dice < 60) {
                queue_finish(q, &item);
                alive--;
            } else if (dice < 80)
                queue_defer(q, item, clock_wall_ms() + (int64_t)rnd_below(&w.rnd, 500));
            else
                queue_return(q, item);
        }
        w.take = rnd_below(&w.rnd, 2);
        for (int i = 0; i < 4; i++) /* there and back between the workers */
            loop_turn(w.loops[i % WORKERS], 0);
        struct queue_site_row sum;
        uint32_t listed = 0;
        for (int i = 0; i < WORKERS; i++)
            queue_each(w.queues[i], &all, count_one, &listed);
        assert_int_equal(total_rows(&sum), alive);
        assert_int_equal(listed, alive);
    }
    finish_all();
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(one_owner_for_a_site),
        T(lanes_in_order),
        T(bulk_has_its_turn),
        T(deferred_comes_back),
        T(returned_goes_first),
        T(backoff_puts_off_and_ends),
        T(expired_is_trouble),
        T(expired_in_a_lane_is_trouble),
        T(operator_holds_and_releases),
        T(filters),
        T(reload_takes_the_route_away),
        T(undecided_route_is_decided_by_the_mx),
        T(loaded_items_wait_for_their_time),
        T(a_waiting_item_is_small),
        T(random_walk_keeps_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
