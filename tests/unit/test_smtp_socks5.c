/*
 * tests/unit/test_smtp_socks5 — the client's side of SOCKS5, byte by byte
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/smtp/socks5.h"

#define ROWS(t) (sizeof(t) / sizeof(t)[0])
#define V4_ANY "\x01\0\0\0\0\0\0"

static struct socks5_target target_of(const char *text)
{
    struct socks5_target t = { .port = 25 };
    if (addr_parse(slice_of(text), &t.addr) != RC_OK)
        t.name = slice_of(text);
    return t;
}

/* What was sent must be exactly this. */
static void assert_sent(struct buf *out, struct slice want)
{
    assert_int_equal(buf_len(out), want.n);
    assert_memory_equal(buf_slice(out).p, want.p, want.n);
    buf_clear(out);
}

/* Feeds the answers in pieces; what is left behind the last one is not read. */
static size_t feed(struct socks5 *s, struct slice in, size_t piece, struct buf *out)
{
    size_t at = 0;
    while (s->state == SOCKS5_WAITING && at < in.n) {
        size_t n = socks5_wants(s);
        n = n > piece ? piece : n;
        n = n > in.n - at ? in.n - at : n;
        socks5_take(s, in.p + at, n, out);
        at += n;
    }
    return at;
}

static void says_what_the_rfcs_say(void **state)
{
    static const struct {
        const char *target, *user;
        struct slice hello, login, connect;
    } rows[] = {
        { "192.0.2.9", "", SLICE_INIT("\x05\x01\x00"), SLICE_INIT(""),
          SLICE_INIT("\x05\x01\x00\x01\xc0\x00\x02\x09\x00\x19") },
        { "2001:db8::7", "bob", SLICE_INIT("\x05\x02\x00\x02"),
          SLICE_INIT("\x01\x03"
                     "bob\x06secret"),
          SLICE_INIT("\x05\x01\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07\x00\x19") },
        { "mx.example", "", SLICE_INIT("\x05\x01\x00"), SLICE_INIT(""),
          SLICE_INIT("\x05\x01\x00\x03\x0amx.example\x00\x19") },
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct socks5_target target = target_of(rows[i].target);
        struct socks5 s;
        struct buf out;
        bool login = rows[i].login.n > 0;
        buf_init(&out, 1000);
        socks5_start(&s, &target, slice_of(rows[i].user), SLICE_LIT("secret"), &out);
        assert_sent(&out, rows[i].hello);
        feed(&s, login ? SLICE_LIT("\x05\x02") : SLICE_LIT("\x05\x00"), 1, &out);
        if (login) {
            assert_sent(&out, rows[i].login);
            feed(&s, SLICE_LIT("\x01\x00"), 1, &out);
        }
        assert_sent(&out, rows[i].connect);
        assert_int_equal(s.state, SOCKS5_WAITING);
        buf_free(&out);
    }
}

static void every_reply_code(void **state)
{
    static const enum socks5_state want[] = {
        SOCKS5_READY,       SOCKS5_FAILED,      SOCKS5_FAILED,      SOCKS5_UNREACHABLE,
        SOCKS5_UNREACHABLE, SOCKS5_UNREACHABLE, SOCKS5_UNREACHABLE, SOCKS5_FAILED,
        SOCKS5_UNREACHABLE, SOCKS5_FAILED,      SOCKS5_FAILED
    };
    struct socks5_target target = target_of("192.0.2.9");
    (void)state;
    for (unsigned code = 0; code < ROWS(want); code++) {
        char answers[] = "\x05\0\x05?\0" V4_ANY;
        struct slice in = { answers, sizeof answers - 1 };
        answers[3] = (char)(code == 10 ? 0xff : code);
        for (size_t piece = 1; piece <= in.n; piece++) {
            struct socks5 s;
            struct buf out;
            buf_init(&out, 1000);
            socks5_start(&s, &target, SLICE_LIT(""), SLICE_LIT(""), &out);
            feed(&s, in, piece, &out);
            assert_int_equal(s.state, want[code]);
            assert_int_equal(s.reply, (uint8_t)answers[3]);
            assert_int_equal(s.text == NULL, code == 0);
            buf_free(&out);
        }
    }
}

/* The address it connects from, and not one byte behind the answer. */
static void nothing_behind_the_answer_is_read(void **state)
{
    static const struct {
        struct slice in;
        const char *source; /* NULL: not told */
    } rows[] = {
        { SLICE_INIT("\x05\0\x05\0\0\x01\xcb\0\x71\x05\x9c\x40"), "203.0.113.5:40000" },
        { SLICE_INIT("\x05\0\x05\0\0\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07\x9c\x40"),
          "[2001:db8::7]:40000" },
        { SLICE_INIT("\x05\0\x05\0\0\x04\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x01\0\x19"),
          "192.0.2.1:25" },
        { SLICE_INIT("\x05\0\x05\0\0\x03\x05proxy\0\x19"), NULL },
        { SLICE_INIT("\x05\0\x05\0\0\x03\0\0\x19"), NULL },
        { SLICE_INIT("\x05\0\x05\0\0" V4_ANY), NULL },
    };
    struct socks5_target target = target_of("192.0.2.9");
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct slice in = rows[i].in;
        for (size_t piece = 1; piece <= in.n; piece++) {
            struct socks5 s;
            struct buf out, all;
            char text[ADDR_TEXT_MAX];
            buf_init(&out, 1000);
            buf_init(&all, 1000);
            buf_put_slice(&all, in);
            buf_puts(&all, "220 hello\r\n");
            socks5_start(&s, &target, SLICE_LIT(""), SLICE_LIT(""), &out);
            size_t used = feed(&s, buf_slice(&all), piece, &out);
            assert_int_equal(s.state, SOCKS5_READY);
            assert_int_equal(used, in.n);
            if (rows[i].source)
                assert_string_equal(addr_text(&s.source, text), rows[i].source);
            else
                assert_int_equal(s.source.family, ADDR_NONE);
            buf_free(&out);
            buf_free(&all);
        }
    }
}

/* Wherever it goes wrong, it is the proxy's fault. */
static void proxies_that_fail(void **state)
{
    static const struct {
        struct slice in;
        const char *user;
    } rows[] = {
        { SLICE_INIT(""), "" },
        { SLICE_INIT("\x05"), "" },
        { SLICE_INIT("\x04\x5a"), "" },
        { SLICE_INIT("HTTP/1.1 400\r\n"), "" },
        { SLICE_INIT("\x05\xff"), "" },
        { SLICE_INIT("\x05\xff"), "bob" },
        { SLICE_INIT("\x05\x02"), "" },    /* not offered */
        { SLICE_INIT("\x05\x01"), "bob" }, /* GSSAPI */
        { SLICE_INIT("\x05\x02\x01"), "bob" },
        { SLICE_INIT("\x05\x02\x01\x01"), "bob" },
        { SLICE_INIT("\x05\x02\x01\xff"), "bob" },
        { SLICE_INIT("\x05\x02\x07\x00"), "bob" },
        { SLICE_INIT("\x05\0\x05\0\0\x01"), "" },
        { SLICE_INIT("\x05\0\x05\0\0\x02\0\0\0\0\0\0\0"), "" },
        { SLICE_INIT("\x05\0\x04\0\0" V4_ANY), "" },
    };
    struct socks5_target target = target_of("192.0.2.9");
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        for (size_t piece = 1; piece <= 16; piece++) {
            struct socks5 s;
            struct buf out;
            buf_init(&out, 1000);
            socks5_start(&s, &target, slice_of(rows[i].user), SLICE_LIT("pw"), &out);
            feed(&s, rows[i].in, piece, &out);
            assert_int_equal(socks5_end(&s), SOCKS5_FAILED);
            assert_non_null(s.text);
            assert_int_equal(socks5_wants(&s), 0);
            buf_free(&out);
        }
    }
}

static void a_refusal_may_be_cut_short(void **state)
{
    struct socks5_target target = target_of("192.0.2.9");
    struct socks5 s;
    struct buf out;
    (void)state;
    buf_init(&out, 1000);
    socks5_start(&s, &target, SLICE_LIT(""), SLICE_LIT(""), &out);
    feed(&s, SLICE_LIT("\x05\0\x05\x04"), 16, &out);
    assert_int_equal(socks5_end(&s), SOCKS5_UNREACHABLE);
    buf_free(&out);
}

static void a_check_ends_after_the_login(void **state)
{
    struct socks5 s;
    struct buf out;
    (void)state;
    buf_init(&out, 1000);
    socks5_start(&s, NULL, SLICE_LIT("bob"), SLICE_LIT("pw"), &out);
    feed(&s, SLICE_LIT("\x05\x02\x01\x00"), 16, &out);
    assert_int_equal(s.state, SOCKS5_READY);
    socks5_start(&s, NULL, SLICE_LIT("bob"), SLICE_LIT("pw"), &out);
    feed(&s, SLICE_LIT("\x05\x00"), 16, &out);
    assert_int_equal(s.state, SOCKS5_READY);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_the_rfcs_say),
        cmocka_unit_test(every_reply_code),
        cmocka_unit_test(nothing_behind_the_answer_is_read),
        cmocka_unit_test(proxies_that_fail),
        cmocka_unit_test(a_refusal_may_be_cut_short),
        cmocka_unit_test(a_check_ends_after_the_login),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
