/*
 * tests/unit/test_mail_header — reading a header section, writing our field of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/mail/header.h"
#include "gateway/mail/trace.h"

#define ROWS(t) (sizeof(t) / sizeof(t)[0])

static const struct slice wanted[] = { SLICE_INIT("x-priority"), SLICE_INIT("subject"),
                                       SLICE_INIT("list-id") };

struct expected {
    enum rc rc;
    uint64_t size;
    unsigned received;
    bool has_8bit;
    const char *priority, *subject; /* NULL: not there */
};

static void assert_value(const struct header_scan *scan, size_t i, const char *want)
{
    struct slice value;
    assert_int_equal(header_scan_value(scan, i, &value), want != NULL);
    assert_true(slice_eq_str(value, want ? want : ""));
}

static void assert_scan(struct header_scan *scan, struct slice in, size_t piece,
                        const struct expected *want)
{
    enum rc rc = RC_AGAIN;
    header_scan_reset(scan);
    for (size_t i = 0; i < in.n; i += piece)
        rc =
            header_scan_feed(scan, (struct slice){ in.p + i, in.n - i < piece ? in.n - i : piece });
    if (rc != want->rc || scan->received != want->received || scan->has_8bit != want->has_8bit ||
        (rc == RC_OK && scan->size != want->size))
        fail_msg("piece %zu of [%.*s]: %s size %llu received %u", piece, SLICE_FMT(in), rc_name(rc),
                 (unsigned long long)scan->size, scan->received);
    assert_int_equal(scan->done, rc == RC_OK);
    assert_value(scan, 0, want->priority);
    assert_value(scan, 1, want->subject);
    assert_value(scan, 2, NULL);
}

static void sections(void **state)
{
    (void)state;
    static const struct {
        struct slice in;
        struct expected want;
    } rows[] = {
        { SLICE_INIT("Subject: hi\r\n\r\nReceived: body\r\n"),
          { RC_OK, 15, 0, false, NULL, "hi" } },
        { SLICE_INIT("RECEIVED: a\r\n\tb\r\nReceived : c\r\nReceived-SPF: d\r\n\r\n"),
          { RC_OK, 50, 2, false, NULL, NULL } },
        { SLICE_INIT("X-Priority:1\r\nX-PRIORITY: 2\r\n\r\n"), { RC_OK, 31, 0, false, "1", NULL } },
        { SLICE_INIT("Subject: one\r\n  two\r\n\tthree \r\n\r\n"),
          { RC_OK, 32, 0, false, NULL, "one  two\tthree" } },
        { SLICE_INIT("Subject:\r\n late\r\n\r\n"), { RC_OK, 19, 0, false, NULL, "late" } },
        { SLICE_INIT("Subject:\r\n\r\n"), { RC_OK, 12, 0, false, NULL, "" } },
        { SLICE_INIT("Subject: caf\xc3\xa9\r\n\r\nx"),
          { RC_OK, 18, 0, true, NULL, "caf\xc3\xa9" } },
        { SLICE_INIT("A: b\r\n\r\n\xff"), { RC_OK, 8, 0, false, NULL, NULL } },
        { SLICE_INIT("\r\nSubject: body\r\n"), { RC_OK, 2, 0, false, NULL, NULL } },
        { SLICE_INIT("Subject: lf\n\nbody"), { RC_OK, 13, 0, false, NULL, "lf" } },
        { SLICE_INIT("A: b\r\nno field\r\n\r\n"), { RC_OK, 6, 0, false, NULL, NULL } },
        { SLICE_INIT("A: b\r\nnofield\r\n\r\n"), { RC_OK, 6, 0, false, NULL, NULL } },
        { SLICE_INIT("A: b\r\n: empty\r\n\r\n"), { RC_OK, 6, 0, false, NULL, NULL } },
        { SLICE_INIT("A: b\r\nb\xc3\xa9: x\r\n"), { RC_OK, 6, 0, false, NULL, NULL } },
        { SLICE_INIT("From me\r\nSubject: x\r\n"), { RC_OK, 0, 0, false, NULL, NULL } },
        { SLICE_INIT(" starts folded\r\n"), { RC_OK, 0, 0, false, NULL, NULL } },
        { SLICE_INIT("A: b\r\n\rSubject: x\r\n"), { RC_OK, 6, 0, false, NULL, NULL } },
        { SLICE_INIT("Subject: cut"), { RC_AGAIN, 0, 0, false, NULL, "cut" } },
        { SLICE_INIT("Received: a\r\nSubject: cut\r\n"), { RC_AGAIN, 0, 1, false, NULL, "cut" } },
    };
    struct header_scan scan;
    header_scan_init(&scan, wanted, ROWS(wanted), 10000);
    for (size_t i = 0; i < ROWS(rows); i++)
        for (size_t piece = 1; piece <= rows[i].in.n; piece++)
            assert_scan(&scan, rows[i].in, piece, &rows[i].want);
    header_scan_free(&scan);
}

static void limits(void **state)
{
    (void)state;
    struct header_scan scan;
    static const struct slice in = SLICE_INIT("Subject: 0123456789\r\n\r\n");
    struct expected small = { RC_LIMIT, 0, 0, false, NULL, "0123" };
    struct expected exact = { RC_OK, 23, 0, false, NULL, "0123456789" };
    for (size_t piece = 1; piece <= in.n; piece++) {
        header_scan_init(&scan, wanted, ROWS(wanted), 13);
        assert_scan(&scan, in, piece, &small);
        header_scan_free(&scan);
        header_scan_init(&scan, wanted, ROWS(wanted), 23);
        assert_scan(&scan, in, piece, &exact);
        header_scan_free(&scan);
    }
}

static void long_names_and_values(void **state)
{
    (void)state;
    struct header_scan scan;
    struct slice value;
    static char name[500], text[3000];
    memset(name, 'n', sizeof name);
    memset(text, 'v', sizeof text);
    header_scan_init(&scan, wanted, ROWS(wanted), 100000);
    header_scan_feed(&scan, (struct slice){ name, sizeof name });
    header_scan_feed(&scan, SLICE_LIT(": x\r\nSubject:"));
    header_scan_feed(&scan, (struct slice){ text, sizeof text });
    assert_int_equal(header_scan_feed(&scan, SLICE_LIT("\r\nX-Priority: 5\r\n\r\n")), RC_OK);
    assert_true(header_scan_value(&scan, 1, &value) && value.n == HEADER_VALUE_MAX);
    assert_true(header_scan_value(&scan, 0, &value) && slice_eq_str(value, "5"));
    header_scan_free(&scan);
}

static void received_fields(void **state)
{
    (void)state;
    static const struct {
        struct trace trace;
        const char *text;
    } rows[] = {
        { { .helo = SLICE_INIT("mx.corp.example"),
            .client_address = SLICE_INIT("192.0.2.1"),
            .by = SLICE_INIT("gw1.example.net"),
            .id = SLICE_INIT("ABC"),
            .esmtp = true,
            .recipient = SLICE_INIT("u@x.example"),
            .received_ms = 1795352431123 },
          "Received: from mx.corp.example ([192.0.2.1])\r\n\tby gw1.example.net with ESMTP\r\n\tid "
          "ABC\r\n"
          "\tfor <u@x.example>;\r\n\tSun, 22 Nov 2026 13:00:31 +0000\r\n" },
        { { .helo = SLICE_INIT("a (evil)\r\nX: y"),
            .client_name = SLICE_INIT("host.example"),
            .client_address = SLICE_INIT("2001:db8::1"),
            .by = SLICE_INIT("gw"),
            .id = SLICE_INIT("1"),
            .tls = SLICE_INIT("TLSv1.3 TLS_AES_256_GCM_SHA384"),
            .esmtp = true,
            .authenticated = true,
            .smtputf8 = true,
            .received_ms = 1795352431123 },
          "Received: from a??evil???X:?y (host.example [IPv6:2001:db8::1])\r\n\tby gw with "
          "UTF8SMTPSA "
          "(TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n\tid 1;\r\n\tSun, 22 Nov 2026 13:00:31 +0000\r\n" },
        { { .by = SLICE_INIT("gw"),
            .id = SLICE_INIT("1"),
            .recipient = SLICE_INIT("u@x"),
            .esmtp = true,
            .priority_given = true,
            .priority = -3,
            .received_ms = 0 },
          "Received: from unknown\r\n\tby gw with ESMTP\r\n\tid 1\r\n\tfor <u@x>\r\n\t"
          "PRIORITY -3;\r\n\tThu, 01 Jan 1970 00:00:00 +0000\r\n" },
        { { .by = SLICE_INIT("gw"), .id = SLICE_INIT("1"), .received_ms = 0 },
          "Received: from unknown\r\n\tby gw with SMTP\r\n\tid 1;\r\n"
          "\tThu, 01 Jan 1970 00:00:00 +0000\r\n" },
    };
    struct buf b;
    buf_init(&b, 2000);
    for (size_t i = 0; i < ROWS(rows); i++) {
        buf_clear(&b);
        trace_put_received(&b, &rows[i].trace);
        if (!slice_eq_str(buf_slice(&b), rows[i].text))
            fail_msg("%.*s", SLICE_FMT(buf_slice(&b)));
    }
    buf_free(&b);
}

static void protocol_keywords(void **state)
{
    (void)state;
    static const char *const names[] = { "ESMTP",    "ESMTPS",    "ESMTPA",    "ESMTPSA",
                                         "UTF8SMTP", "UTF8SMTPS", "UTF8SMTPA", "UTF8SMTPSA" };
    struct buf b;
    buf_init(&b, 2000);
    for (size_t i = 0; i < ROWS(names); i++) {
        struct trace t = { .esmtp = true, .by = SLICE_LIT("gw"), .id = SLICE_LIT("1") };
        t.tls = i & 1 ? SLICE_LIT("T") : (struct slice){ NULL, 0 };
        t.authenticated = (i & 2) != 0;
        t.smtputf8 = (i & 4) != 0;
        buf_clear(&b);
        trace_put_received(&b, &t);
        struct slice rest = { buf_slice(&b).p + 36, buf_len(&b) - 36 };
        assert_true(slice_starts_with(rest, names[i]));
        char after = rest.p[strlen(names[i])];
        assert_true(after == ' ' || after == '\r');
    }
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections),
        cmocka_unit_test(limits),
        cmocka_unit_test(long_names_and_values),
        cmocka_unit_test(received_fields),
        cmocka_unit_test(protocol_keywords),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
