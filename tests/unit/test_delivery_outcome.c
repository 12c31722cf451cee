/*
 * test_delivery_outcome — where it happened x what was said or broke -> the verdict
 *
 *   And the small pure parts beside it: the order of hosts, the memory of bad addresses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/delivery/hosts.h"
#include "gateway/delivery/outcome.h"
#include "gateway/delivery/peers.h"
#include "gateway/delivery/session.h"
#include "reputation/reply.h"

static struct reply_rules *rules;

#define GIVEN VERDICT_DELIVERED
#define WAIT VERDICT_DEFERRED
#define FAIL VERDICT_FAILED

/* what, where from, code, enhanced status */
#define F(w, f, c, x, y, z)                                                                        \
    {                                                                                              \
        .where = w, .fault = f, .code = c, .status = { x, y, z }                                   \
    }

static const struct row {
    struct finding finding;
    const char *text;
    enum verdict_kind kind;
    enum retry_cause cause;
    const char *status;
    bool may_duplicate;
} rows[] = {
    /* 2yz to the end of data, and nothing else, is delivered */
    { F(WHERE_FINAL, FAULT_NONE, 250, 2, 6, 0), "ok", GIVEN, 0, "2.6.0", false },
    { F(WHERE_FINAL, FAULT_NONE, 250, 0, 0, 0), "ok", GIVEN, 0, "2.0.0", false },
    { F(WHERE_DATA, FAULT_NONE, 250, 0, 0, 0), "ok", WAIT, RETRY_REMOTE, "4.0.0", false },
    { F(WHERE_FINAL, FAULT_NONE, 354, 0, 0, 0), "", WAIT, RETRY_REMOTE, "4.0.0", false },
    /* 4yz by what it says */
    { F(WHERE_RCPT, FAULT_NONE, 450, 4, 2, 0), "later", WAIT, RETRY_REMOTE, "4.2.0", false },
    { F(WHERE_RCPT, FAULT_NONE, 451, 4, 7, 1), "Greylisted", WAIT, RETRY_GREYLIST, "4.7.1", false },
    { F(WHERE_RCPT, FAULT_NONE, 450, 4, 7, 1), "try later", WAIT, RETRY_GREYLIST, "4.7.1", false },
    { F(WHERE_FINAL, FAULT_NONE, 451, 4, 7, 1), "no", WAIT, RETRY_THROTTLED, "4.7.1", false },
    { F(WHERE_MAIL, FAULT_NONE, 421, 0, 0, 0), "bye", WAIT, RETRY_THROTTLED, "4.0.0", false },
    { F(WHERE_MAIL, FAULT_NONE, 450, 0, 0, 0), "Too many messages", WAIT, RETRY_THROTTLED, "4.0.0",
      false },
    { F(WHERE_FINAL, FAULT_NONE, 452, 4, 3, 1), "full", WAIT, RETRY_REMOTE, "4.3.1", false },
    /* 5yz about this mail fails; the class of the code follows the reply */
    { F(WHERE_MAIL, FAULT_NONE, 550, 5, 7, 1), "no", FAIL, 0, "5.7.1", false },
    { F(WHERE_RCPT, FAULT_NONE, 550, 5, 1, 1), "who", FAIL, 0, "5.1.1", false },
    { F(WHERE_RCPT, FAULT_NONE, 550, 4, 1, 1), "who", FAIL, 0, "5.0.0", false },
    { F(WHERE_DATA, FAULT_NONE, 554, 0, 0, 0), "no", FAIL, 0, "5.0.0", false },
    { F(WHERE_FINAL, FAULT_NONE, 554, 5, 7, 1), "spam", FAIL, 0, "5.7.1", false },
    { F(WHERE_RCPT, FAULT_NONE, 552, 5, 2, 2), "mailbox full", FAIL, 0, "5.2.2", false },
    { F(WHERE_RCPT, FAULT_NONE, 552, 5, 5, 3), "too many", WAIT, RETRY_THROTTLED, "4.0.0", false },
    { F(WHERE_RCPT, FAULT_NONE, 552, 0, 0, 0), "storage", FAIL, 0, "5.0.0", false },
    /* 5yz about the session waits */
    { F(WHERE_GREETING, FAULT_NONE, 554, 5, 3, 2), "no", WAIT, RETRY_REMOTE, "4.0.0", false },
    { F(WHERE_EHLO, FAULT_NONE, 550, 0, 0, 0), "no", WAIT, RETRY_REMOTE, "4.0.0", false },
    { F(WHERE_TLS, FAULT_NONE, 502, 0, 0, 0), "no", WAIT, RETRY_TLS, "4.0.0", false },
    { F(WHERE_AUTH, FAULT_NONE, 535, 5, 7, 8), "no", WAIT, RETRY_REMOTE, "4.0.0", false },
    /* broken */
    { F(WHERE_CONNECT, FAULT_CLOSED, 0, 0, 0, 0), "refused", WAIT, RETRY_REMOTE, "4.4.1", false },
    { F(WHERE_GREETING, FAULT_TIMEOUT, 0, 0, 0, 0), "", WAIT, RETRY_REMOTE, "4.4.2", false },
    { F(WHERE_DATA, FAULT_CLOSED, 0, 0, 0, 0), "", WAIT, RETRY_REMOTE, "4.4.2", false },
    { F(WHERE_FINAL, FAULT_CLOSED, 0, 0, 0, 0), "", WAIT, RETRY_REMOTE, "4.4.2", true },
    { F(WHERE_FINAL, FAULT_TIMEOUT, 0, 0, 0, 0), "", WAIT, RETRY_REMOTE, "4.4.2", true },
    { F(WHERE_EHLO, FAULT_PROTOCOL, 0, 0, 0, 0), "", WAIT, RETRY_REMOTE, "4.5.0", false },
    { F(WHERE_FINAL, FAULT_PROTOCOL, 0, 0, 0, 0), "", WAIT, RETRY_REMOTE, "4.5.0", true },
    { F(WHERE_TLS, FAULT_CLOSED, 0, 0, 0, 0), "", WAIT, RETRY_TLS, "4.4.2", false },
    /* our own findings */
    { F(WHERE_DNS, FAULT_OURS, 0, 5, 1, 2), "no such domain", FAIL, 0, "5.1.2", false },
    { F(WHERE_DNS, FAULT_OURS, 0, 4, 4, 3), "no answer", WAIT, RETRY_DNS, "4.4.3", false },
    { F(WHERE_TLS, FAULT_OURS, 0, 4, 7, 4), "no TLS", WAIT, RETRY_TLS, "4.7.4", false },
    { F(WHERE_HOP, FAULT_OURS, 550, 5, 6, 7), "no SMTPUTF8", FAIL, 0, "5.6.7", false },
    { F(WHERE_SPOOL, FAULT_OURS, 0, 4, 3, 0), "", WAIT, RETRY_REMOTE, "4.3.0", false },
    { F(WHERE_QUEUE, FAULT_OURS, 0, 5, 7, 0), "", FAIL, 0, "5.7.0", false },
};

/* What a reply means is found out before (delivery/repute.c); here as that does it. */
static void classify(struct finding *f)
{
    struct reply_judgement j;
    struct reply_facts facts = { .code = f->code, .status = f->status, .text = f->text };
    if (f->fault != FAULT_NONE)
        return;
    reply_classify(rules, &facts, &j);
    f->class = (uint8_t)j.class;
    f->ends_by_itself = j.ends_by_itself;
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct finding f = rows[i].finding;
        f.text = slice_of(rows[i].text);
        classify(&f);
        struct verdict v = outcome_judge(&f);
        struct buf status;
        buf_init(&status, 32);
        enhanced_put(&status, v.status);
        if (v.kind != rows[i].kind || (v.kind == WAIT && v.cause != rows[i].cause) ||
            !slice_eq_str(buf_slice(&status), rows[i].status) ||
            v.may_duplicate != rows[i].may_duplicate)
            fail_msg("row %zu: kind %d cause %d status %.*s", i, (int)v.kind, (int)v.cause,
                     SLICE_FMT(buf_slice(&status)));
        assert_true((v.class == NULL) == (v.kind == GIVEN));
        buf_free(&status);
    }
}

/* Whatever comes, a verdict has a code of its own class, and only doubt about the end of data may
 * lead to a duplicate. */
static void test_every_combination(void **state)
{
    (void)state;
    for (unsigned where = WHERE_QUEUE; where <= WHERE_FINAL; where++)
        for (unsigned fault = FAULT_NONE; fault <= FAULT_PROTOCOL; fault++)
            for (unsigned code = 200; code < 600; code += 7)
                for (unsigned class_ = 0; class_ <= 5; class_++) {
                    struct finding f = { .where = (uint8_t)where,
                                         .fault = (uint8_t)fault,
                                         .code = (uint16_t)code,
                                         .status = { (uint8_t)class_, 1, 1 },
                                         .text = { "x", 1 } };
                    struct verdict v = outcome_judge(&f);
                    static const int classes[] = { 2, 4, 5 };
                    assert_int_equal(v.status.class_, classes[v.kind]);
                    assert_true(v.kind != GIVEN || (where == WHERE_FINAL && code < 300));
                    assert_true(!v.may_duplicate || (where == WHERE_FINAL && v.kind == WAIT));
                }
}

/* ---- hosts ---- */

/* A set in static memory, with room in front for the count of references that dns/ keeps there. */
static struct mx_set *mx_of(const char *const *names, const uint16_t *preferences, size_t n)
{
    static alignas(64) char room[64 + sizeof(struct mx_set) + 8 * sizeof(struct mx_host)];
    struct mx_set *set = (struct mx_set *)(void *)(room + 64);
    memset(room, 0, sizeof room);
    set->count = n;
    for (size_t i = 0; i < n; i++)
        set->hosts[i] = (struct mx_host){ preferences[i], names[i] };
    return set;
}

static const struct conf *conf_named(const char *hostname)
{
    static struct conf_listener listener;
    static struct conf conf;
    addr_parse(SLICE_LIT("192.0.2.9:25"), &listener.address);
    conf.hostname = slice_of(hostname);
    conf.listen.at = &listener;
    conf.listen.n = 1;
    conf.delivery.port = 25;
    return &conf;
}

static void build(struct hosts *hosts, const char *const *names, const uint16_t *preferences,
                  size_t n, const char *self, struct rnd *rnd)
{
    struct mx_set *set = mx_of(names, preferences, n);
    mx_set_ref(set); /* so that it is never freed */
    hosts_of_mx(hosts, conf_named(self), set, rnd);
}

static void test_host_order(void **state)
{
    (void)state;
    static const char *const names[] = { "a", "b", "c", "d" };
    static const uint16_t preferences[] = { 10, 10, 10, 20 };
    unsigned first[3] = { 0 };
    struct rnd rnd;
    rnd_seed(&rnd, 3);
    for (int i = 0; i < 300; i++) {
        struct hosts h;
        build(&h, names, preferences, 4, "self", &rnd);
        assert_int_equal(h.n, 4);
        assert_true(slice_eq_str(h.at[3].name, "d"));
        first[h.at[0].name.p[0] - 'a']++;
        hosts_clear(&h);
    }
    for (int i = 0; i < 3; i++)
        assert_in_range(first[i], 60, 140);
}

static void test_own_host_cuts(void **state)
{
    (void)state;
    static const char *const names[] = { "a", "self", "b", "c" };
    static const uint16_t preferences[] = { 5, 10, 10, 20 };
    struct rnd rnd;
    struct hosts h;
    rnd_seed(&rnd, 3);
    build(&h, names, preferences, 4, "SELF", &rnd);
    assert_int_equal(h.n, 1);
    assert_true(h.looped && slice_eq_str(h.at[0].name, "a"));
    hosts_clear(&h);
    static const char *const literal[] = { "[192.0.2.9]", "b" };
    build(&h, literal, preferences, 2, "self", &rnd);
    assert_int_equal(h.n, 0);
    assert_true(h.looped);
    hosts_clear(&h);
}

/* ---- passwords ---- */

static void test_no_password_in_clear_text(void **state)
{
    (void)state;
    static const struct {
        const char *peer, *tls;
        bool sent;
    } cases[] = {
        { "192.0.2.1:587", "", false }, { "[2001:db8::1]:587", "", false },
        { "10.0.0.5:587", "", false },  { "192.0.2.1:587", "TLSv1.3 TLS_AES_256_GCM_SHA384", true },
        { "127.0.0.1:587", "", true },  { "[::1]:587", "", true },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct session *s = mem_zero(sizeof *s);
        assert_int_equal(addr_parse(slice_of(cases[i].peer), &s->address), RC_OK);
        snprintf(s->tls, sizeof s->tls, "%s", cases[i].tls);
        assert_int_equal(session_hides_passwords(s), cases[i].sent);
        free(s);
    }
}

/* ---- peers ---- */

static void test_peers(void **state)
{
    (void)state;
    struct peers *p = peers_new();
    struct addr a, b;
    addr_parse(SLICE_LIT("192.0.2.1:25"), &a);
    addr_parse(SLICE_LIT("192.0.2.2:25"), &b);
    peers_failed(p, 0, &a, 1000);
    peers_failed(p, 0, &a, 2000); /* the same outage: counted once */
    assert_true(peers_failing(p, 0, &a, 60999));
    assert_false(peers_failing(p, 0, &a, 61000));
    assert_false(peers_failing(p, 1, &a, 2000)); /* another egress */
    assert_false(peers_failing(p, 0, &b, 2000));
    peers_failed(p, 0, &a, 100000);
    assert_true(peers_failing(p, 0, &a, 100000 + 119999)); /* twice as long */
    for (int i = 0; i < 8; i++)
        peers_failed(p, 0, &a, 1000000 * (i + 1));
    assert_false(peers_failing(p, 0, &a, 8000000 + 300000)); /* at most five minutes */
    peers_tls_broke(p, 0, &a, 1000);
    assert_true(peers_tls_broken(p, 0, &a, 3600999));
    assert_false(peers_tls_broken(p, 0, &a, 3601000));
    peers_worked(p, 0, &a);
    assert_false(peers_failing(p, 0, &a, 8000001));
    peers_free(&p);
}

static void test_peers_are_bounded(void **state)
{
    (void)state;
    struct peers *p = peers_new();
    struct addr a;
    addr_parse(SLICE_LIT("10.0.0.1:25"), &a);
    for (unsigned i = 0; i < 3 * PEERS_MAX; i++) {
        a.bytes[1] = (uint8_t)(i >> 16);
        a.bytes[2] = (uint8_t)(i >> 8);
        a.bytes[3] = (uint8_t)i;
        peers_failed(p, 0, &a, 1000);
        assert_true(peers_count(p) <= PEERS_MAX);
        assert_true(peers_failing(p, 0, &a, 1001));
    }
    peers_free(&p);
}

static int read_rules(void **state)
{
    (void)state;
    rules = reply_rules_shipped();
    return 0;
}

static int free_rules(void **state)
{
    (void)state;
    reply_rules_free(&rules);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_every_combination),
        cmocka_unit_test(test_host_order),
        cmocka_unit_test(test_own_host_cuts),
        cmocka_unit_test(test_no_password_in_clear_text),
        cmocka_unit_test(test_peers),
        cmocka_unit_test(test_peers_are_bounded),
    };
    return cmocka_run_group_tests(tests, read_rules, free_rules);
}
