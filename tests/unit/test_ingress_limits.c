/*
 * test_ingress_limits — limits, overload, PROXY, and clients that err, babble or do not read
 *
 *   Each limit at its edge, and what it leaves behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/ingress_fixture.h"

static void connections_of_an_address(void **state)
{
    (void)state;
    struct rig_client c[4], other, v6;
    for (int i = 0; i < 4; i++)
        c[i] = rig_connect("10.0.0.1", 0);
    EXPECT(&c[2], "", "220");
    EXPECT(&c[3], "", "421 4.7.0");
    assert_true(c[3].closed);
    other = rig_connect("10.0.0.2", 0);
    EXPECT(&other, "", "220");
    rig_close(&c[0]);
    rig_close(&c[3]);
    c[0] = rig_connect("10.0.0.1", 0);
    EXPECT(&c[0], "", "220");
    rig_close(&other);
    /* one /64 is one client */
    rig_close(&c[0]);
    rig_close(&c[1]);
    rig_close(&c[2]);
    c[0] = rig_connect("2001:db8::1", 0);
    c[1] = rig_connect("2001:db8::2", 0);
    c[2] = rig_connect("2001:db8::3", 0);
    c[3] = rig_connect("2001:db8::4", 0);
    v6 = rig_connect("2001:db8:0:1::1", 0);
    EXPECT(&c[3], "", "421");
    EXPECT(&v6, "", "220");
    rig_close(&v6);
    for (int i = 0; i < 4; i++)
        rig_close(&c[i]);
    assert_int_equal(ingress_hub_connections(rig.hub), 0);
}

static void connections_in_all_and_of_an_entry(void **state)
{
    (void)state;
    struct rig_client c[8];
    static const char *const from[] = { "10.0.0.1", "10.0.0.2", "11.0.0.1", "11.0.0.2",
                                        "11.0.0.3", "10.0.0.3", "10.0.0.4", "10.0.0.5" };
    static const char *const said[] = { "220",       "220", "220", "220",
                                        "421 4.7.0", "220", "220", "421 4.3.2" };
    for (int i = 0; i < 8; i++) {
        c[i] = rig_connect(from[i], 0);
        EXPECT(&c[i], "", said[i]);
    }
    assert_int_equal(ingress_hub_connections(rig.hub), 6);
    for (int i = 0; i < 8; i++)
        rig_close(&c[i]);
    assert_int_equal(ingress_hub_connections(rig.hub), 0);
}

/* Twenty places: two are not for strangers, whether they are listed for some recipients or not. */
static void strangers_leave_places(void **state)
{
    (void)state;
    static const char conf[] =
        INGRESS_CONF("{ network: 10.0.0.0/8 }, { network: 12.0.0.0/8, recipients: ['*@l.test'] }",
                     "connections: 20");
    struct policies *next = rig_policies(conf, PLAIN_RULES, NULL, NULL, NULL);
    struct rig_client c[22];
    ingress_reconfigure(rig.ingress, next, NULL);
    policies_unref(&rig.policies);
    rig.policies = next;
    for (int i = 0; i < 19; i++) {
        c[i] = rig_connect(i % 2 ? "12.0.0.1" : "192.0.2.1", 0);
        EXPECT(&c[i], "", i < 18 ? "220" : "421 4.3.2");
    }
    for (int i = 19; i < 22; i++) {
        c[i] = rig_connect("10.0.0.1", 0);
        EXPECT(&c[i], "", i < 21 ? "220" : "421 4.3.2");
    }
    rig_close(&c[0]);
    c[0] = rig_connect("192.0.2.1", 0);
    EXPECT(&c[0], "", "220");
    for (int i = 0; i < 22; i++)
        rig_close(&c[i]);
}

static void rate_of_an_entry(void **state)
{
    (void)state;
    struct rig_client c = rig_connect("11.0.0.1", 0), d = rig_connect("11.9.9.9", 0);
    EXPECT(&c, "EHLO c.test\r\nMAIL FROM:<a@b.test>\r\n", "250 2.1.0");
    EXPECT(&c, "RSET\r\nMAIL FROM:<a@b.test> SIZE=99999999\r\n", "552");
    EXPECT(&c, "MAIL FROM:<a@b.test>\r\n", "250 2.1.0");
    EXPECT(&d, "EHLO c.test\r\nMAIL FROM:<a@b.test>\r\n", "250 2.1.0");
    EXPECT(&d, "RSET\r\nMAIL FROM:<a@b.test>\r\n", "451 4.7.1");
    EXPECT(&c, "RSET\r\nMAIL FROM:<a@b.test>\r\n", "451 4.7.1");
    rig_close(&c);
    rig_close(&d);
}

static void closed_gates(void **state)
{
    (void)state;
    static const struct {
        enum spool_gate gate;
        const char *reply;
    } rows[] = { { SPOOL_GATE_SICK, "451 4.3.0" },
                 { SPOOL_GATE_DISK_LOW, "452 4.3.1" },
                 { SPOOL_GATE_BUSY, "451 4.3.2" },
                 { SPOOL_GATE_CLOSING, "451 4.3.0" } };
    struct rig_client c = rig_connect("10.0.0.1", 0);
    ask(&c, "EHLO c.test\r\n");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rig.gate = rows[i].gate;
        EXPECT(&c, "MAIL FROM:<a@b.test>\r\n", rows[i].reply);
        rig.gate = SPOOL_GATE_OPEN;
        EXPECT(&c, ENV, "250 2.1.5");
        rig.gate = rows[i].gate;
        EXPECT(&c, "DATA\r\n", rows[i].reply);
        rig.gate = SPOOL_GATE_OPEN;
        EXPECT(&c, ENV, "250 2.1.5");
        rig.gate = rows[i].gate;
        EXPECT(&c, "BDAT 4\r\nNOOP", rows[i].reply);
    }
    rig_close(&c);
}

static void too_large(void **state)
{
    (void)state;
    static char body[70000];
    rig_fill(body, sizeof body);
    struct rig_client c = rig_connect("10.0.0.1", 0);
    ask(&c, BEGIN);
    rig_send(&c, (struct slice){ body, sizeof body }, 3000);
    EXPECT(&c, "\r\n.\r\n", "552 5.3.4");
    assert_int_equal(rig.aborted, 1);
    EXPECT(&c, ENV "BDAT 40000\r\n", "250 2.1.5");
    rig_send(&c, (struct slice){ body, 40000 }, 0);
    ask(&c, "BDAT 40000 LAST\r\n");
    rig_send(&c, (struct slice){ body, 40000 }, 0);
    EXPECT(&c, "NOOP\r\n", "250 2.0.0 OK");
    assert_int_equal(rig.n, 0);
    /* endless: hung up on in the end */
    ask(&c, ENV "DATA\r\n");
    rig_send(&c, (struct slice){ body, sizeof body }, 0);
    rig_send(&c, (struct slice){ body, sizeof body }, 0);
    assert_true(c.closed);
    rig_close(&c);
}

/* Many recipients, each named twice: every one is there once. */
static void many_duplicates(void **state)
{
    (void)state;
    enum { NAMES = 3000 };
    struct rig_client c = rig_connect("10.0.0.1", 0);
    ask(&c, EHLO "MAIL FROM:<a@b.test>\r\n");
    for (int i = 0; i < 2 * NAMES; i++) {
        char line[64];
        snprintf(line, sizeof line, "RCPT TO:<u%d@d.test>\r\n", i % NAMES);
        rig_send(&c, slice_of(line), 0);
    }
    EXPECT(&c,
           "DATA\r\n"
           "x\r\n.\r\n",
           "250 2.0.0");
    assert_int_equal(rig.messages[0].items, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(rig.messages[0].recipients[i], 1000);
    rig_close(&c);
}

static void proxies(void **state)
{
    (void)state;
    struct rig_client c = rig_connect("10.9.0.1", 1);
    assert_string_equal(ask(&c, "PROXY TCP4 192.0.2.1 10.9.0.2 1"), "");
    EXPECT(&c, "234 26\r\nEHLO c.test\r\n" ENV, "550 5.7.1 Relaying");
    rig_close(&c);
    c = rig_connect("10.9.0.1", 1);
    EXPECT(&c, "PROXY TCP4 10.1.1.1 10.9.0.2 1234 26\r\n" BEGIN "x\r\n.\r\n", "250 2.0.0");
    assert_true(slice_eq_str(rig.messages[0].envelope.origin.address, "10.1.1.1"));
    rig_close(&c);
    c = rig_connect("10.9.0.1", 1);
    rig_send(&c,
             SLICE_LIT("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x0a\1\1\2\x0a\x9\0\2\0\1\0\2EHLO x\r\n"),
             1);
    EXPECT(&c, "NOOP\r\n", "250 2.0.0");
    rig_close(&c);
    c = rig_connect("10.9.0.1", 1);
    assert_string_equal(ask(&c, "EHLO c.test\r\n"), "");
    assert_true(c.closed);
    rig_close(&c);
    c = rig_connect("10.8.0.1", 1); /* not listed: an unknown command */
    EXPECT(&c, "PROXY TCP4 10.1.1.1 10.9.0.2 1234 26\r\n", "500 5.5.1");
    rig_close(&c);
    c = rig_connect("10.9.0.1", 1);
    ask(&c, "PROXY ");
    rig_close(&c);
    assert_int_equal(ingress_hub_connections(rig.hub), 0);
}

static void errors_have_an_end(void **state)
{
    (void)state;
    struct rig_client c = rig_connect("10.0.0.1", 0);
    unsigned sent = 0;
    for (; !c.closed && sent < 100; sent++)
        ask(&c, "FROB\r\n");
    assert_int_equal(sent, 20);
    assert_non_null(memmem(buf_slice(&c.got).p, buf_len(&c.got), "421 4.7.0", 9));
    rig_close(&c);
    c = rig_connect("10.0.0.1", 0);
    for (sent = 0; !c.closed && sent < 3000; sent++)
        ask(&c, "NOOP\r\n");
    assert_int_equal(sent, 1001);
    rig_close(&c);
    /* an accepted message settles the account */
    c = rig_connect("10.0.0.1", 0);
    for (int k = 0; k < 3; k++) {
        for (int i = 0; i < 15; i++)
            ask(&c, "FROB\r\n");
        EXPECT(&c, BEGIN "x\r\n.\r\n", "250 2.0.0");
    }
    rig_close(&c);
}

/* A client that sends and never reads: its input is left where it is. */
static void replies_not_taken(void **state)
{
    (void)state;
    struct rig_client c = rig_connect("10.0.0.1", 0);
    static char flood[60000];
    ask(&c, "EHLO c.test\r\nMAIL FROM:<a@b.test>\r\n");
    for (size_t i = 0; i + 18 <= sizeof flood; i += 18)
        memcpy(flood + i, "RCPT TO:<x@d.te>\r\n", 18);
    size_t sent = 0;
    for (int i = 0; i < 3000; i++) {
        ssize_t n = send(c.fd, flood + sent % 18, sizeof flood - 18, MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        loop_turn(rig.loop, 0);
    }
    struct ingress_stats stats;
    ingress_get_stats(rig.ingress, &stats);
    assert_int_equal(stats.sessions, 1);
    assert_true(sent < 2000000);
    rig_settle(&c);
    EXPECT(&c, "", "");
    rig_close(&c);
}

int main(void)
{
#define ROW(name) cmocka_unit_test_setup_teardown(name, setup_small, teardown)
    const struct CMUnitTest tests[] = {
        ROW(connections_of_an_address),
        ROW(connections_in_all_and_of_an_entry),
        ROW(strangers_leave_places),
        ROW(rate_of_an_entry),
        ROW(closed_gates),
        ROW(too_large),
        ROW(many_duplicates),
        ROW(proxies),
        ROW(errors_have_an_end),
        ROW(replies_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
