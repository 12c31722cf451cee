/*
 * test_delivery_notice — notices, TLS levels, AUTH, what a next hop lacks
 *
 *   Notices come back to the same peer: the one route has all mail.
 */
#include "tests/unit/notice_scripts.h"

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
