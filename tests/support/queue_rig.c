/* tests/support/queue_rig — see the header */
#include "tests/support/queue_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka.h needs the four above */
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/mail/envelope.h"
#include "tests/support/temp_dir.h"

enum { TURNS_MAX = 3000 };

struct queue_world w;

struct item *take_next(struct site *site)
{
    struct flow *flow = NULL;
    struct item *item = site_front(site, NULL, SCHED_SLOT, &flow);
    if (item)
        site_take(site, flow, item, SCHED_SLOT);
    return item;
}

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
    for (struct item *item; (item = take_next(site));)
        note_taken(q, item);
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

struct policies *policies_of(const char *rules)
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

int set_up(void **state)
{
    struct err err;
    (void)state;
    memset(&w, 0, sizeof w);
    rnd_seed(&w.rnd, 11);
    w.policies = policies_of(rules_a);
    temp_dir_make(w.dir, sizeof w.dir);
    struct spool_conf sc = { .dir = w.dir };
    assert_int_equal(spool_open(&sc, &w.spool, &err), RC_OK);
    for (unsigned i = 0; i < WORKERS; i++) {
        struct resolver_conf rc = resolver_defaults;
        rc.allow_loopback = true;
        w.loops[i] = loop_new();
        w.geo[i] = geo_cache_new(GEO_GROUPS_MAX);
        assert_int_equal(resolver_new(w.loops[i], &rc, &w.resolvers[i], &err), RC_OK);
        w.ports[i] = spool_port_new(w.spool, w.loops[i], (uint16_t)i);
        struct queue_env env = { .loop = w.loops[i],
                                 .resolver = w.resolvers[i],
                                 .spool = w.ports[i],
                                 .policies = w.policies,
                                 .rnd = &w.rnd,
                                 .geo = w.geo[i],
                                 .index = i,
                                 .count = WORKERS,
                                 .all = w.queues };
        struct queue_events events = { on_ready, on_trouble, on_noted, on_site_gone, &w.queues[i] };
        w.queues[i] = queue_new(&env, &events);
    }
    return 0;
}

int tear_down(void **state)
{
    (void)state;
    for (unsigned i = 0; i < WORKERS; i++)
        queue_free(&w.queues[i]);
    for (unsigned i = 0; i < WORKERS; i++) {
        geo_cache_free(&w.geo[i]);
        spool_port_free(&w.ports[i]);
        resolver_free(&w.resolvers[i]);
        loop_free(&w.loops[i]);
    }
    spool_close(&w.spool);
    policies_unref(&w.policies);
    temp_dir_remove(w.dir);
    return 0;
}

static struct item *make_item(const char *client, const char *key, const char *recipient,
                              enum lane lane, uint64_t bytes)
{
    struct recipient r = { .address = slice_of(recipient) };
    struct envelope env = { .sender = slice_of("alice@corp.example"),
                            .size = bytes,
                            .origin.address = slice_of(client),
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
                                 .body_size = bytes,
                                 .dest = slice_of(key),
                                 .env = buf_slice(&packed) };
    struct item *item = item_new(&record);
    buf_free(&packed);
    return item;
}

struct item *item_to(const char *key, const char *recipient, enum lane lane)
{
    return make_item("", key, recipient, lane, 5000);
}

struct item *item_from(const char *client, const char *key, enum lane lane, uint64_t bytes)
{
    return make_item(client, key, "u@fixed.example", lane, bytes);
}

/* Turns both loops until `n` items came out; false when they do not. */
bool turn_until_taken(size_t n)
{
    for (int i = 0; i < TURNS_MAX && w.taken_n < n; i++)
        for (int k = 0; k < WORKERS; k++)
            loop_turn(w.loops[k], 1);
    return w.taken_n >= n;
}

void turn_a_little(void)
{
    for (int i = 0; i < 10; i++)
        for (int k = 0; k < WORKERS; k++)
            loop_turn(w.loops[k], 1);
}

void finish_all(void)
{
    for (size_t i = 0; i < w.taken_n; i++)
        queue_finish(w.taken_from[i], &w.taken[i]);
    w.taken_n = 0;
}
