/*
 * test_ingress_flow — from the data to the spool
 *
 *   Commits, large bodies, clients that go, draining and reloading.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/ingress_fixture.h"

static void refused_commits(void **state)
{
    (void)state;
    struct rig_client c = rig_connect("10.0.0.1", 0);
    static const enum spool_rc answers[] = { SPOOL_LATER, SPOOL_UNKNOWN, SPOOL_FAILED };
    for (size_t i = 0; i < 3; i++) {
        rig.answer = answers[i];
        EXPECT(&c, BEGIN "x\r\n.\r\n", "451 4.3.0");
    }
    rig.answer = SPOOL_OK;
    EXPECT(&c, BEGIN "x\r\n.\r\n", "250 2.0.0");
    assert_int_equal(rig.queued, 1);
    rig_close(&c);
}

/* Replies wait for the commit, in order, also those to commands behind it. */
static void nothing_before_the_commit(void **state)
{
    (void)state;
    struct rig_client c = rig_connect("10.0.0.1", 0);
    rig.hold = true;
    EXPECT(&c, BEGIN "x\r\n.\r\n" ENV "NOOP\r\nQUIT\r\n", "354");
    rig_answer();
    EXPECT(&c, "", "221");
    assert_non_null(memmem(buf_slice(&c.got).p, buf_len(&c.got), "Accepted as", 11));
    rig_close(&c);
}

static void client_that_goes(void **state)
{
    (void)state;
    struct rig_client c = rig_connect("10.0.0.1", 0);
    ask(&c, BEGIN "half a mess");
    rig_close(&c);
    assert_int_equal(rig.n, 0);
    c = rig_connect("10.0.0.1", 0);
    rig.hold = true;
    ask(&c, BEGIN "x\r\n.\r\n");
    rig_close(&c);
    rig_answer();
    assert_int_equal(rig.queued, 1);
    rig.hold = false;
    /* and one whose session ends before the spool answers */
    c = rig_connect("10.0.0.1", 0);
    rig.hold = true;
    ask(&c, BEGIN "x\r\n.\r\n");
    rig.hold = false;
    loop_task_schedule(rig.loop, &rig.answers);
    ingress_free(&rig.ingress); /* turns the loop, where the answer waits */
    assert_int_equal(rig.queued, 2);
    rig_close(&c);
}

static void large_bodies_stream(void **state)
{
    (void)state;
    static char body[42000];
    rig_fill(body, sizeof body);
    struct rig_client c = rig_connect("10.0.0.1", 0);
    ask(&c, BEGIN);
    rig_send(&c, (struct slice){ body, sizeof body }, 3000);
    EXPECT(&c, ".\r\n", "250 2.0.0");
    assert_true(rig.messages[0].streamed);
    struct slice got = buf_slice(&rig.messages[0].body);
    assert_memory_equal(got.p + got.n - sizeof body, body, sizeof body);
    assert_int_equal(rig.messages[0].envelope.size, got.n);
    /* announced as large: no byte goes through memory */
    ask(&c, "MAIL FROM:<a@b.test> SIZE=60000\r\nRCPT TO:<x@d.test>\r\nDATA\r\n");
    assert_non_null(rig.open);
    EXPECT(&c, "small\r\n.\r\n", "250 2.0.0");
    assert_true(rig.messages[1].streamed);
    rig_close(&c);
}

static void spool_sets_the_pace(void **state)
{
    (void)state;
    static char body[42000];
    rig_fill(body, sizeof body);
    struct rig_client c = rig_connect("10.0.0.1", 0);
    ask(&c, "EHLO c.test\r\nMAIL FROM:<a@b.test> SIZE=60000\r\nRCPT TO:<x@d.test>\r\nDATA\r\n");
    rig.choke = true;
    rig_send(&c, (struct slice){ body, sizeof body }, 8192);
    unsigned pieces = rig.pieces;
    assert_true(pieces >= 1 && pieces <= 2);
    for (int i = 0; i < 200 && rig.n == 0; i++) {
        rig_drain();
        EXPECT(&c, i == 0 ? ".\r\n" : "", "");
        if (!rig.open)
            break;
    }
    assert_int_equal(rig.n, 1);
    assert_true(buf_len(&rig.messages[0].body) > sizeof body);
    rig_close(&c);
}

static bool drained;
static void on_drained(void *arg)
{
    (void)arg;
    drained = true;
}

static void draining(void **state)
{
    (void)state;
    struct rig_client idle = rig_connect("10.0.0.1", 0), busy = rig_connect("10.0.0.1", 0),
                      committing = rig_connect("10.0.0.1", 0);
    drained = false;
    rig.hold = true;
    ask(&idle, "EHLO c.test\r\n");
    ask(&committing, BEGIN "x\r\n.\r\n");
    ask(&busy, BEGIN "half ");
    ingress_drain(rig.ingress, on_drained, NULL);
    EXPECT(&idle, "", "421 4.3.2");
    assert_true(idle.closed && !drained);
    rig_answer();
    EXPECT(&committing, "", "421 4.3.2");
    rig.hold = false;
    EXPECT(&busy, "and half\r\n.\r\n", "421 4.3.2");
    assert_non_null(memmem(buf_slice(&busy.got).p, buf_len(&busy.got), "250 2.0.0", 9));
    assert_true(busy.closed && drained);
    assert_int_equal(rig.queued, 2);
    struct rig_client late = rig_connect("10.0.0.1", 0);
    EXPECT(&late, "", "421 4.3.2");
    rig_close(&late);
    rig_close(&idle);
    rig_close(&busy);
    rig_close(&committing);
}

/* A kept session follows a reload at its next MAIL; the transaction under way ends as it began. */
static void reloading(void **state)
{
    (void)state;
    static const char strict[] = "hostname: relay.test\n"
                                 "state: /w/state\n"
                                 "listen: [ { address: '127.0.0.1:25', tls: none, auth: none } ]\n"
                                 "clients: [ { network: 10.0.0.0/8, recipients: ['*@e.test'] } ]\n"
                                 "policies: policies.yaml\n";
    struct rig_client c = rig_connect("10.0.0.1", 0);
    ask(&c, "EHLO c.test\r\n" ENV);
    struct policies *next = rig_policies(strict, PLAIN_RULES, NULL, NULL, NULL);
    ingress_reconfigure(rig.ingress, next, NULL);
    policies_unref(&rig.policies);
    rig.policies = next;
    EXPECT(&c, "RCPT TO:<y@d.test>\r\n", "250");
    EXPECT(&c, "DATA\r\nx\r\n.\r\n", "250 2.0.0");
    EXPECT(&c, ENV, "550 5.7.1");
    EXPECT(&c, "RCPT TO:<y@e.test>\r\n", "250");
    rig_close(&c);
}

int main(void)
{
#define ROW(name) cmocka_unit_test_setup_teardown(name, setup_small, teardown)
    const struct CMUnitTest tests[] = {
        ROW(refused_commits),     ROW(nothing_before_the_commit), ROW(client_that_goes),
        ROW(large_bodies_stream), ROW(spool_sets_the_pace),       ROW(draining),
        ROW(reloading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
