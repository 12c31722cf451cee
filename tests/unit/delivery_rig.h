/*
 * delivery_rig — a whole worker's outgoing side (spool, queue, delivery) against scripted peers
 *
 *   Everything runs on one loop in one thread; all mail takes the one route, to the two peers in
 *   order. Included by one test program each.
 */
#ifndef WAYPOST_TESTS_UNIT_DELIVERY_RIG_H
#define WAYPOST_TESTS_UNIT_DELIVERY_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/mem.h"
#include "gateway/delivery/allowance.h"
#include "gateway/delivery/delivery.h"
#include "gateway/delivery/gauge.h"
#include "gateway/mail/body.h"
#include "gateway/mail/envelope.h"
#include "gateway/queue/inspect.h"
#include "reputation/reply.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/delivery_peer.h"

struct rig {
    struct loop *loop;
    struct resolver *resolver;
    struct policies *policies;
    struct spool *spool;
    struct spool_port *port;
    struct queue *queue;
    struct queue *queues[1];
    struct delivery *delivery;
    struct gauges *gauges;
    struct delivery_log *log;
    struct delivery_writer *writer;
    struct counters counters;
    struct reasons reasons;
    struct rnd rnd;
    struct reply_rules *replies;   /* NULL, as by default: replies are not judged... */
    struct allowances *allowances; /* ...and nothing is limited */
    struct peer peers[2];
    char dir[64], log_path[80];
    const char *route_extra; /* more keys of the one route */
    unsigned commits;
    uint64_t fence;
    struct spool_id last_id; /* of the mail that rig_mail() made last */
    bool drained;
    struct observation seen[256]; /* what delivery told... */
    unsigned seen_n;
    observe_sink_fn *observe; /* ...and whom it tells, too; NULL: nobody */
    tally_sink_fn *report;
    void *told; /* argument of both */
};

static struct rig rig;

static inline void play(unsigned peer, const struct line *script)
{
    rig.peers[peer].scripts[rig.peers[peer].scripts_n++] = script;
}

/* All that came so far, valid until more comes. */
static inline const char *got(unsigned peer, unsigned conn)
{
    struct buf *b = &rig.peers[peer].conns[conn].got;
    char *behind = buf_reserve(b, 1); /* not a part of it: the next call gives it all again */
    assert_non_null(behind);
    *behind = '\0';
    return buf_slice(b).p;
}

/* ---- the worker ---- */

static struct policies *rig_policies(const char *extra, const char *rules)
{
    struct bundle *b = bundle_new();
    struct conf_errors *errors = conf_errors_new();
    struct policies *p = NULL;
    char main_text[2048], policy_text[2048];
    snprintf(main_text, sizeof main_text,
             "hostname: gw.example\nstate: /tmp\n"
             "listen: [ { address: \"127.0.0.1:2525\" } ]\n"
             "clients: [ { network: 127.0.0.0/8 } ]\npolicies: p.yaml\n%s\n",
             extra);
    snprintf(policy_text, sizeof policy_text,
             "routes:\n  - { name: r, hosts: [\"127.0.0.1:%u\", \"127.0.0.1:%u\"]%s }\n"
             "retry: { first: 1h, max: 4h, expire: 5d }\n%s\n",
             rig.peers[0].port, rig.peers[1].port, rig.route_extra ? rig.route_extra : "", rules);
    bundle_put(b, "/w.yaml", slice_of(main_text));
    bundle_put(b, "/p.yaml", slice_of(policy_text));
    bundle_put(b, "/pw", slice_of("secret\n"));
    if (policies_load(b, "/w.yaml", &p, errors) != RC_OK) {
        struct buf text;
        buf_init(&text, 65536);
        conf_errors_put_text(errors, &text);
        print_error("%.*s", SLICE_FMT(buf_slice(&text)));
        fail();
    }
    conf_errors_free(&errors);
    bundle_free(&b);
    return p;
}

static void on_rig_observed(void *arg, const struct observation *at, unsigned n)
{
    (void)arg;
    for (unsigned i = 0; i < n && rig.seen_n < 256; i++)
        rig.seen[rig.seen_n++] = at[i];
    if (rig.observe)
        rig.observe(rig.told, at, n);
}

static void rig_start(const char *extra, const char *rules)
{
    struct err err;
    struct queue_events events;
    struct resolver_conf rc = resolver_defaults;
    struct spool_conf sc = { .dir = rig.dir };
    rig.policies = rig_policies(extra, rules);
    rc.allow_loopback = true;
    assert_int_equal(resolver_new(rig.loop, &rc, &rig.resolver, &err), RC_OK);
    assert_int_equal(spool_open(&sc, &rig.spool, &err), RC_OK);
    rig.port = spool_port_new(rig.spool, rig.loop, 0);
    rig.log = delivery_log_new();
    delivery_log_attach(rig.log, open(rig.log_path, O_CREAT | O_WRONLY | O_APPEND, 0600));
    rig.writer = delivery_writer_new(rig.log, rig.loop, &rig.counters, &rig.reasons);
    rig.gauges = gauges_new();
    struct delivery_env de = { .loop = rig.loop,
                               .resolver = rig.resolver,
                               .spool = rig.port,
                               .policies = rig.policies,
                               .log = rig.writer,
                               .rnd = &rig.rnd,
                               .count = 1,
                               .replies = rig.replies,
                               .allowances = rig.allowances,
                               .gauges = rig.gauges,
                               .observe = on_rig_observed,
                               .report = rig.report,
                               .report_arg = rig.told };
    rig.delivery = delivery_new(&de);
    delivery_events(rig.delivery, &events);
    struct queue_env qe = { .loop = rig.loop,
                            .resolver = rig.resolver,
                            .spool = rig.port,
                            .policies = rig.policies,
                            .rnd = &rig.rnd,
                            .count = 1,
                            .all = rig.queues };
    rig.queue = rig.queues[0] = queue_new(&qe, &events);
    delivery_set_queue(rig.delivery, rig.queue);
}

static int rig_set_up(void **state)
{
    (void)state;
    memset(&rig, 0, sizeof rig);
    rnd_seed(&rig.rnd, 7);
    temp_dir_make(rig.dir, sizeof rig.dir);
    snprintf(rig.log_path, sizeof rig.log_path, "%s.log", rig.dir);
    rig.loop = loop_new();
    for (unsigned i = 0; i < 2; i++)
        peer_listen(&rig.peers[i], rig.loop);
    return 0;
}

static void on_rig_drained(void *arg)
{
    (void)arg;
    rig.drained = true;
}

static void rig_stop(void)
{
    delivery_drain(rig.delivery, 200, on_rig_drained, NULL);
    for (int i = 0; i < 1000 && !rig.drained; i++)
        loop_turn(rig.loop, 10);
    assert_true(rig.drained);
    spool_port_free(&rig.port);
    queue_free(&rig.queue);
    delivery_free(&rig.delivery);
    gauges_free(&rig.gauges);
    resolver_free(&rig.resolver);
    delivery_writer_free(&rig.writer);
    delivery_log_free(&rig.log);
    spool_close(&rig.spool);
    policies_unref(&rig.policies);
}

static int rig_tear_down(void **state)
{
    (void)state;
    if (rig.delivery)
        rig_stop();
    reply_rules_free(&rig.replies);
    allowances_free(&rig.allowances);
    for (unsigned i = 0; i < 2; i++)
        peer_free(&rig.peers[i]);
    for (int i = 0; i < 20; i++) /* streams that linger */
        loop_turn(rig.loop, 1);
    loop_free(&rig.loop);
    temp_dir_remove(rig.dir);
    unlink(rig.log_path);
    return 0;
}

/* Another configuration, as the daemon brings it in. */
static inline void rig_reload(const char *extra, const char *rules)
{
    struct policies *p = rig_policies(extra, rules);
    queue_reconfigure(rig.queue, p);
    delivery_reconfigure(rig.delivery, p);
    policies_unref(&rig.policies);
    rig.policies = p;
}

/* The one toll on what leaves by this egress to the hosts of the route. */
static inline struct traffic_toll rig_toll(const char *egress)
{
    struct traffic_limits limits;
    struct traffic_toll toll;
    struct facts facts;
    struct queue_limits_question q = { .route = SLICE_LIT("r"), .egress = slice_of(egress) };
    assert_int_equal(queue_limits(rig.queue, &q, &limits, &toll, &facts), 1);
    return toll;
}

/* ---- mail ---- */

struct mail_spec {
    const char *from;
    const char *to[8]; /* ends with NULL */
    const char *body;
    size_t body_n;     /* 0: strlen(body) */
    uint8_t notify;    /* of every recipient */
    const char *route; /* NULL: "r" */
    enum lane lane;
    int64_t accepted_ago_ms, expires_in_ms;
    bool from_spool; /* the body is not kept in memory */
    bool smtputf8;
    const char *refused[ITEM_REFUSED_MAX]; /* egresses it was refused from before */
    struct content_facts content;
    struct deliver_by by; /* its time: from now */
    struct mail_hold hold;
};

static void on_rig_commit(void *arg, enum spool_rc rc, uint64_t fence)
{
    (void)arg;
    assert_int_equal(rc, SPOOL_OK);
    rig.fence = fence;
    rig.commits++;
}

static void rig_mail(const struct mail_spec *spec)
{
    struct recipient rcpts[8] = { { .state = 0 } };
    struct buf env_text;
    int64_t now = loop_wall_ms(rig.loop) - spec->accepted_ago_ms;
    size_t n = spec->body_n ? spec->body_n : strlen(spec->body);
    struct envelope env = { .sender = slice_of(spec->from),
                            .size = n,
                            .received_ms = now,
                            .smtputf8 = spec->smtputf8,
                            .content = spec->content,
                            .by = spec->by,
                            .hold = spec->hold,
                            .recipients = rcpts };
    if (env.by.mode != BY_NONE)
        env.by.at_ms += loop_wall_ms(rig.loop);
    for (; spec->to[env.recipients_n]; env.recipients_n++) {
        rcpts[env.recipients_n].address = slice_of(spec->to[env.recipients_n]);
        rcpts[env.recipients_n].notify = spec->notify;
    }
    buf_init(&env_text, 65536);
    envelope_pack(&env, &env_text);
    struct body *body = body_new(n);
    body_append(body, (struct slice){ spec->body, n });
    struct spool_item record = { .id = spool_new_id(rig.port),
                                 .count = 1,
                                 .lane = (uint8_t)spec->lane,
                                 .accepted_ms = now,
                                 .due_ms = now,
                                 .expire_ms = loop_wall_ms(rig.loop) +
                                              (spec->expires_in_ms ? spec->expires_in_ms : 3600000),
                                 .body_size = n,
                                 .dest = slice_of(spec->route ? spec->route : "r"),
                                 .env = buf_slice(&env_text) };
    unsigned commits = rig.commits;
    spool_commit(rig.port, record.id, body, &record, 1, on_rig_commit, NULL);
    for (int i = 0; i < 1000 && rig.commits == commits; i++)
        loop_turn(rig.loop, 10);
    assert_int_equal(rig.commits, commits + 1);
    record.fence = rig.fence;
    rig.last_id = record.id;
    struct item *item = item_new(&record);
    for (unsigned i = 0; i < ITEM_REFUSED_MAX && spec->refused[i]; i++)
        item_refuse(item, slice_of(spec->refused[i]));
    item->body = spec->from_spool ? NULL : body_ref(body);
    body_unref(&body);
    buf_free(&env_text);
    queue_submit(rig.queue, item);
}

/* Of all the mail that waits, or of one lane (LANE_COUNT: all). What is held one by one and
 * released together is ready at the same moment. */
static inline void rig_act(enum queue_action action, enum lane lane)
{
    struct queue_filter filter = { .by_lane = lane != LANE_COUNT, .lane = lane };
    assert_true(queue_act(rig.queue, &filter, action) > 0);
}

static inline void rig_mail_held(const struct mail_spec *spec)
{
    rig_mail(spec);
    rig_act(QUEUE_HOLD, LANE_COUNT);
}

/* ---- what came of it ---- */

static unsigned count_in(const char *text, const char *needle)
{
    unsigned n = 0;
    for (const char *at = text; (at = strstr(at, needle)); at++)
        n++;
    return n;
}

static const char *rig_log(void)
{
    static char text[262144];
    delivery_writer_flush(rig.writer);
    int fd = open(rig.log_path, O_RDONLY);
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

/* Turns the loop until the delivery log holds `needle` so many times. */
static inline void until_logged(const char *needle, unsigned times)
{
    for (int i = 0; i < 3000; i++) {
        if (count_in(rig_log(), needle) >= times)
            break;
        loop_turn(rig.loop, 10);
    }
    if (count_in(rig_log(), needle) != times)
        print_error("log:\n%s", rig_log());
    assert_int_equal(count_in(rig_log(), needle), times);
}

static inline void turns(int n)
{
    for (int i = 0; i < n; i++)
        loop_turn(rig.loop, 5);
}

/* ---- what the peers see, and say when the test wants it ---- */

static inline void until_connected(unsigned peer, unsigned n)
{
    for (int i = 0; i < 3000 && rig.peers[peer].conns_n < n; i++)
        loop_turn(rig.loop, 5);
    assert_int_equal(rig.peers[peer].conns_n, n);
}

static inline void until_got(unsigned peer, unsigned conn, const char *needle, unsigned times)
{
    for (int i = 0; i < 3000 && count_in(got(peer, conn), needle) < times; i++)
        loop_turn(rig.loop, 5);
    if (count_in(got(peer, conn), needle) != times)
        print_error("peer %u, connection %u got:\n%s\n", peer, conn, got(peer, conn));
    assert_int_equal(count_in(got(peer, conn), needle), times);
}

static inline void say(unsigned peer, unsigned conn, const char *text)
{
    size_t n = strlen(text);
    assert_int_equal(send(rig.peers[peer].conns[conn].fd, text, n, MSG_NOSIGNAL), n);
}

#define DELIVERED "\"event\":\"delivered\""
#define DEFERRED "\"event\":\"deferred\""
#define BOUNCED "\"event\":\"bounced\""
#define EXPIRED "\"event\":\"expired\""

#endif
