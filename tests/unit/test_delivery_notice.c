/*
 * test_delivery_notice — notices, TLS levels, AUTH, what a next hop lacks
 *
 *   Notices come back to the same peer: the one route has all mail.
 */
#include "tests/unit/delivery_rig.h"

#define EHLO_OF(caps)                                                                              \
    { "", "220 peer\r\n", GO_ON },                                                                 \
    {                                                                                              \
        "EHLO gw.example\r\n", "250-peer\r\n" caps "250 PIPELINING\r\n", GO_ON                     \
    }
#define EHLO EHLO_OF("250-8BITMIME\r\n")
#define STOP                                                                                       \
    {                                                                                              \
        NULL, NULL, GO_ON                                                                          \
    }
#define ENVELOPE "MAIL FROM:<a@s.example>\r\nRCPT TO:<b@d.example>\r\n"
#define DOT "\r\n.\r\n"
#define TAKE                                                                                       \
    { "DATA\r\n", "250 ok\r\n250 ok\r\n354 go\r\n", GO_ON },                                       \
    {                                                                                              \
        DOT, "250 taken\r\n", GO_ON                                                                \
    }
#define TAKE_AFTER_RSET                                                                            \
    { "DATA\r\n", "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n", GO_ON },                             \
    {                                                                                              \
        DOT, "250 taken\r\n", GO_ON                                                                \
    }
#define REFUSE                                                                                     \
    {                                                                                              \
        "DATA\r\n", "250 ok\r\n550 5.1.1 no such user\r\n503 no\r\n", GO_ON                        \
    }
#define PUT_OFF                                                                                    \
    {                                                                                              \
        "DATA\r\n", "250 ok\r\n450 4.2.1 later\r\n503 no\r\n", GO_ON                               \
    }
#define BACK "MAIL FROM:<>\r\nRCPT TO:<a@s.example>"

static const struct mail_spec plain = { .from = "a@s.example",
                                        .to = { "b@d.example" },
                                        .body = "Subject: original\r\n\r\nhello\r\n" };

/* Does this to the mail, and takes the notice behind it. */
static const struct line refuses[] = { EHLO, REFUSE, TAKE_AFTER_RSET, STOP };
static const struct line puts_off[] = { EHLO, PUT_OFF, TAKE_AFTER_RSET, STOP };
static const struct line takes[] = { EHLO, TAKE, STOP };

/* The peer has this script, the gateway this mail. */
static void deliver(const struct line *script, const struct mail_spec *spec)
{
    play(0, script);
    rig_start("", "");
    rig_mail(spec);
}

/* Is the message still in the spool? */
static unsigned items_left;

static void on_load(void *arg, enum spool_rc rc, struct body *body)
{
    (void)arg;
    body_unref(&body);
    items_left = rc == SPOOL_OK ? 1 : 0;
}

static bool stored(struct spool_id id)
{
    items_left = 2;
    spool_load(rig.port, id, UINT64_MAX, on_load, NULL);
    for (int i = 0; i < 500 && items_left == 2; i++)
        loop_turn(rig.loop, 10);
    return items_left == 1;
}

/* ---- notices ---- */

static void test_bounce(void **state)
{
    (void)state;
    deliver(refuses, &plain);
    until_logged(BOUNCED, 1);
    until_logged(DELIVERED, 1);
    const char *sent = got(0, 0);
    assert_int_equal(count_in(sent, "RSET\r\n" BACK), 1);
    assert_non_null(strstr(sent, "multipart/report"));
    assert_non_null(strstr(sent, "Final-Recipient: rfc822; b@d.example"));
    assert_non_null(strstr(sent, "Status: 5.1.1"));
    assert_non_null(strstr(sent, "no such user"));
    assert_non_null(strstr(sent, "Subject: original"));
    assert_false(stored(rig.last_id));
}

/* The body is not in memory: its start is read from the spool for the notice. */
static void test_bounce_from_spool(void **state)
{
    (void)state;
    struct mail_spec spec = plain;
    spec.from_spool = true;
    deliver(refuses, &spec);
    until_logged(DELIVERED, 1);
    assert_non_null(strstr(got(0, 0), "Subject: original"));
}

static void check_silent(const struct mail_spec *spec)
{
    deliver(refuses, spec);
    until_logged(BOUNCED, 1);
    turns(20);
    assert_int_equal(count_in(got(0, 0), BACK), 0);
    assert_int_equal(count_in(rig_log(), "event"), 1);
    assert_false(stored(rig.last_id));
}

static void test_no_bounce_for_a_bounce(void **state)
{
    (void)state;
    struct mail_spec spec = plain;
    spec.from = "";
    check_silent(&spec);
}

static void test_notify_never(void **state)
{
    (void)state;
    struct mail_spec spec = plain;
    spec.notify = NOTIFY_NEVER;
    check_silent(&spec);
}

/* One of two fails: the other waits, with the failed one out of the envelope. */
static void test_partial_failure(void **state)
{
    (void)state;
    static const struct line script[] = {
        EHLO,
        { "DATA\r\n", "250 ok\r\n550 5.1.1 no\r\n450 4.2.1 wait\r\n503 no\r\n", GO_ON },
        TAKE_AFTER_RSET,
        STOP,
    };
    struct mail_spec spec = plain;
    spec.to[1] = "c@d.example";
    deliver(script, &spec);
    until_logged(BOUNCED, 1);
    until_logged(DEFERRED, 1);
    until_logged(DELIVERED, 1);
    const char *sent = got(0, 0);
    assert_non_null(strstr(sent, "Final-Recipient: rfc822; b@d.example"));
    assert_null(strstr(sent, "Final-Recipient: rfc822; c@d.example"));
    assert_true(stored(rig.last_id));
}

static void test_delay_notice(void **state)
{
    (void)state;
    struct mail_spec spec = plain;
    spec.accepted_ago_ms = 5 * 3600 * 1000;
    deliver(puts_off, &spec);
    until_logged(DEFERRED, 1);
    until_logged(DELIVERED, 1);
    assert_non_null(strstr(got(0, 0), "Action: delayed"));
    assert_true(stored(rig.last_id));
}

static void test_no_delay_notice_yet(void **state)
{
    (void)state;
    struct mail_spec spec = plain;
    spec.accepted_ago_ms = 3 * 3600 * 1000;
    deliver(puts_off, &spec);
    until_logged(DEFERRED, 1);
    turns(20);
    assert_int_equal(count_in(got(0, 0), BACK), 0);
}

static void test_expired(void **state)
{
    (void)state;
    struct mail_spec spec = plain;
    spec.expires_in_ms = -1;
    deliver(takes, &spec);
    until_logged(EXPIRED, 1);
    until_logged(DELIVERED, 1);
    assert_int_equal(count_in(got(0, 0), "RCPT TO:<b@d.example>"), 0);
    assert_non_null(strstr(got(0, 0), "Action: failed"));
    assert_false(stored(rig.last_id));
}

/* NOTIFY=SUCCESS: ours to tell when the next hop does no DSN, its own when it does. */
static void test_relayed(void **state)
{
    (void)state;
    static const struct line script[] = { EHLO, TAKE, TAKE, STOP };
    struct mail_spec spec = plain;
    spec.notify = NOTIFY_SUCCESS;
    deliver(script, &spec);
    until_logged(DELIVERED, 2);
    assert_non_null(strstr(got(0, 0), "Action: relayed"));
}

static void test_success_passed_on(void **state)
{
    (void)state;
    static const struct line script[] = { EHLO_OF("250-DSN\r\n"), TAKE, TAKE, STOP };
    struct mail_spec spec = plain;
    spec.notify = NOTIFY_SUCCESS;
    deliver(script, &spec);
    until_logged(DELIVERED, 1);
    turns(20);
    assert_non_null(strstr(got(0, 0), "NOTIFY=SUCCESS"));
    assert_int_equal(count_in(got(0, 0), BACK), 0);
}

/* ---- what the hop lacks ---- */

static void test_no_smtputf8(void **state)
{
    (void)state;
    struct mail_spec spec = plain;
    spec.to[0] = "j\xc3\xbcrgen@d.example";
    spec.smtputf8 = true;
    spec.notify = NOTIFY_NEVER;
    deliver(takes, &spec);
    until_logged(BOUNCED, 1);
    assert_non_null(strstr(rig_log(), "5.6.7"));
    assert_int_equal(count_in(got(0, 0), "MAIL"), 0);
}

/* ---- TLS and AUTH ---- */

static void test_broken_tls_goes_plain(void **state)
{
    (void)state;
    static const struct line broken[] = { EHLO_OF("250-STARTTLS\r\n"),
                                          { "STARTTLS\r\n", "220 go\r\n", ALONE },
                                          { "\x16", "not TLS at all\r\n", CLOSE },
                                          STOP };
    static const struct line works[] = { EHLO_OF("250-STARTTLS\r\n"), TAKE, STOP };
    play(0, broken);
    play(0, works);
    rig_start("", "");
    rig_mail(&plain);
    until_logged(DELIVERED, 1);
    assert_int_equal(rig.peers[0].conns_n, 2);
    assert_int_equal(count_in(got(0, 1), "STARTTLS"), 0);
}

static void check_tls_failure(const struct line *script)
{
    rig.route_extra = ", tls: required";
    peer_shut(&rig.peers[1]);
    deliver(script, &plain);
    until_logged(DEFERRED, 1);
    assert_non_null(strstr(rig_log(), "\"class\":\"tls\""));
    assert_int_equal(count_in(got(0, 0), "MAIL"), 0);
}

static void test_tls_required_not_offered(void **state)
{
    (void)state;
    check_tls_failure(takes);
}

static void test_tls_required_refused(void **state)
{
    (void)state;
    static const struct line script[] = {
        EHLO_OF("250-STARTTLS\r\n"), { "STARTTLS\r\n", "454 4.7.0 not now\r\n", GO_ON }, TAKE, STOP
    };
    check_tls_failure(script);
}

static void test_tls_injected_plain_text(void **state)
{
    (void)state;
    static const struct line script[] = { EHLO_OF("250-STARTTLS\r\n"),
                                          { "STARTTLS\r\n", "220 go\r\n250 injected\r\n", GO_ON },
                                          STOP };
    check_tls_failure(script);
}

static void test_starttls_refused_goes_on(void **state)
{
    (void)state;
    static const struct line script[] = {
        EHLO_OF("250-STARTTLS\r\n"), { "STARTTLS\r\n", "454 4.7.0 not now\r\n", GO_ON }, TAKE, STOP
    };
    deliver(script, &plain);
    until_logged(DELIVERED, 1);
    assert_int_equal(rig.peers[0].conns_n, 1);
}

static const char account[] = ", user: u, password_file: /pw";

static void test_auth_plain(void **state)
{
    (void)state;
    static const struct line script[] = {
        EHLO_OF("250-AUTH LOGIN PLAIN\r\n"),
        { "AUTH PLAIN AHUAc2VjcmV0\r\n", "235 ok\r\n", ALONE },
        TAKE,
        STOP,
    };
    rig.route_extra = account;
    deliver(script, &plain);
    until_logged(DELIVERED, 1);
}

static void test_auth_login(void **state)
{
    (void)state;
    static const struct line script[] = {
        EHLO_OF("250-AUTH LOGIN\r\n"),
        { "AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n", ALONE },
        { "dQ==\r\n", "334 UGFzc3dvcmQ6\r\n", ALONE },
        { "c2VjcmV0\r\n", "235 ok\r\n", ALONE },
        TAKE,
        STOP,
    };
    rig.route_extra = account;
    deliver(script, &plain);
    until_logged(DELIVERED, 1);
}

/* A wrong password is our mistake: the mail waits. */
static void test_auth_refused(void **state)
{
    (void)state;
    static const struct line script[] = {
        EHLO_OF("250-AUTH PLAIN\r\n"), { "AUTH PLAIN", "535 5.7.8 no\r\n", GO_ON }, TAKE, STOP
    };
    rig.route_extra = account;
    peer_shut(&rig.peers[1]);
    deliver(script, &plain);
    until_logged(DEFERRED, 1);
    assert_int_equal(count_in(got(0, 0), "MAIL"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)
        T(test_bounce),
        T(test_bounce_from_spool),
        T(test_no_bounce_for_a_bounce),
        T(test_notify_never),
        T(test_partial_failure),
        T(test_delay_notice),
        T(test_no_delay_notice_yet),
        T(test_expired),
        T(test_relayed),
        T(test_success_passed_on),
        T(test_no_smtputf8),
        T(test_broken_tls_goes_plain),
        T(test_tls_required_not_offered),
        T(test_tls_required_refused),
        T(test_tls_injected_plain_text),
        T(test_starttls_refused_goes_on),
        T(test_auth_plain),
        T(test_auth_login),
        T(test_auth_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
