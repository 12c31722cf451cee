/*
 * test_ingress_times — deadlines, release times and quotas of urgent mail, as clients ask for them
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/ingress_fixture.h"

static const char conf_text[] =
    INGRESS_CONF("{ network: 10.0.0.0/8, name: office, may_set_priority: true, urgent: 2/h }, "
                 "{ network: 11.0.0.0/8, name: free, may_set_priority: true }, "
                 "{ network: 0.0.0.0/0, recipients: ['*@lists.test'] }",
                 "connections: 20, future_release: 1h");

static const char rules_text[] =
    "priorities:\n"
    "  - { when: { sender: boss@b.test }, priority: urgent }\n"
    "  - { when: { recipient: 'soon@*' }, priority: high, deliver_by: 10m, late: notify }\n"
    "  - { when: { recipient: 'later@*' }, priority: bulk, hold_for: 5m, deliver_by: 10m }\n"
    "  - { when: { sender: news@b.test }, priority: bulk }\n";

static int setup(void **state)
{
    (void)state;
    rig_start(rig_policies(conf_text, rules_text, NULL, NULL, NULL));
    return 0;
}

#define OPEN "220 |250 |"
#define MSG "RCPT TO:<x@d.test>\r\nDATA\r\nSubject: x\r\n\r\nhello\r\n.\r\n"
#define TAKEN "250 2.1.5|354 |250 "

static void say(const char *peer, const char *in, const char *out)
{
    run_dialogue(peer, 0, in, out, 0);
}

static const struct rig_message *last(void)
{
    return &rig.messages[(rig.n - 1) % RIG_MESSAGES];
}

/* Whose mail server we are is offered that mail is held, the world is not. */
static void what_is_offered(void **state)
{
    (void)state;
    say("10.0.0.1", EHLO "MAIL FROM:<a@b.test> HOLDFOR=60\r\n", OPEN "250 2.1.0");
    say("12.0.0.1", EHLO "MAIL FROM:<a@b.test> HOLDFOR=60\r\nMAIL FROM:<a@b.test> BY=60;R\r\n",
        OPEN "555 5.5.4|250 2.1.0");
    say("10.0.0.1", "HELO c\r\nMAIL FROM:<a@b.test> BY=60;R\r\n", "220 |250 |555 5.5.4");
}

static void wrong_times(void **state)
{
    (void)state;
    static const struct {
        const char *mail, *reply;
    } rows[] = {
        { "HOLDFOR=3600", "250 2.1.0" },
        { "HOLDFOR=3601", "501 5.5.4 Held longer" },
        { "HOLDUNTIL=2020-01-01T00:00:00Z", "501 5.5.4 HOLDUNTIL is in the past" },
        { "HOLDUNTIL=9999-01-01T00:00:00Z", "501 5.5.4 Held longer" },
        { "HOLDFOR=60 HOLDFOR=60", "501 5.5.4" },
        { "HOLDFOR=60 HOLDUNTIL=9999-01-01T00:00:00Z", "501 5.5.4" },
        { "HOLDFOR=60 BY=59;R", "501 5.5.4 Held until after" },
        { "HOLDFOR=60 BY=60;R", "501 5.5.4 Held until after" },
        { "HOLDFOR=60 BY=-1;N", "501 5.5.4 Held until after" },
        { "HOLDFOR=60 BY=61;R", "250 2.1.0" },
        { "BY=0;R", "501 5.5.4 Bad BY" },
        { "BY=0;N", "250 2.1.0" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char in[256], out[256];
        snprintf(in, sizeof in, EHLO "MAIL FROM:<a@b.test> %s\r\n", rows[i].mail);
        snprintf(out, sizeof out, OPEN "%s", rows[i].reply);
        say("10.0.0.1", in, out);
    }
}

static bool near(int64_t ms, int64_t from_now)
{
    int64_t off = ms - loop_wall_ms(rig.loop) - from_now;
    return off > -60000 && off <= 0;
}

static void times_are_kept(void **state)
{
    (void)state;
    say("10.0.0.1", EHLO "MAIL FROM:<a@b.test> BY=600;RT HOLDFOR=300\r\n" MSG, OPEN "250 |" TAKEN);
    const struct envelope *e = &last()->envelope;
    assert_true(e->by.mode == BY_RETURN && e->by.trace && !e->by.ours && !e->by.told);
    assert_true(near(e->by.at_ms, 600000) && near(e->hold.until_ms, 300000));
    assert_int_equal(e->hold.for_s, 300);
    assert_int_equal(e->hold.until_ms - e->by.at_ms, -300000);
    say("10.0.0.1", EHLO "MAIL FROM:<a@b.test> BY=-60;N\r\n" MSG, OPEN "250 |" TAKEN);
    e = &last()->envelope;
    assert_true(e->by.mode == BY_NOTIFY && e->by.told && near(e->by.at_ms, -60000));
    assert_true(e->hold.until_ms == 0);
}

/* Rules give times to those who did not ask; recipients with others are items of their own. */
static void times_of_rules(void **state)
{
    (void)state;
    say("10.0.0.1",
        EHLO "MAIL FROM:<a@b.test>\r\nRCPT TO:<soon@d.test>\r\nRCPT TO:<soon@D.TEST>\r\n"
             "RCPT TO:<later@d.test>\r\n" MSG,
        OPEN "250 |250 |250 |250 |" TAKEN);
    assert_int_equal(last()->items, 3);
    const struct envelope *e = &last()->envelope;
    assert_true(e->by.mode == BY_NOTIFY && e->by.ours && near(e->by.at_ms, 600000));
    say("10.0.0.1", EHLO "MAIL FROM:<a@b.test>\r\nRCPT TO:<later@d.test>\r\nDATA\r\nx\r\n.\r\n",
        OPEN "250 |250 |354 |250 ");
    e = &last()->envelope;
    assert_true(e->by.mode == BY_RETURN && e->by.ours && near(e->hold.until_ms, 300000));
    assert_int_equal(e->by.at_ms - e->hold.until_ms, 600000); /* from when it may leave */
    say("10.0.0.1",
        EHLO "MAIL FROM:<a@b.test> BY=30;N\r\nRCPT TO:<later@d.test>\r\nDATA\r\nx\r\n.\r\n",
        OPEN "250 |250 |354 |250 ");
    assert_true(last()->envelope.by.mode == BY_NOTIFY && !last()->envelope.by.ours);
}

#define BOSS EHLO "MAIL FROM:<boss@b.test>\r\n" MSG

/* Two in an hour, whatever made them urgent and however many recipients they have; the next
 * ones are taken, in lane high. A reload forgets nothing; a refused message takes no place. */
static void urgent_has_a_quota(void **state)
{
    (void)state;
    say("10.0.0.1",
        EHLO "MAIL FROM:<boss@b.test>\r\nRCPT TO:<y@e.test>\r\nRCPT TO:<z@f.test>\r\n" MSG,
        OPEN "250 |250 |250 |" TAKEN);
    assert_true(last()->items == 3 && last()->lane[2] == LANE_URGENT);
    assert_int_equal(last()->envelope.mt_priority, 4); /* what a next hop is told */
    say("10.0.0.1", EHLO "MAIL FROM:<boss@b.test>\r\nRCPT TO:<x@d.test>\r\nDATA\r\na\nb\r\n.\r\n",
        OPEN "250 |250 |354 |550 5.6.0");
    say("10.0.0.2", EHLO "MAIL FROM:<a@b.test> MT-PRIORITY=9\r\n" MSG, OPEN "250 2.1.0|" TAKEN);
    assert_int_equal(last()->lane[0], LANE_URGENT);
    assert_int_equal(last()->envelope.mt_priority, 9);
    assert_int_equal(counter_get(&rig.counters, COUNTER_URGENT_LOWERED), 0);
    say("10.0.0.3", BOSS, OPEN "250 |" TAKEN);
    assert_int_equal(last()->lane[0], LANE_HIGH);
    assert_int_equal(last()->envelope.mt_priority, 3 - 2);
    struct policies *next = rig_policies(conf_text, rules_text, NULL, NULL, NULL);
    ingress_reconfigure(rig.ingress, next, NULL);
    policies_unref(&rig.policies);
    rig.policies = next;
    say("10.0.0.1", EHLO "MAIL FROM:<a@b.test> MT-PRIORITY=9\r\n" MSG,
        OPEN "250 2.1.0|250 2.1.5|354 |250 2.3.6 3 is the new priority. Accepted as ");
    assert_int_equal(last()->lane[0], LANE_HIGH);
    assert_int_equal(counter_get(&rig.counters, COUNTER_URGENT_LOWERED), 2);
    say("11.0.0.1", BOSS, OPEN "250 |" TAKEN); /* others have their own, or none */
    assert_int_equal(last()->lane[0], LANE_URGENT);
    assert_int_equal(ingress_hub_urgent_left(rig.hub, NULL, NULL, 0), UINT64_MAX);
    assert_int_equal(ingress_hub_urgent_left(rig.hub, &policies_conf(next)->clients.at[0], NULL,
                                             loop_now_ms(rig.loop)),
                     0);
}

static uint64_t urgent_left(void)
{
    return ingress_hub_urgent_left(rig.hub, &policies_conf(rig.policies)->clients.at[0], NULL,
                                   loop_now_ms(rig.loop));
}

/* Refused at its very end, not stored, or not stored after its client went: it takes no place. */
static void urgent_that_is_not_accepted_takes_no_place(void **state)
{
    (void)state;
    struct rig_client c = rig_connect("10.0.0.1", 0);
    ask(&c, EHLO);
    EXPECT(&c, "MAIL FROM:<boss@b.test>\r\nRCPT TO:<x@d.test>\r\nDATA\r\n", "354");
    rig.fill = (struct spool_fill){ .waiting_bytes = 1000, .waiting_most = 1000 };
    EXPECT(&c, "x\r\n.\r\n", "451 4.3.2 Too busy to take mail,");
    rig.fill.waiting_bytes = 0;
    assert_int_equal(urgent_left(), 2);
    rig.answer = SPOOL_LATER;
    EXPECT(&c, "MAIL FROM:<boss@b.test>\r\n" MSG, "451 4.3.0");
    assert_int_equal(urgent_left(), 2);
    rig.hold = true;
    rig_send(&c, SLICE_LIT("MAIL FROM:<boss@b.test>\r\n" MSG), 0);
    assert_int_equal(urgent_left(), 1);
    rig_close(&c);
    rig_answer();
    assert_int_equal(urgent_left(), 2);
}

/* RFC 6710 section 4.1: the new number comes first, wherever it is told. */
static void changes_of_priority_are_told(void **state)
{
    (void)state;
    say("12.0.0.1",
        EHLO "MAIL FROM:<a@b.test> MT-PRIORITY=6\r\nRCPT TO:<l@lists.test>\r\nDATA\r\nx\r\n.\r\n",
        OPEN "250 2.3.6 0 is|250 |354 |250 2.0.0");
    say("10.0.0.1", EHLO "MAIL FROM:<news@b.test> MT-PRIORITY=2\r\n" MSG,
        OPEN "250 2.1.0|250 |354 |250 2.3.6 -1 is");
    struct slice body = buf_slice(&last()->body);
    assert_non_null(memmem(body.p, body.n, "\r\n\tPRIORITY 2;", 14));
    say("10.0.0.1", EHLO "MAIL FROM:<news@b.test> MT-PRIORITY=-7\r\n" MSG,
        OPEN "250 2.1.0|250 |354 |250 2.0.0");
    assert_int_equal(last()->envelope.mt_priority, -7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_offered, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_times, setup, teardown),
        cmocka_unit_test_setup_teardown(times_are_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(times_of_rules, setup, teardown),
        cmocka_unit_test_setup_teardown(urgent_has_a_quota, setup, teardown),
        cmocka_unit_test_setup_teardown(urgent_that_is_not_accepted_takes_no_place, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(changes_of_priority_are_told, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
