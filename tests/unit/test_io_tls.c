/*
 * unit/test_io_tls — proves io/tls over io/stream
 *
 *   io/tls over io/stream: both sides of a handshake on one loop; what must be refused is
 *   refused.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/io/tls.h"
#include "tests/support/certs.h"
#include "tests/support/io_rig.h"

static const char host[] = "mx.test.example";
static struct cert ca, good, good_rsa, expired, other_ca, foreign;
static struct tls_tickets *tickets;
static struct io_rig server, client; /* one loop, that of `server` */
static struct tls_server *tls_srv;
static struct tls_client *tls_cli;

static struct slice text(const char *s)
{
    return slice_of(s);
}

static struct tls_server *server_of(const struct cert *c)
{
    struct tls_keypair pair = { text(c->certificate), text(c->key) };
    struct tls_server *s = NULL;
    struct err err;
    assert_int_equal(tls_server_new(&pair, 1, tickets, &s, &err), RC_OK);
    return s;
}

static struct tls_client *client_of(const char *ca_pem)
{
    struct tls_client *c = NULL;
    struct err err;
    assert_int_equal(tls_client_new(text(ca_pem), 100, &c, &err), RC_OK);
    return c;
}

static int make_certs(void **state)
{
    (void)state;
    certs_ca(&ca);
    certs_ca(&other_ca);
    certs_leaf(&ca, host, CERT_ECDSA, -3600, 86400, &good);
    certs_leaf(&ca, host, CERT_RSA, -3600, 86400, &good_rsa);
    certs_leaf(&ca, host, CERT_ECDSA, -7200, -3600, &expired);
    certs_leaf(&other_ca, host, CERT_ECDSA, -3600, 86400, &foreign);
    tickets = tls_tickets_new(3600000);
    return 0;
}

static int free_certs(void **state)
{
    (void)state;
    struct cert *all[] = { &ca, &other_ca, &good, &good_rsa, &expired, &foreign };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        certs_free(all[i]);
    tls_tickets_free(&tickets);
    return 0;
}

/* A fresh pair of streams; the server's own loop serves both. */
static void connect_pair(void)
{
    int fds[2];
    memset(&client, 0, sizeof client);
    memset(&server, 0, sizeof server);
    io_rig_events(&server);
    io_rig_events(&client);
    server.loop = client.loop = loop_new();
    server.peer = client.peer = -1;
    io_rig_pair(fds);
    assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    server.stream = stream_new(server.loop, fds[1], &io_rig_limits);
    client.stream = stream_new(server.loop, fds[0], &io_rig_limits);
    stream_set_ops(server.stream, &io_rig_ops, &server);
    stream_set_ops(client.stream, &io_rig_ops, &client);
}

static void drop_pair(void)
{
    stream_close(&client.stream);
    client.loop = NULL;
    io_rig_close(&server);
    buf_free(&client.events);
    buf_free(&client.shown);
}

static void start(const struct tls_target *target)
{
    struct err err;
    connect_pair();
    assert_int_equal(stream_start_tls_server(server.stream, tls_srv, &err), RC_OK);
    assert_int_equal(stream_start_tls_client(client.stream, tls_cli, target, &err), RC_OK);
}

static void setup(const struct cert *server_cert, const char *ca_pem)
{
    tls_srv = server_of(server_cert);
    tls_cli = client_of(ca_pem);
}

static void teardown(void)
{
    tls_server_unref(&tls_srv);
    tls_client_free(&tls_cli);
}

/* Both sides say something; the TLS 1.3 ticket comes along with it. */
static void exchange(void)
{
    stream_write(client.stream, "EHLO\r\n", 6);
    stream_write(server.stream, "250 ok\r\n", 8);
    for (int i = 0; i < 200 && (buf_len(&client.shown) < 8 || buf_len(&server.shown) < 6); i++)
        io_rig_turns(&server, 1);
    assert_true(slice_eq_str(buf_slice(&server.shown), "EHLO\r\n"));
    assert_true(slice_eq_str(buf_slice(&client.shown), "250 ok\r\n"));
}

static void verified_handshake(void **state)
{
    (void)state;
    const struct cert *kinds[] = { &good, &good_rsa };
    for (int i = 0; i < 2; i++) {
        setup(kinds[i], ca.certificate);
        start(&(struct tls_target){ .host = host, .verify = true });
        teardown(); /* running handshakes keep what they need */
        io_rig_until(&client, "tls");
        io_rig_until(&server, "tls");
        const struct tls_info *info = stream_tls_info(client.stream);
        assert_string_equal(info->version, "TLSv1.3");
        assert_true(info->verified && !info->resumed);
        assert_string_equal(info->verify_error, "");
        assert_string_equal(info->peer_subject, host);
        exchange();
        drop_pair();
    }
}

static void one_resumption(bool verify, const char *identity, bool want)
{
    start(&(struct tls_target){ .host = host, .verify = verify, .identity = identity });
    io_rig_until(&client, "tls");
    io_rig_until(&server, "tls");
    assert_int_equal(stream_tls_info(client.stream)->resumed, want);
    assert_int_equal(stream_tls_info(server.stream)->resumed, want);
    exchange();
    drop_pair();
}

static void resumption_stays_within_its_identity(void **state)
{
    (void)state;
    setup(&good, ca.certificate);
    one_resumption(false, "a", false);
    one_resumption(false, "a", true);
    one_resumption(false, "b", false);
    one_resumption(true, "a", false); /* what was not verified is not trusted later */
    one_resumption(true, "a", true);
    one_resumption(true, "a", true);
    one_resumption(true, NULL, false);
    tls_server_unref(&tls_srv); /* a reload: same ticket keys, new context */
    tls_srv = server_of(&good);
    one_resumption(true, "a", true);
    teardown();
}

static void refused_certificates(void **state)
{
    (void)state;
    const struct {
        const struct cert *cert;
        const char *name, *ca, *text;
    } rows[] = {
        { &expired, host, ca.certificate, "expired" },
        { &foreign, host, ca.certificate, "signature" },
        { &good, "other.example", ca.certificate, "hostname mismatch" },
        { &good, "mx.test.example.evil.example", ca.certificate, "hostname mismatch" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        setup(rows[i].cert, rows[i].ca);
        start(&(struct tls_target){ .host = rows[i].name, .verify = true });
        io_rig_until(&client, "error:denied");
        assert_non_null(strstr(client.err.text, rows[i].text));
        io_rig_until(&server, "error"); /* got our alert */
        assert_false(io_rig_saw(&server, "tls"));
        drop_pair();
        teardown();
    }
}

static void unverified_accepts_but_says_so(void **state)
{
    (void)state;
    setup(&expired, ca.certificate);
    start(&(struct tls_target){ .host = "other.example" });
    io_rig_until(&client, "tls");
    assert_false(stream_tls_info(client.stream)->verified);
    assert_true(strlen(stream_tls_info(client.stream)->verify_error) > 0);
    drop_pair();
    teardown();
}

static void verification_without_ca_or_name_is_refused(void **state)
{
    (void)state;
    struct err err;
    setup(&good, "");
    connect_pair();
    assert_int_equal(stream_start_tls_client(client.stream, tls_cli,
                                             &(struct tls_target){ .host = host, .verify = true },
                                             &err),
                     RC_DENIED);
    assert_int_equal(stream_start_tls_client(client.stream, tls_cli,
                                             &(struct tls_target){ .verify = true }, &err),
                     RC_DENIED);
    drop_pair();
    teardown();
}

static size_t starttls_now(struct io_rig *r, struct slice in)
{
    const char *end = memchr(in.p, '\n', in.n);
    struct err err;
    if (!end)
        return 0;
    stream_write(r->stream, "220 go\r\n", 8);
    assert_int_equal(stream_start_tls_server(r->stream, tls_srv, &err), RC_OK);
    r->use = NULL;
    return (size_t)(end - in.p) + 1;
}

/* CVE-2011-0411: a command behind STARTTLS must not be taken for one sent inside TLS. */
static void injected_plain_text_is_refused(void **state)
{
    (void)state;
    setup(&good, ca.certificate);
    connect_pair();
    server.use = starttls_now;
    stream_write(client.stream, "STARTTLS\r\nRSET\r\n", 16);
    io_rig_until(&server, "error:denied");
    assert_true(slice_eq_str(buf_slice(&server.shown), "STARTTLS\r\n"));
    drop_pair();

    /* The same in two packets: then it is no TLS record. */
    connect_pair();
    server.use = starttls_now;
    stream_write(client.stream, "STARTTLS\r\n", 10);
    for (int i = 0; i < 200 && buf_len(&client.shown) < 8; i++)
        io_rig_turns(&server, 1);
    stream_write(client.stream, "RSET\r\nMAIL FROM:<>\r\n", 20);
    io_rig_until(&server, "error:parse");
    assert_true(slice_eq_str(buf_slice(&server.shown), "STARTTLS\r\n"));
    drop_pair();
    teardown();
}

static size_t client_starttls(struct io_rig *r, struct slice in)
{
    struct err err;
    struct tls_target target = { .host = host, .verify = true };
    const char *end = memchr(in.p, '\n', in.n);
    assert_non_null(end);
    assert_int_equal(stream_start_tls_client(r->stream, tls_cli, &target, &err), RC_OK);
    r->use = NULL;
    return (size_t)(end - in.p) + 1;
}

static void starttls_midway(void **state)
{
    (void)state;
    setup(&good, ca.certificate);
    connect_pair();
    server.use = starttls_now;
    client.use = client_starttls;
    stream_write(client.stream, "STARTTLS\r\n", 10);
    io_rig_until(&client, "tls");
    io_rig_until(&server, "tls");
    buf_clear(&client.shown);
    buf_clear(&server.shown);
    exchange();
    stream_finish(&client.stream, 5000);
    io_rig_until(&server, "eof"); /* close_notify */
    drop_pair();

    connect_pair(); /* a response injected behind the server's 220 */
    client.use = client_starttls;
    stream_write(server.stream, "220 go\r\n250 evil\r\n", 18);
    io_rig_until(&client, "error:denied");
    drop_pair();
    teardown();
}

static size_t use_little(struct io_rig *r, struct slice in)
{
    size_t n = in.n < 10000 ? in.n : 10000;
    stream_pause(r->stream);
    return n;
}

/* 8 MiB through TLS to a reader that pauses all the time: nothing lost, nothing swapped. */
static void bulk_with_pauses(void **state)
{
    (void)state;
    enum { BLOCK = 128 * 1024, BLOCKS = 64 };
    static char block[BLOCK];
    for (size_t i = 0; i < BLOCK; i++)
        block[i] = (char)(i * 7 >> 3);
    setup(&good, ca.certificate);
    start(&(struct tls_target){ .host = host });
    io_rig_until(&client, "tls");
    server.use = use_little;
    int sent = 0;
    for (int turn = 0; turn < 20000 && buf_len(&server.shown) < (size_t)BLOCK * BLOCKS; turn++) {
        for (; sent < BLOCKS && stream_queued(client.stream) <= io_rig_limits.low_mark; sent++)
            stream_write_ref(client.stream, (struct slice){ block, BLOCK }, NULL, NULL);
        loop_turn(server.loop, 1);
        stream_resume(server.stream);
    }
    assert_int_equal(buf_len(&server.shown), (size_t)BLOCK * BLOCKS);
    for (size_t i = 0; i < BLOCKS; i++)
        assert_memory_equal(buf_slice(&server.shown).p + i * BLOCK, block, BLOCK);
    drop_pair();
    teardown();
}

static void a_peer_that_hangs_up_midway(void **state)
{
    (void)state;
    struct err err;
    setup(&good, ca.certificate);
    connect_pair();
    assert_int_equal(stream_start_tls_server(server.stream, tls_srv, &err), RC_OK);
    io_rig_turns(&server, 2);
    stream_close(&client.stream);
    io_rig_until(&server, "error:closed");
    drop_pair();
    teardown();
}

static void bad_key_material(void **state)
{
    (void)state;
    const struct tls_keypair rows[] = {
        { text(good.certificate), text(expired.key) }, /* not its key */
        { text(""), text(good.key) },
        { text(good.certificate), text("-----BEGIN PRIVATE KEY-----\nAAAA\n") },
        { text(good.key), text(good.key) },
        { text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), text(good.key) },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tls_server *s = NULL;
        struct err err = { 0 };
        assert_int_equal(tls_server_new(&rows[i], 1, NULL, &s, &err), RC_PARSE);
        assert_null(s);
        assert_true(strlen(err.text) > 0);
    }
    struct tls_client *c = NULL;
    assert_int_equal(tls_client_new(text("no PEM here"), 1, &c, NULL), RC_PARSE);
    assert_null(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verified_handshake),
        cmocka_unit_test(resumption_stays_within_its_identity),
        cmocka_unit_test(refused_certificates),
        cmocka_unit_test(unverified_accepts_but_says_so),
        cmocka_unit_test(verification_without_ca_or_name_is_refused),
        cmocka_unit_test(injected_plain_text_is_refused),
        cmocka_unit_test(starttls_midway),
        cmocka_unit_test(bulk_with_pauses),
        cmocka_unit_test(a_peer_that_hangs_up_midway),
        cmocka_unit_test(bad_key_material),
    };
    return cmocka_run_group_tests(tests, make_certs, free_certs);
}
