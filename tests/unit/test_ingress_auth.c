/*
 * test_ingress_auth — STARTTLS, implicit TLS and AUTH of the SMTP server
 *
 *   With a TLS client on the same loop.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/io/stream.h"
#include "tests/unit/ingress_fixture.h"

/* For this test only, good until the year 2126. */
static const char pem_text[] = "-----BEGIN CERTIFICATE-----\n"
                               "MIIBmTCCAT6gAwIBAgIUGjNOiPks66LOa7Y4swAclIk+JLYwCgYIKoZIzj0EAwIw\n"
                               "FTETMBEGA1UEAwwKcmVsYXkudGVzdDAgFw0yNjExMjIxMzQ2MzFaGA8yMTI2MTAy\n"
                               "OTEzNDYzMVowFTETMBEGA1UEAwwKcmVsYXkudGVzdDBZMBMGByqGSM49AgEGCCqG\n"
                               "SM49AwEHA0IABD9J/wlSlV/Mx/ZIoX2TkGZA7fRi/DGz9R5dqtKKyL/SIbq9APXe\n"
                               "vYcQZ4leUCUkbHmytdSFjfTTaInb7J49rXKjajBoMB0GA1UdDgQWBBQIEtY5gDSp\n"
                               "iKakX5KHIFRxigC0kDAfBgNVHSMEGDAWgBQIEtY5gDSpiKakX5KHIFRxigC0kDAP\n"
                               "BgNVHRMBAf8EBTADAQH/MBUGA1UdEQQOMAyCCnJlbGF5LnRlc3QwCgYIKoZIzj0E\n"
                               "AwIDSQAwRgIhAO9phMYhrBFNsfi8JY0+z7s3JApnIPSqZmVVcir6tD4IAiEAqypL\n"
                               "+R/OitGqdXrfIbpRDzuoq+WMNLj6Vtxwumn+DYc=\n"
                               "-----END CERTIFICATE-----\n";
static const char key_text[] = "-----BEGIN PRIVATE KEY-----\n"
                               "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgnb8QWQdUxyhtNwL/\n"
                               "gg6tetjxziqQ/WBP9asS3RbUV0qhRANCAAQ/Sf8JUpVfzMf2SKF9k5BmQO30Yvwx\n"
                               "s/UeXarSisi/0iG6vQD13r2HEGeJXlAlJGx5srXUhY3002iJ2+yePa1y\n"
                               "-----END PRIVATE KEY-----\n";

static const char conf_text[] =
    "hostname: relay.test\n"
    "state: /w/state\n"
    "listen:\n"
    "  - { address: '127.0.0.1:25', tls: opportunistic, auth: optional }\n"
    "  - { address: '127.0.0.1:587', tls: required, auth: required }\n"
    "  - { address: '127.0.0.1:465', tls: implicit, auth: required }\n"
    "  - { address: '127.0.0.1:466', tls: implicit, proxy_protocol: [10.9.0.0/16] }\n"
    "tls: { certificate: w.pem, key: w.key }\n"
    "clients: [ { network: 10.0.0.0/8 } ]\n"
    "users: users.yaml\n"
    "policies: policies.yaml\n";
static const char users_text[] =
    "joe: { password: '$5$rounds=1000$saltsalt$eKLZU9t9OoPWrqOQsoTIKG0aYkZ5rGOoOQhiIvoSWX2', "
    "senders: ['*@corp.test'] }\n"
    "any: { password: '$5$rounds=1000$saltsalt$eKLZU9t9OoPWrqOQsoTIKG0aYkZ5rGOoOQhiIvoSWX2', "
    "may_set_priority: true }\n";

static int setup(void **state)
{
    (void)state;
    rig_start(rig_policies(conf_text, PLAIN_RULES, users_text, pem_text, key_text));
    return 0;
}

/* ---- a client that speaks TLS: a stream on the same loop ---- */

struct tls_peer {
    struct stream *stream;
    struct tls_client *tls;
    struct buf got;
    bool closed, secure;
};

static void peer_data(void *arg, const char *p, size_t n, size_t *used_r)
{
    struct tls_peer *c = arg;
    buf_put(&c->got, p, n);
    *used_r = n;
}

static void peer_eof(void *arg)
{
    ((struct tls_peer *)arg)->closed = true;
}

static void peer_error(void *arg, const struct err *err)
{
    (void)err;
    ((struct tls_peer *)arg)->closed = true;
}

static void peer_tls(void *arg)
{
    ((struct tls_peer *)arg)->secure = true;
}

static const struct stream_ops peer_ops = {
    .on_data = peer_data, .on_eof = peer_eof, .on_error = peer_error, .on_tls = peer_tls
};

static void peer_open(struct tls_peer *c, unsigned listener, const char *from)
{
    static const struct stream_limits limits = { .input = 65536, .output = 1 << 20 };
    struct rig_client raw = rig_connect(from, listener);
    *c = (struct tls_peer){ 0 };
    buf_init(&c->got, 1 << 20);
    assert_int_equal(tls_client_new((struct slice){ NULL, 0 }, 4, &c->tls, NULL), RC_OK);
    c->stream = stream_new(rig.loop, raw.fd, &limits);
    stream_set_ops(c->stream, &peer_ops, c);
}

static void peer_start_tls(struct tls_peer *c)
{
    const struct tls_target target = { .host = "relay.test" };
    assert_int_equal(stream_start_tls_client(c->stream, c->tls, &target, NULL), RC_OK);
    buf_clear(&c->got); /* a server that greets does it behind the handshake */
    for (int i = 0; i < 400 && !c->secure && !c->closed; i++)
        loop_turn(rig.loop, 5);
    assert_true(c->secure);
}

/* Until a final reply line is there, the connection ends, or two seconds are over. */
static const char *peer_ask(struct tls_peer *c, const char *in)
{
    static char line[256];
    if (*in)
        buf_clear(&c->got);
    stream_write(c->stream, in, strlen(in));
    struct slice last = { "", 0 };
    for (int i = 0; i < 400 && !(last.n > 3 && last.p[3] == ' ') && !c->closed; i++) {
        loop_turn(rig.loop, 5);
        struct slice rest = buf_slice(&c->got);
        while (rest.n)
            slice_cut(rest, '\n', &last, &rest);
    }
    size_t n = last.n < sizeof line ? last.n : sizeof line - 1;
    memcpy(line, last.p, n);
    line[n] = '\0';
    return line;
}

static void peer_close(struct tls_peer *c)
{
    stream_close(&c->stream);
    tls_client_free(&c->tls);
    buf_free(&c->got);
    for (int i = 0; i < 4; i++)
        loop_turn(rig.loop, 0);
}

#define PEER(client, in, prefix)                                                                   \
    do {                                                                                           \
        const char *got_ = peer_ask(client, in);                                                   \
        if (strncmp(got_, prefix, strlen(prefix)) != 0)                                            \
            fail_msg("%s: expected %s, got %s", in, prefix, got_);                                 \
    } while (0)

/* Greeted, secured and introduced. */
static void secure(struct tls_peer *c, unsigned listener)
{
    peer_open(c, listener, "192.0.2.1");
    PEER(c, "", "220");
    PEER(c, "EHLO c.test\r\n", "250");
    PEER(c, "STARTTLS\r\n", "220 2.0.0");
    peer_start_tls(c);
    PEER(c, "EHLO c.test\r\n", "250");
}

static bool said(const struct tls_peer *c, const char *text)
{
    return memmem(buf_slice(&c->got).p, buf_len(&c->got), text, strlen(text)) != NULL;
}

static void nothing_is_carried_over(void **state)
{
    (void)state;
    struct tls_peer c;
    peer_open(&c, 0, "10.0.0.1");
    PEER(&c, "", "220");
    PEER(&c, "EHLO c.test\r\n", "250");
    assert_true(said(&c, "250-STARTTLS\r\n") && !said(&c, "AUTH"));
    PEER(&c, "AUTH PLAIN AGpvZQBzZWNyZXQ=\r\n", "538 5.7.11");
    PEER(&c, "MAIL FROM:<a@b.test>\r\n", "250");
    PEER(&c, "STARTTLS\r\n", "220");
    peer_start_tls(&c);
    PEER(&c, "MAIL FROM:<a@b.test>\r\n", "503 5.5.1 Say EHLO");
    PEER(&c, "EHLO c.test\r\n", "250");
    assert_true(!said(&c, "STARTTLS") && said(&c, "AUTH PLAIN LOGIN"));
    PEER(&c, "STARTTLS\r\n", "503");
    PEER(&c, "RCPT TO:<x@d.test>\r\n", "503");
    PEER(&c, "MAIL FROM:<a@b.test>\r\n", "250");
    PEER(&c, "RCPT TO:<x@d.test>\r\n", "250");
    PEER(&c, "DATA\r\n", "354");
    PEER(&c, "x\r\n.\r\n", "250 2.0.0");
    const struct rig_message *m = &rig.messages[0];
    assert_non_null(memmem(buf_slice(&m->body).p, buf_len(&m->body), "with ESMTPS (TLSv1.3", 20));
    assert_true(slice_istarts_with(m->envelope.origin.tls, "TLSv1.3 TLS_"));
    peer_close(&c);
}

/* One place of ten is not for strangers; who authenticates is none any more. */
static void authenticated_is_no_stranger(void **state)
{
    (void)state;
    static const char conf[] =
        "hostname: relay.test\nstate: /w/state\n"
        "listen: [ { address: '127.0.0.1:25', tls: opportunistic, auth: optional } ]\n"
        "tls: { certificate: w.pem, key: w.key }\nusers: users.yaml\n"
        "limits: { connections: 10 }\npolicies: policies.yaml\n";
    struct policies *next = rig_policies(conf, PLAIN_RULES, users_text, pem_text, key_text);
    ingress_reconfigure(rig.ingress, next, rig.tls);
    policies_unref(&rig.policies);
    rig.policies = next;
    struct rig_client c[10];
    struct tls_peer user;
    secure(&user, 0);
    for (int i = 0; i < 9; i++) {
        c[i] = rig_connect("192.0.2.7", 0);
        EXPECT(&c[i], "", i < 8 ? "220" : "421 4.3.2");
    }
    PEER(&user, "AUTH PLAIN AGpvZQBzZWNyZXQ=\r\n", "235");
    c[9] = rig_connect("192.0.2.7", 0);
    EXPECT(&c[9], "", "220");
    for (int i = 0; i < 10; i++)
        rig_close(&c[i]);
    peer_close(&user);
}

static void injected_commands(void **state)
{
    (void)state;
    struct rig_client c = rig_connect("10.0.0.1", 0);
    EXPECT(&c, "EHLO c.test\r\nSTARTTLS\r\nEHLO evil.test\r\n", "501 5.5.4 Nothing may follow");
    assert_true(c.closed);
    rig_close(&c);
    c = rig_connect("10.0.0.1", 0);
    EXPECT(&c, "EHLO c.test\r\nSTARTTLS\r\n", "220 2.0.0");
    assert_string_equal(ask(&c, "NOOP\r\nNOOP\r\nNOOP\r\n"), "");
    assert_true(c.closed);
    rig_close(&c);
}

static void required_and_implicit(void **state)
{
    (void)state;
    struct tls_peer c;
    peer_open(&c, 1, "10.0.0.1");
    PEER(&c, "", "220");
    PEER(&c, "EHLO c.test\r\n", "250");
    PEER(&c, "MAIL FROM:<a@corp.test>\r\n", "530 5.7.0 Must issue");
    PEER(&c, "VRFY x\r\n", "530");
    PEER(&c, "BDAT 4\r\nNOOP", "503");
    PEER(&c, "NOOP\r\n", "250");
    peer_close(&c);
    secure(&c, 1);
    PEER(&c, "MAIL FROM:<a@corp.test>\r\n", "530 5.7.0 Authentication");
    PEER(&c, "AUTH PLAIN AGpvZQBzZWNyZXQ=\r\n", "235 2.7.0");
    PEER(&c, "MAIL FROM:<a@corp.test>\r\n", "250");
    peer_close(&c);
    peer_open(&c, 2, "10.0.0.1");
    peer_start_tls(&c);
    PEER(&c, "", "220 relay.test");
    PEER(&c, "EHLO c.test\r\n", "250");
    PEER(&c, "MAIL FROM:<a@corp.test>\r\n", "530");
    peer_close(&c);
    /* a PROXY header, and the handshake right behind it */
    peer_open(&c, 3, "10.9.0.1");
    stream_write(c.stream, "PROXY TCP4 10.1.1.1 10.9.0.2 1 2\r\n", 34);
    peer_start_tls(&c);
    PEER(&c, "", "220 relay.test");
    peer_close(&c);
}

static void passwords(void **state)
{
    (void)state;
    static const struct {
        const char *first, *second, *third; /* what the client says */
        const char *reply;                  /* to the last of them */
    } rows[] = {
        { "AUTH PLAIN AGpvZQBzZWNyZXQ=\r\n", NULL, NULL, "235 2.7.0" },
        { "auth plain am9lAGpvZQBzZWNyZXQ=\r\n", NULL, NULL, "235 2.7.0" },
        { "AUTH PLAIN\r\n", "AGpvZQBzZWNyZXQ=\r\n", NULL, "235 2.7.0" },
        { "AUTH LOGIN\r\n", "am9l\r\n", "c2VjcmV0\r\n", "235 2.7.0" },
        { "AUTH LOGIN am9l\r\n", "c2VjcmV0\r\n", NULL, "235 2.7.0" },
        { "AUTH LOGIN am9l\r\n", "*\r\n", NULL, "501 5.7.0" },
        { "AUTH PLAIN\r\n", "*\r\n", NULL, "501 5.7.0" },
        { "AUTH PLAIN\r\n", "NOOP!\r\n", NULL, "501 5.5.2" },
        { "AUTH PLAIN =\r\n", NULL, NULL, "501 5.5.2" },
        { "AUTH PLAIN YW55AGpvZQBzZWNyZXQ=\r\n", NULL, NULL, "535 5.7.8 Acting" },
        { "AUTH GSSAPI\r\n", NULL, NULL, "504 5.5.4" },
        { "AUTH\r\n", NULL, NULL, "501 5.5.4" },
        { "AUTH PLAIN\r\n", "AGpvZQBzZW\nNOOP\r\n", NULL, "500" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tls_peer c;
        const char *const lines[] = { rows[i].first, rows[i].second, rows[i].third };
        const char *got = "";
        secure(&c, 0);
        for (int k = 0; k < 3 && lines[k]; k++)
            got = peer_ask(&c, lines[k]);
        if (strncmp(got, rows[i].reply, strlen(rows[i].reply)) != 0)
            fail_msg("%s: expected %s, got %s", rows[i].first, rows[i].reply, got);
        peer_close(&c);
    }
}

static void wrong_passwords_wait(void **state)
{
    (void)state;
    static const char *const wrong[] = { "AGpvZQB3cm9uZw==", "AG5vYm9keQBzZWNyZXQ=" };
    for (int i = 0; i < 2; i++) {
        struct tls_peer c;
        char line[64] = "AUTH PLAIN ";
        memcpy(line + 11, wrong[i], strlen(wrong[i]) + 1);
        memcpy(line + 11 + strlen(wrong[i]), "\r\nNOOP\r\n", 9);
        secure(&c, 0);
        stream_write(c.stream, line, strlen(line));
        buf_clear(&c.got);
        for (int k = 0; k < 1000; k++)
            if (counter_get(&rig.counters, COUNTER_AUTH_FAILED) <= (unsigned)i)
                loop_turn(rig.loop, 10);
        for (int k = 0; k < 10; k++)
            loop_turn(rig.loop, 0); /* the hash is done, and nothing is said yet */
        assert_int_equal(counter_get(&rig.counters, COUNTER_AUTH_FAILED), i + 1);
        assert_int_equal(buf_len(&c.got), 0);
        peer_close(&c);
    }
    struct tls_peer c; /* right ones do not wait for the penalty of others */
    secure(&c, 0);
    PEER(&c, "AUTH PLAIN AGpvZQBzZWNyZXQ=\r\n", "235");
    peer_close(&c);
}

static void what_a_user_may(void **state)
{
    (void)state;
    struct tls_peer c;
    secure(&c, 0);
    PEER(&c, "MAIL FROM:<a@corp.test>\r\n", "250");
    PEER(&c, "RCPT TO:<x@d.test>\r\n", "550 5.7.1");
    PEER(&c, "AUTH PLAIN AGpvZQBzZWNyZXQ=\r\n", "503");
    PEER(&c, "RSET\r\n", "250");
    PEER(&c, "AUTH PLAIN AGpvZQBzZWNyZXQ=\r\n", "235");
    PEER(&c, "AUTH PLAIN AGpvZQBzZWNyZXQ=\r\n", "503");
    PEER(&c, "MAIL FROM:<a@other.test>\r\n", "553 5.7.1");
    PEER(&c, "MAIL FROM:<>\r\n", "250");
    PEER(&c, "RSET\r\n", "250");
    PEER(&c, "MAIL FROM:<a@corp.test> MT-PRIORITY=6\r\n", "250 2.3.6");
    PEER(&c, "RCPT TO:<x@d.test>\r\n", "250");
    PEER(&c, "DATA\r\n", "354");
    PEER(&c, "x\r\n.\r\n", "250 2.0.0");
    const struct rig_message *m = &rig.messages[0];
    assert_true(slice_eq_str(m->envelope.origin.user, "joe"));
    assert_non_null(memmem(buf_slice(&m->body).p, buf_len(&m->body), "with ESMTPSA (TLS", 17));
    /* a reload without users ends it at its next message */
    static const char no_users[] = "hostname: relay.test\nstate: /w/state\n"
                                   "listen: [ { address: '127.0.0.1:25', tls: none } ]\n"
                                   "clients: [ { network: 10.0.0.0/8 } ]\n";
    struct policies *next = rig_policies(no_users, "", NULL, NULL, NULL);
    ingress_reconfigure(rig.ingress, next, NULL);
    policies_unref(&rig.policies);
    rig.policies = next;
    PEER(&c, "MAIL FROM:<a@corp.test>\r\n", "421 4.7.0");
    peer_close(&c);
}

/* Most clients say EHLO once, before they log in: who they are counts when they send. */
static void who_has_logged_in_may_have_mail_held(void **state)
{
    (void)state;
    struct tls_peer c;
    secure(&c, 0);
    PEER(&c, "MAIL FROM:<a@corp.test> HOLDFOR=60\r\n", "555 5.5.4");
    PEER(&c, "AUTH PLAIN AGpvZQBzZWNyZXQ=\r\n", "235");
    PEER(&c, "MAIL FROM:<a@corp.test> HOLDFOR=60\r\n", "250");
    peer_close(&c);
}

static void client_that_goes_while_checked(void **state)
{
    (void)state;
    struct tls_peer c;
    secure(&c, 0);
    stream_write(c.stream, "AUTH PLAIN AGpvZQBzZWNyZXQ=\r\n", 29);
    for (int i = 0; i < 3; i++)
        loop_turn(rig.loop, 0);
    peer_close(&c);
}

int main(void)
{
#define ROW(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        ROW(nothing_is_carried_over),
        ROW(injected_commands),
        ROW(required_and_implicit),
        ROW(passwords),
        ROW(wrong_passwords_wait),
        ROW(what_a_user_may),
        ROW(client_that_goes_while_checked),
        ROW(authenticated_is_no_stranger),
        ROW(who_has_logged_in_may_have_mail_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
