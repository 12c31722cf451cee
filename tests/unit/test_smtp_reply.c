/*
 * tests/unit/test_smtp_reply — what servers say, and what we say as one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <stdio.h>

#include "gateway/smtp/ehlo.h"
#include "gateway/smtp/limits.h"
#include "gateway/smtp/reply.h"

#define ROWS(t) (sizeof(t) / sizeof(t)[0])

/* Parses `in` in pieces and writes down each reply as "code/enhanced/text;" and P or L for an
 * error. */
static void parse(struct slice in, size_t piece, struct buf *out)
{
    struct reply_parser p;
    struct reply r;
    enum rc rc = RC_AGAIN;
    reply_parser_init(&p);
    for (size_t at = 0, used; at < in.n && (rc == RC_OK || rc == RC_AGAIN); at += used) {
        struct slice data = { in.p + at, in.n - at < piece ? in.n - at : piece };
        rc = reply_parser_feed(&p, data, &used, &r);
        if (rc == RC_OK) {
            buf_put_u64(out, r.code);
            buf_putc(out, '/');
            enhanced_put(out, r.enhanced);
            buf_putc(out, '/');
            buf_put_slice(out, r.text);
            buf_putc(out, ';');
        }
    }
    if (rc == RC_PARSE || rc == RC_LIMIT)
        buf_puts(out, rc == RC_PARSE ? "P" : "L");
    reply_parser_free(&p);
}

static void replies(void **state)
{
    (void)state;
    static const struct {
        struct slice in;
        const char *out;
    } rows[] = {
        { SLICE_INIT("250 OK\r\n"), "250//OK;" },
        { SLICE_INIT("250 OK\n"), "250//OK;" },
        { SLICE_INIT("250\r\n"), "250//;" },
        { SLICE_INIT("250\n"), "250//;" },
        { SLICE_INIT("250 \r\n"), "250//;" },
        { SLICE_INIT("250-one\r\n250-two\r\n250 three\r\n"), "250//one\ntwo\nthree;" },
        { SLICE_INIT("250-\r\n250\r\n354 go\r\n"), "250//\n;354//go;" },
        { SLICE_INIT("250 2.1.0 OK\r\n250 2.1.5 OK\r\n"),
          "250/2.1.0/2.1.0 OK;250/2.1.5/2.1.5 OK;" },
        { SLICE_INIT("550-see\r\n550 5.7.26 why\r\n"), "550/5.7.26/see\n5.7.26 why;" },
        { SLICE_INIT("550 4.1.1 odd\r\n"), "550//4.1.1 odd;" },
        { SLICE_INIT("550 5.1.1\r\n"), "550/5.1.1/5.1.1;" },
        { SLICE_INIT("550 5.1.1: no\r\n"), "550//5.1.1: no;" },
        { SLICE_INIT("250 a\rb\r\n"), "250//a\rb;" },
        { SLICE_INIT("250 a\r\r\n"), "250//a\r;" },
        { SLICE_INIT("250\ttab\r\n"), "250//tab;" },
        { SLICE_INIT("220 \xff\xfe\r\n"), "220//\xff\xfe;" },
        { SLICE_INIT("421 bye\r\nx"), "421//bye;P" },
        { SLICE_INIT("hello\r\n"), "P" },
        { SLICE_INIT("150 no\r\n"), "P" },
        { SLICE_INIT("650 no\r\n"), "P" },
        { SLICE_INIT("25 no\r\n"), "P" },
        { SLICE_INIT("2500 no\r\n"), "P" },
        { SLICE_INIT("\r\n"), "P" },
        { SLICE_INIT("250-one\r\n251 two\r\n"), "P" },
        { SLICE_INIT("250-one\r\ntwo\r\n"), "P" },
        { SLICE_INIT("\x16\x03\x01\x02"), "P" },
    };
    struct buf out;
    buf_init(&out, 10000);
    for (size_t i = 0; i < ROWS(rows); i++) {
        for (size_t piece = 1; piece <= rows[i].in.n; piece++) {
            buf_clear(&out);
            parse(rows[i].in, piece, &out);
            if (!slice_eq_str(buf_slice(&out), rows[i].out))
                fail_msg("[%.*s] piece %zu: [%.*s]", SLICE_FMT(rows[i].in), piece,
                         SLICE_FMT(buf_slice(&out)));
        }
    }
    buf_free(&out);
}

static void repeat(struct buf *b, const char *line, size_t n)
{
    while (n--)
        buf_puts(b, line);
}

static void reply_limits(void **state)
{
    (void)state;
    struct buf in, out;
    buf_init(&in, 1 << 20);
    buf_init(&out, 1 << 20);
    repeat(&in, "250-x\r\n", SMTP_REPLY_LINES_MAX - 1);
    buf_puts(&in, "250 x\r\n");
    parse(buf_slice(&in), 1000, &out);
    assert_int_equal(buf_len(&out), 5 + 2 * SMTP_REPLY_LINES_MAX);
    buf_clear(&in);
    buf_clear(&out);
    repeat(&in, "250-x\r\n", SMTP_REPLY_LINES_MAX + 1);
    parse(buf_slice(&in), 1000, &out);
    assert_true(slice_eq_str(buf_slice(&out), "L"));

    buf_clear(&in);
    buf_clear(&out);
    buf_puts(&in, "250 ");
    repeat(&in, "0123456789", 6000);
    buf_puts(&in, "\r\n");
    parse(buf_slice(&in), 999, &out);
    assert_int_equal(buf_len(&out), 5 + SMTP_REPLY_KEEP_MAX + 1);
    buf_clear(&in);
    buf_clear(&out);
    buf_puts(&in, "250 ");
    repeat(&in, "0123456789", 7000);
    parse(buf_slice(&in), 999, &out);
    assert_true(slice_eq_str(buf_slice(&out), "L"));
    buf_free(&in);
    buf_free(&out);
}

/* After an error nothing is parsed until reset. */
static void errors_stay(void **state)
{
    (void)state;
    struct reply_parser p;
    struct reply r;
    size_t used;
    reply_parser_init(&p);
    assert_int_equal(reply_parser_feed(&p, SLICE_LIT("garbage\r\n"), &used, &r), RC_PARSE);
    assert_int_equal(reply_parser_feed(&p, SLICE_LIT("250 OK\r\n"), &used, &r), RC_PARSE);
    assert_int_equal(used, 0);
    reply_parser_reset(&p);
    assert_int_equal(reply_parser_feed(&p, SLICE_LIT("250 OK\r\n"), &used, &r), RC_OK);
    reply_parser_free(&p);
}

static void writing(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    reply_put_text(&b, 250, "2.0.0", SLICE_LIT("queued as X"));
    assert_true(slice_eq_str(buf_slice(&b), "250 2.0.0 queued as X\r\n"));
    buf_free(&b);
}

static void enhanced_codes(void **state)
{
    (void)state;
    static const struct {
        const char *text, *code, *rest;
    } rows[] = {
        { "5.1.1 x", "5.1.1", "x" },
        { "2.0.0", "2.0.0", "" },
        { "4.7.500 x", "4.7.500", "x" },
        { "5.1.1x", "", "5.1.1x" },
        { "3.1.1 x", "", "3.1.1 x" },
        { "5.1 x", "", "5.1 x" },
        { "5..1 x", "", "5..1 x" },
        { "5.1.1000", "", "5.1.1000" },
        { "05.1.1 x", "", "05.1.1 x" },
        { "5.01.1", "", "5.01.1" },
        { "", "", "" },
        { "5", "", "5" },
    };
    struct buf b;
    buf_init(&b, 100);
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct enhanced e;
        struct slice rest;
        buf_clear(&b);
        assert_int_equal(enhanced_parse(slice_of(rows[i].text), &e, &rest),
                         rows[i].code[0] != '\0');
        enhanced_put(&b, e);
        assert_true(slice_eq_str(buf_slice(&b), rows[i].code));
        assert_true(slice_eq_str(rest, rows[i].rest));
    }
    buf_free(&b);
    assert_int_equal(enhanced_or_default((struct enhanced){ 0, 0, 0 }, 554).class_, 5);
    assert_int_equal(enhanced_or_default((struct enhanced){ 4, 1, 1 }, 554).class_, 4);
    assert_int_equal(enhanced_or_default((struct enhanced){ 0, 0, 0 }, 354).class_, 0);
}

static void ehlo_read(void **state)
{
    (void)state;
    struct ehlo_caps c;
    ehlo_parse(
        slice_of("mx.example PIPELINING\nsize 1000\n8bitmime\nAUTH CRAM-MD5 LOGIN plain\nSTARTTLS"
                 "\nLIMITS RCPTMAX=50 MAILMAX=x RCPTDOMAINMAX=1 FOO=2\nXFOO\nENHANCEDSTATUSCODES"),
        &c);
    assert_int_equal(c.ext,
                     EXT_SIZE | EXT_8BITMIME | EXT_AUTH | EXT_STARTTLS | EXT_LIMITS | EXT_ENHANCED);
    assert_true(c.size_max == 1000 && c.auth == (AUTH_PLAIN | AUTH_LOGIN));
    assert_true(c.rcpt_max == 50 && c.mail_max == 0 && c.rcptdomain_max == 1);
    ehlo_parse(slice_of("mx\nAUTH=LOGIN\nSIZE\nBINARYMIME\nSIZEX 5\nDSN x"), &c);
    assert_true(c.ext == (EXT_AUTH | EXT_SIZE | EXT_DSN) && c.auth == AUTH_LOGIN &&
                c.size_max == 0);
    ehlo_parse(slice_of("mx\nBINARYMIME\nCHUNKING\nSIZE 99999999999999999999999"), &c);
    assert_true(c.ext == (EXT_CHUNKING | EXT_BINARYMIME | EXT_SIZE) && c.size_max == 0);
    ehlo_parse(slice_of("mx\nDELIVERBY"), &c);
    assert_true(c.ext == EXT_DELIVERBY && c.by_min == 0);
    ehlo_parse(slice_of("mx\ndeliverby 30,MORE"), &c);
    assert_true(c.ext == EXT_DELIVERBY && c.by_min == 30);
    ehlo_parse(slice_of("mx\nDELIVERBY ,MORE\nFUTURERELEASE 1 2027-01-01T00:00:00Z"), &c);
    assert_true(c.ext == EXT_DELIVERBY && c.by_min == 0);
    ehlo_parse(slice_of(""), &c);
    assert_int_equal(c.ext, 0);
}

/* RFC 9422: values are 1 to 999999, without a leading zero. What is none says nothing, and the rest
 * of the line still counts. */
static void ehlo_limits(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        uint32_t mail, rcpt, rcptdomain;
    } rows[] = {
        { "LIMITS", 0, 0, 0 },
        { "LIMITS MAILMAX=1 RCPTMAX=1 RCPTDOMAINMAX=1", 1, 1, 1 },
        { "limits rcptdomainmax=3 mailmax=2", 2, 0, 3 },
        { "LIMITS MAILMAX=0 RCPTMAX=0 RCPTDOMAINMAX=0", 0, 0, 0 },
        { "LIMITS MAILMAX=999999 RCPTMAX=999999", 999999, 999999, 0 },
        { "LIMITS RCPTMAX=18446744073709551615 MAILMAX=5", 5, 0, 0 },
        { "LIMITS RCPTMAX=18446744073709551616 MAILMAX=5", 5, 0, 0 },
        { "LIMITS RCPTMAX=18446744073709551617 MAILMAX=5", 5, 0, 0 },
        { "LIMITS RCPTMAX=4294967297 MAILMAX=5", 5, 0, 0 },
        { "LIMITS RCPTMAX= MAILMAX=-1 RCPTDOMAINMAX=+2", 0, 0, 0 },
        { "LIMITS RCPTMAX MAILMAX=7x RCPTDOMAINMAX=0x7", 0, 0, 0 },
        { "LIMITS RCPTMAX=1e3 MAILMAX=2.5 RCPTDOMAINMAX==2", 0, 0, 0 },
        { "LIMITS =5  RCPTMAX=3   MAILMAX=4 ", 4, 3, 0 },
        { "LIMITS XRCPTMAX=1 RCPTMAXX=1 RCPT=1 MAILMAX=9", 9, 0, 0 },
        { "LIMITSX RCPTMAX=1", 0, 0, 0 },
        { "XLIMITS RCPTMAX=1", 0, 0, 0 },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        char text[200];
        struct ehlo_caps c;
        snprintf(text, sizeof text, "mx.example\n%s\nSIZE 1000", rows[i].line);
        ehlo_parse(slice_of(text), &c);
        assert_int_equal(c.mail_max, rows[i].mail);
        assert_int_equal(c.rcpt_max, rows[i].rcpt);
        assert_int_equal(c.rcptdomain_max, rows[i].rcptdomain);
        assert_int_equal(c.size_max, 1000);
    }
}

static void ehlo_written_and_read(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 2000);
    struct ehlo_caps none = { 0 }, caps = { EXT_ALL & ~EXT_FUTURERELEASE,
                                            AUTH_PLAIN | AUTH_LOGIN,
                                            2147483648u,
                                            1000,
                                            10000,
                                            7,
                                            240,
                                            0,
                                            0 };
    ehlo_put(&b, slice_of("gw.example"), &none);
    assert_true(slice_eq_str(buf_slice(&b), "250 gw.example\r\n"));
    buf_clear(&b);
    buf_puts(&b, "220 before\r\n");
    size_t before = buf_len(&b);
    ehlo_put(&b, slice_of("gw.example"), &caps);
    buf_consume(&b, before);
    struct reply_parser p;
    struct reply r;
    struct ehlo_caps got;
    size_t used;
    reply_parser_init(&p);
    assert_int_equal(reply_parser_feed(&p, buf_slice(&b), &used, &r), RC_OK);
    assert_int_equal(used, buf_len(&b));
    assert_true(slice_starts_with(r.text, "gw.example\n"));
    ehlo_parse(r.text, &got);
    assert_true(got.ext == caps.ext && got.auth == caps.auth && got.size_max == caps.size_max);
    assert_true(got.mail_max == 1000 && got.rcpt_max == 10000 && got.rcptdomain_max == 7);
    assert_int_equal(got.by_min, 240);
    struct ehlo_caps holds = { .ext = EXT_FUTURERELEASE,
                               .hold_max_s = 86400,
                               .hold_until_ms = 1795914123250 };
    buf_clear(&b);
    ehlo_put(&b, slice_of("gw.example"), &holds);
    assert_true(slice_eq_str(buf_slice(&b), "250-gw.example\r\n250 FUTURERELEASE 86400 "
                                            "2026-11-29T01:02:03.250Z\r\n"));
    reply_parser_free(&p);
    buf_free(&b);
}

static void what_somebody_was_told(void **state)
{
    static const struct {
        unsigned code;
        struct enhanced status;
        const char *text, *shown;
    } rows[] = {
        { 451, { 4, 7, 1 }, "later", "451 4.7.1 later" },
        { 451, { 4, 7, 1 }, "4.7.1 later", "451 4.7.1 later" },
        { 550, { 5, 1, 1 }, "5.1.10 nobody", "550 5.1.1 5.1.10 nobody" },
        { 0, { 4, 4, 3 }, "no answer", "4.4.3 no answer" },
        { 421, { 0, 0, 0 }, "bye", "421 bye" },
        { 450, { 4, 0, 0 }, "", "450 4.0.0" },
        { 250, { 0, 0, 0 }, "", "250" },
        { 0, { 0, 0, 0 }, "", "" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf b;
        buf_init(&b, 100);
        status_put_reply(&b, rows[i].code, rows[i].status, slice_of(rows[i].text));
        assert_true(slice_eq_str(buf_slice(&b), rows[i].shown));
        buf_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies),
        cmocka_unit_test(reply_limits),
        cmocka_unit_test(errors_stay),
        cmocka_unit_test(writing),
        cmocka_unit_test(enhanced_codes),
        cmocka_unit_test(what_somebody_was_told),
        cmocka_unit_test(ehlo_read),
        cmocka_unit_test(ehlo_limits),
        cmocka_unit_test(ehlo_written_and_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
