/*
 * test_delivery_faults — next hops that misbehave, one row each
 *
 *   Every mail must end in exactly the verdict of its row, and the doubt "it may have been
 *   delivered" must be there where it is due and nowhere else.
 */
#include "tests/unit/delivery_rig.h"

#define EHLO                                                                                       \
    { "", "220 peer\r\n", GO_ON },                                                                 \
    {                                                                                              \
        "EHLO gw.example\r\n", "250-peer\r\n250 PIPELINING\r\n", GO_ON                             \
    }
#define TO_DATA                                                                                    \
    EHLO,                                                                                          \
    {                                                                                              \
        "DATA\r\n", "250 ok\r\n250 ok\r\n354 go\r\n", GO_ON                                        \
    }
#define STOP                                                                                       \
    {                                                                                              \
        NULL, NULL, GO_ON                                                                          \
    }
#define DOT "\r\n.\r\n"

#define LINES8(l) l l l l l l l l
#define LINES64(l) LINES8(LINES8(l))

static const struct fault {
    const char *name;
    struct line script[8];
    const char *event;
    bool may_duplicate;
    const char *logged; /* somewhere in the line; NULL: anything */
} faults[] = {
    { "greeting 421", { { "", "421 busy\r\n", CLOSE }, STOP }, DEFERRED, false, "busy" },
    { "greeting 554", { { "", "554 5.3.2 no service\r\n", GO_ON }, STOP }, DEFERRED, false, "554" },
    { "eof before greeting", { { "", NULL, CLOSE }, STOP }, DEFERRED, false, NULL },
    { "reset before greeting", { { "", NULL, RESET }, STOP }, DEFERRED, false, NULL },
    { "greeting is no smtp",
      { { "", "HTTP/1.1 400 Bad\r\n", GO_ON }, STOP },
      DEFERRED,
      false,
      "not SMTP" },
    { "no greeting", { STOP }, DEFERRED, false, "no answer in time" },
    { "half a greeting", { { "", "220 pe", GO_ON }, STOP }, DEFERRED, false, "no answer in time" },
    { "ehlo 421",
      { { "", "220 x\r\n", GO_ON }, { "EHLO", "421 bye\r\n", CLOSE }, STOP },
      DEFERRED,
      false,
      "bye" },
    { "ehlo 451",
      { { "", "220 x\r\n", GO_ON }, { "EHLO", "451 later\r\n", GO_ON }, STOP },
      DEFERRED,
      false,
      "later" },
    { "ehlo and helo refused",
      { { "", "220 x\r\n", GO_ON },
        { "EHLO", "500 no\r\n", GO_ON },
        { "HELO", "550 never\r\n", GO_ON },
        STOP },
      DEFERRED,
      false,
      "never" },
    { "eof at ehlo",
      { { "", "220 x\r\n", GO_ON }, { "EHLO", NULL, CLOSE }, STOP },
      DEFERRED,
      false,
      NULL },
    { "ehlo without end",
      { { "", "220 x\r\n", GO_ON },
        { "EHLO", LINES64("250-x\r\n") LINES64("250-y\r\n") LINES64("250-z\r\n"), GO_ON },
        STOP },
      DEFERRED,
      false,
      "not SMTP" },
    { "code changes inside a reply",
      { { "", "220 x\r\n", GO_ON }, { "EHLO", "250-x\r\n251 y\r\n", GO_ON }, STOP },
      DEFERRED,
      false,
      "not SMTP" },
    { "mail 450",
      { EHLO, { "DATA\r\n", "450 4.2.0 wait\r\n503 no\r\n503 no\r\n", GO_ON }, STOP },
      DEFERRED,
      false,
      "4.2.0" },
    { "mail 550",
      { EHLO, { "DATA\r\n", "550 5.7.1 not you\r\n503 no\r\n503 no\r\n", GO_ON }, STOP },
      BOUNCED,
      false,
      "5.7.1" },
    { "mail 421",
      { EHLO, { "DATA\r\n", "421 4.7.0 too many\r\n", CLOSE }, STOP },
      DEFERRED,
      false,
      "throttled" },
    { "mail 354",
      { EHLO, { "DATA\r\n", "354 what\r\n503 no\r\n503 no\r\n", GO_ON }, STOP },
      DEFERRED,
      false,
      NULL },
    { "eof at mail", { EHLO, { "MAIL", NULL, CLOSE }, STOP }, DEFERRED, false, NULL },
    { "rcpt 450",
      { EHLO, { "DATA\r\n", "250 ok\r\n450 4.2.1 wait\r\n503 no\r\n", GO_ON }, STOP },
      DEFERRED,
      false,
      "4.2.1" },
    { "rcpt greylisted",
      { EHLO, { "DATA\r\n", "250 ok\r\n451 4.7.1 greylisted\r\n503 no\r\n", GO_ON }, STOP },
      DEFERRED,
      false,
      "greylisted" },
    { "rcpt 550",
      { EHLO, { "DATA\r\n", "250 ok\r\n550 5.1.1 who\r\n503 no\r\n", GO_ON }, STOP },
      BOUNCED,
      false,
      "5.1.1" },
    { "rcpt 421",
      { EHLO, { "DATA\r\n", "250 ok\r\n421 4.3.0 down\r\n", CLOSE }, STOP },
      DEFERRED,
      false,
      "down" },
    { "eof after rcpt",
      { EHLO, { "DATA\r\n", "250 ok\r\n250 ok\r\n", CLOSE }, STOP },
      DEFERRED,
      false,
      NULL },
    { "data 451",
      { EHLO, { "DATA\r\n", "250 ok\r\n250 ok\r\n451 no\r\n", GO_ON }, STOP },
      DEFERRED,
      false,
      "451" },
    { "data 554",
      { EHLO, { "DATA\r\n", "250 ok\r\n250 ok\r\n554 no\r\n", GO_ON }, STOP },
      BOUNCED,
      false,
      "554" },
    { "data 250",
      { EHLO, { "DATA\r\n", "250 ok\r\n250 ok\r\n250 no\r\n", GO_ON }, STOP },
      DEFERRED,
      false,
      NULL },
    { "no answer to data",
      { EHLO, { "DATA\r\n", "250 ok\r\n250 ok\r\n", GO_ON }, STOP },
      DEFERRED,
      false,
      "no answer in time" },
    { "eof at the dot", { TO_DATA, { DOT, NULL, CLOSE }, STOP }, DEFERRED, true, NULL },
    { "reset at the dot", { TO_DATA, { DOT, NULL, RESET }, STOP }, DEFERRED, true, NULL },
    { "silence after the dot",
      { TO_DATA, { DOT, NULL, GO_ON }, STOP },
      DEFERRED,
      true,
      "no answer in time" },
    { "half a final reply", { TO_DATA, { DOT, "250 tak", CLOSE }, STOP }, DEFERRED, true, NULL },
    { "nonsense after the dot",
      { TO_DATA, { DOT, "hello\r\n", GO_ON }, STOP },
      DEFERRED,
      true,
      "not SMTP" },
    { "final 354", { TO_DATA, { DOT, "354 more\r\n", GO_ON }, STOP }, DEFERRED, false, NULL },
    { "final 421", { TO_DATA, { DOT, "421 4.3.0 bye\r\n", CLOSE }, STOP }, DEFERRED, false, "bye" },
    { "final 452",
      { TO_DATA, { DOT, "452 4.3.1 full\r\n", GO_ON }, STOP },
      DEFERRED,
      false,
      "4.3.1" },
    { "final 554",
      { TO_DATA, { DOT, "554 5.7.1 spam\r\n", GO_ON }, STOP },
      BOUNCED,
      false,
      "spam" },
    { "final 552 with a temporary code",
      { TO_DATA, { DOT, "552 4.2.2 full\r\n", GO_ON }, STOP },
      BOUNCED,
      false,
      "552" },
    { "250 and gone",
      { TO_DATA, { DOT, "250 taken\r\n", CLOSE }, STOP },
      DELIVERED,
      false,
      "taken" },
    { "250 and reset",
      { TO_DATA, { DOT, "250 taken\r\n", GO_ON }, { "", NULL, CLOSE }, STOP },
      DELIVERED,
      false,
      "taken" },
    { "250 twice",
      { TO_DATA, { DOT, "250 taken\r\n250 again\r\n", GO_ON }, STOP },
      DELIVERED,
      false,
      "taken" },
    { "250 with bare line feeds",
      { TO_DATA, { DOT, "250-one\n250 two\n", GO_ON }, STOP },
      DELIVERED,
      false,
      NULL },
    { "251 to rcpt, 3-digit only replies",
      { EHLO, { "DATA\r\n", "250\r\n251\r\n354\r\n", GO_ON }, { DOT, "250\r\n", GO_ON }, STOP },
      DELIVERED,
      false,
      NULL },
};

static const struct mail_spec mail = { .from = "a@s.example",
                                       .to = { "b@d.example" },
                                       .notify = NOTIFY_NEVER,
                                       .body = "Subject: x\r\n\r\nhello\r\n" };

static const char quick[] =
    "delivery: { connections: 1, timeouts: { connect: 1s, greeting: 1s, command: 1s, data: 1s, "
    "final: 1s } }";

static void test_fault(void **state)
{
    const struct fault *fault = *state;
    rig_set_up(state);
    play(0, fault->script);
    peer_shut(&rig.peers[1]);
    rig_start(quick, "");
    rig_mail(&mail);
    until_logged("\"recipient\":\"b@d.example\"", 1);
    const char *log = rig_log();
    if (count_in(log, fault->event) != 1 ||
        count_in(log, "\"may_duplicate\":true") != fault->may_duplicate ||
        (fault->logged && !strstr(log, fault->logged)))
        fail_msg("%s: %s", fault->name, log);
    rig_tear_down(state);
}

/* ---- several hosts, several sessions ---- */

static const struct line taker[] = { TO_DATA,
                                     { DOT, "250 taken\r\n", GO_ON },
                                     { "DATA\r\n", "250 ok\r\n250 ok\r\n354 go\r\n", GO_ON },
                                     { DOT, "250 taken\r\n", GO_ON },
                                     { "DATA\r\n", "250 ok\r\n250 ok\r\n354 go\r\n", GO_ON },
                                     { DOT, "250 taken\r\n", GO_ON },
                                     STOP };

static void check_next_host(const struct line *first)
{
    if (first)
        play(0, first);
    else
        peer_shut(&rig.peers[0]);
    play(1, taker);
    rig_start(quick, "");
    rig_mail(&mail);
    until_logged(DELIVERED, 1);
    assert_int_equal(rig.peers[1].conns_n, 1);
}

static void test_next_host_refused(void **state)
{
    (void)state;
    check_next_host(NULL);
}

static void test_next_host_greeting(void **state)
{
    (void)state;
    static const struct line busy[] = { { "", "421 busy\r\n", CLOSE }, STOP };
    check_next_host(busy);
}

static void test_next_host_ehlo(void **state)
{
    (void)state;
    static const struct line odd[] = { { "", "220 x\r\n", GO_ON },
                                       { "EHLO", "550 no\r\n", GO_ON },
                                       { "HELO", "550 no\r\n", GO_ON },
                                       STOP };
    check_next_host(odd);
}

/* What failed a moment ago is tried last: the second mail goes to the second host at once. */
static void test_failed_host_is_remembered(void **state)
{
    (void)state;
    static const struct line busy[] = { { "", "421 busy\r\n", CLOSE }, STOP };
    play(0, busy);
    play(1, taker);
    rig_start("delivery: { messages_per_connection: 1 }", "");
    rig_mail(&mail);
    until_logged(DELIVERED, 1);
    rig_mail(&mail);
    until_logged(DELIVERED, 2);
    assert_int_equal(rig.peers[0].conns_n, 1);
    assert_int_equal(rig.peers[1].conns_n, 2);
}

/* A session that never gives its final reply holds its own mail and nobody else's. */
static void test_tarpit_collects_nothing(void **state)
{
    (void)state;
    static const struct line tarpit[] = { TO_DATA, { DOT, NULL, GO_ON }, STOP };
    play(0, tarpit);
    play(0, taker);
    rig_start("delivery: { connections: 3 }", "");
    rig_mail(&mail);
    turns(20);
    for (int i = 0; i < 3; i++)
        rig_mail(&mail);
    until_logged(DELIVERED, 3);
    assert_int_equal(count_in(got(0, 0), "MAIL"), 1);
    rig_tear_down(state);
    rig_set_up(state);
}

/* A peer that allows one session only: the others' mail goes by that one, none is deferred. */
static void test_second_session_refused(void **state)
{
    (void)state;
    static const struct line one[] = {
        TO_DATA, { DOT, NULL, GO_ON }, { "never", NULL, GO_ON }, STOP
    };
    static const struct line full[] = { { "", "421 too many connections\r\n", CLOSE }, STOP };
    play(0, one);
    play(0, full);
    peer_shut(&rig.peers[1]);
    rig_start("delivery: { connections: 3 }", "");
    rig_mail(&mail);
    turns(20);
    rig_mail(&mail);
    turns(40);
    assert_int_equal(count_in(rig_log(), "event"), 0);
    struct conn *c = &rig.peers[0].conns[0];
    assert_int_equal(send(c->fd, "250 taken\r\n", 11, 0), 11);
    c->at = taker + 2;
    until_logged(DELIVERED, 2);
    assert_int_equal(count_in(rig_log(), DEFERRED), 0);
}

static void test_drain(void **state)
{
    (void)state;
    static const struct line slow[] = { TO_DATA, { "never", NULL, GO_ON }, STOP };
    play(0, slow);
    rig_start("", "");
    rig_mail(&mail);
    turns(20);
    delivery_drain(rig.delivery, 60000, on_rig_drained, NULL);
    turns(10);
    assert_false(rig.drained);
    struct conn *c = &rig.peers[0].conns[0];
    assert_int_equal(send(c->fd, "250 taken\r\n", 11, 0), 11);
    for (int i = 0; i < 500 && !rig.drained; i++)
        loop_turn(rig.loop, 10);
    assert_true(rig.drained);
    until_logged(DELIVERED, 1);
}

enum { FAULTS = sizeof faults / sizeof faults[0] };

int main(void)
{
    struct CMUnitTest tests[FAULTS];
    const struct CMUnitTest more[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)
        T(test_next_host_refused),
        T(test_next_host_greeting),
        T(test_next_host_ehlo),
        T(test_failed_host_is_remembered),
        T(test_tarpit_collects_nothing),
        T(test_second_session_refused),
        T(test_drain),
    };
    for (size_t i = 0; i < FAULTS; i++)
        tests[i] = (struct CMUnitTest){ .name = faults[i].name,
                                        .test_func = test_fault,
                                        .initial_state = (void *)(uintptr_t)&faults[i] };
    return cmocka_run_group_tests(tests, NULL, NULL) + cmocka_run_group_tests(more, NULL, NULL);
}
