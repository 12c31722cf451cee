/*
 * unit/test_io_dial_via — dials through SOCKS5 and PROXY: every answer, byte by byte, and none
 */
#include "tests/unit/dial_proxy.h"

#include <stdio.h>

#include "gateway/base/clock.h"
#include "gateway/smtp/proxy.h"

enum { PATIENCE_MS = 20000 };

#define ROWS(t) (sizeof(t) / sizeof(t)[0])
#define V4_ANY "\x01\0\0\0\0\0\0"
#define YES "\x05\0\0" V4_ANY
#define GREETING "220 target\r\n"

static int dials;
static struct dial_result result;
static struct dial_attempt attempts[DIAL_ADDRS_MAX];
static struct buf shown;
static int shows;

static int setup(void **state)
{
    (void)state;
    dials = 0;
    buf_init(&shown, 4096);
    proxy_open();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    proxy_close();
    buf_free(&shown);
    return 0;
}

static void on_done(void *arg, const struct dial_result *r)
{
    (void)arg;
    dials++;
    result = *r;
    memcpy(attempts, r->attempts, r->attempt_count * sizeof *attempts);
}

static void turn_until(const int *count, int want)
{
    int64_t end_ms = clock_mono_ms() + PATIENCE_MS;
    while (*count < want && clock_mono_ms() < end_ms)
        loop_turn(loop, 10);
    assert_int_equal(*count, want);
}

static struct dial_via via_of(enum dial_via_kind kind)
{
    return (struct dial_via){ .kind = kind, .addrs = { proxy }, .addr_count = 1, .proxy_ms = 200 };
}

static void dial(const struct dial_via *via, const char *const *to, size_t n,
                 const struct dial_source *source)
{
    struct addr addrs[4];
    for (size_t i = 0; i < n; i++)
        addrs[i] = addr_of(to[i]);
    struct dial_plan plan = { .addrs = addrs,
                              .addr_count = n,
                              .via = via,
                              .source = source,
                              .stagger_ms = 50,
                              .attempt_ms = 300,
                              .total_ms = 3000,
                              .limits = { 4096, 4096, 0 } };
    dials = 0;
    result.stream = NULL;
    dial_start(loop, &plan, on_done, NULL);
    turn_until(&dials, 1);
}

static void dial_one(const struct dial_via *via, const char *to)
{
    dial(via, &to, 1, NULL);
}

static void on_data(void *arg, const char *p, size_t n, size_t *used_r)
{
    (void)arg;
    buf_put(&shown, p, n);
    *used_r = n;
    shows = buf_len(&shown) >= strlen(GREETING);
}

static void on_error(void *arg, const struct err *err)
{
    (void)arg, (void)err;
}

/* The stream begins with the target's first byte. */
static void expect_greeting(void)
{
    static const struct stream_ops ops = { .on_data = on_data, .on_error = on_error };
    shows = 0;
    buf_clear(&shown);
    assert_int_equal(result.rc, RC_OK);
    stream_set_ops(result.stream, &ops, NULL);
    turn_until(&shows, 1);
    assert_true(slice_eq_str(buf_slice(&shown), GREETING));
    stream_close(&result.stream);
}

#define L(text) SLICE_INIT(text)
#define HELLO                                                                                      \
    { READ, L("\x05\x01\x00") },                                                                   \
    {                                                                                              \
        SEND, L("\x05\x00")                                                                        \
    }
#define ASKED                                                                                      \
    {                                                                                              \
        READ, L("\x05\x01\x00\x01\xc0\x00\x02\x09\x00\x19")                                        \
    }

static void socks5_connects(void **state)
{
    static const struct move moves[] = {
        HELLO,
        ASKED,
        { SEND, L("\x05\0\0\x01\xcb\0\x71\x05\x9c\x40" GREETING) },
        { SILENCE, L("") },
    };
    struct dial_via via = via_of(DIAL_SOCKS5);
    char text[ADDR_TEXT_MAX];
    (void)state;
    script = moves;
    dial_one(&via, "192.0.2.9:25");
    expect_greeting();
    assert_string_equal(addr_text(&result.source, text), "203.0.113.5:40000");
    assert_string_equal(addr_text(&attempts[0].addr, text), "192.0.2.9:25");
    assert_true(result.first_leg_us > 0 && result.beyond_us > 0);
    assert_true(result.connect_us >= result.first_leg_us + result.beyond_us);
}

static void byte_by_byte_with_login(void **state)
{
    static const struct move moves[] = {
        { READ, L("\x05\x02\x00\x02") },
        { SEND_SLOWLY, L("\x05\x02") },
        { READ, L("\x01\x03"
                  "bob\x02pw") },
        { SEND_SLOWLY, L("\x01\x00") },
        { READ, L("\x05\x01\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07\x00\x19") },
        { SEND_SLOWLY, L(YES GREETING) },
        { SILENCE, L("") },
    };
    struct dial_via via = via_of(DIAL_SOCKS5);
    (void)state;
    via.user = SLICE_LIT("bob");
    via.password = SLICE_LIT("pw");
    script = moves;
    dial_one(&via, "[2001:db8::7]:25");
    expect_greeting();
    assert_int_equal(result.source.family, ADDR_NONE);
}

static void each_reply_code(void **state)
{
    static const enum dial_fault want[] = {
        [1] = DIAL_DENIED,      [2] = DIAL_DENIED,      [3] = DIAL_UNREACHABLE,
        [4] = DIAL_UNREACHABLE, [5] = DIAL_REFUSED,     [6] = DIAL_TIMED_OUT,
        [7] = DIAL_PROXY,       [8] = DIAL_UNREACHABLE, [9] = DIAL_DENIED
    };
    struct dial_via via = via_of(DIAL_SOCKS5);
    (void)state;
    for (unsigned code = 1; code < ROWS(want); code++) {
        char answer[] = YES;
        answer[1] = (char)code;
        const struct move moves[] = {
            HELLO, ASKED, { SEND, { answer, sizeof answer - 1 } }, { CLOSE, L("") }
        };
        script = moves;
        dial_one(&via, "192.0.2.9:25");
        assert_int_equal(result.rc, RC_IO);
        assert_int_equal(attempts[0].fault, want[code]);
        assert_int_equal(result.egress_fault, want[code] == DIAL_PROXY);
        proxy_forget();
    }
}

/* Whatever goes wrong before the target was asked for is the proxy's fault; behind that a proxy
 * that hangs up may mean either; one that takes too long is the target's. */
static void proxies_that_misbehave(void **state)
{
    static const struct {
        struct move moves[MOVES];
        enum dial_fault want;
        const char *text;
    } rows[] = {
        { { { CLOSE, L("") } }, DIAL_PROXY, "closed the connection" },
        { { { RESET, L("") } }, DIAL_PROXY, NULL },
        { { { SILENCE, L("") } }, DIAL_PROXY, "does not answer" },
        { { { SEND, L("220 I am no proxy\r\n") }, { SILENCE, L("") } }, DIAL_PROXY, "SOCKS5" },
        { { { SEND, L("\x05") }, { SILENCE, L("") } }, DIAL_PROXY, "does not answer" },
        { { { SEND, L("\x05") }, { CLOSE, L("") } }, DIAL_PROXY, "closed the connection" },
        { { { SEND, L("\x05\xff") }, { CLOSE, L("") } }, DIAL_PROXY, "asks for user" },
        { { HELLO, ASKED, { CLOSE, L("") } }, DIAL_DENIED, "closed the connection" },
        { { HELLO, ASKED, { RESET, L("") } }, DIAL_DENIED, NULL },
        { { HELLO, ASKED, { SEND, L("\x05\x00\x00") }, { CLOSE, L("") } }, DIAL_DENIED, NULL },
        { { HELLO, ASKED, { SEND, L("nonsense") }, { SILENCE, L("") } }, DIAL_PROXY, "no sense" },
        { { HELLO, ASKED, { SILENCE, L("") } }, DIAL_TIMED_OUT, "timed out" },
    };
    struct dial_via via = via_of(DIAL_SOCKS5);
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        script = rows[i].moves;
        dial_one(&via, "192.0.2.9:25");
        assert_int_equal(result.rc, RC_IO);
        if (attempts[0].fault != rows[i].want)
            print_error("row %zu: %s\n", i, result.text);
        assert_int_equal(attempts[0].fault, rows[i].want);
        assert_int_equal(result.egress_fault, rows[i].want == DIAL_PROXY);
        if (rows[i].text && !strstr(result.text, rows[i].text))
            fail_msg("row %zu: %s", i, result.text);
        proxy_forget();
    }
}

static void wrong_password(void **state)
{
    static const struct move moves[] = { { READ, L("\x05\x02\x00\x02") },
                                         { SEND, L("\x05\x02") },
                                         { READ, L("\x01\x01"
                                                   "u\x01p") },
                                         { SEND, L("\x01\x01") },
                                         { CLOSE, L("") } };
    struct dial_via via = via_of(DIAL_SOCKS5);
    (void)state;
    via.user = SLICE_LIT("u");
    via.password = SLICE_LIT("p");
    script = moves;
    dial_one(&via, "192.0.2.9:25");
    assert_int_equal(attempts[0].fault, DIAL_PROXY);
    assert_non_null(strstr(result.text, "refuses user and password"));
}

/* The target's time begins when the proxy has been asked, so 300 ms of it come on top of the
 * proxy's own answers. Two addresses: the second is tried beside the first. */
static void attempts_are_staggered_through_the_proxy(void **state)
{
    static const char *const to[] = { "192.0.2.9:25", "192.0.2.9:25" };
    static const struct move moves[] = { HELLO, ASKED, { SILENCE, L("") } };
    struct dial_via via = via_of(DIAL_SOCKS5);
    (void)state;
    script = moves;
    dial(&via, to, 2, NULL);
    assert_int_equal(conns_n, 2);
    assert_int_equal(attempts[0].fault, DIAL_TIMED_OUT);
    assert_int_equal(attempts[1].fault, DIAL_TIMED_OUT);
    assert_false(result.egress_fault);
}

static void a_dead_proxy_ends_the_dial(void **state)
{
    static const char *const to[] = { "192.0.2.9:25", "192.0.2.10:25" };
    struct dial_via via = via_of(DIAL_SOCKS5);
    char text[ADDR_TEXT_MAX];
    (void)state;
    listener_free(&listener); /* refused from here on */
    dial(&via, to, 2, NULL);
    assert_true(result.egress_fault);
    assert_int_equal(attempts[0].fault, DIAL_PROXY);
    assert_int_equal(attempts[1].fault, DIAL_UNTRIED);
    assert_non_null(strstr(result.text, addr_text(&proxy, text)));
    assert_non_null(strstr(result.text, "refused"));
}

static void the_next_address_of_the_proxy(void **state)
{
    static const struct move moves[] = {
        HELLO, ASKED, { SEND, L(YES GREETING) }, { SILENCE, L("") }
    };
    struct dial_via via = via_of(DIAL_SOCKS5);
    (void)state;
    via.addrs[2] = via.addrs[0];
    via.addrs[0] = addr_of("127.0.0.99:1"); /* nobody is there */
    via.addrs[1] = addr_of("[::1]:1");
    via.addr_count = 3;
    script = moves;
    dial_one(&via, "192.0.2.9:25");
    expect_greeting();
}

static void leaves_from_the_source(void **state)
{
    static const struct move moves[] = {
        HELLO, ASKED, { SEND, L(YES GREETING) }, { SILENCE, L("") }
    };
    static const char *const to[] = { "192.0.2.9:25" };
    struct dial_via via = via_of(DIAL_SOCKS5);
    struct dial_source source = { .v4 = addr_of("127.0.0.77") };
    struct dial_source lost = { .interface = "nosuchdev0" };
    (void)state;
    script = moves;
    dial(&via, to, 1, &source);
    assert_true(addr_same_host(stream_local(result.stream), &source.v4));
    expect_greeting();
    dial(&via, to, 1, &lost);
    assert_int_equal(attempts[0].fault, DIAL_UNPLUMBED);
    assert_true(result.egress_fault);
}

static void a_check_asks_for_nothing(void **state)
{
    static const struct move moves[] = { HELLO, { SILENCE, L("") } };
    struct dial_via via = via_of(DIAL_SOCKS5);
    (void)state;
    via.check_only = true;
    script = moves;
    dial_one(&via, "192.0.2.9:25");
    assert_int_equal(result.rc, RC_OK);
    stream_close(&result.stream);
    for (int i = 0; i < 5; i++)
        loop_turn(loop, 2);
    assert_int_equal(buf_len(&conns[0].got), 0);
}

/* ---- the PROXY header ---- */

static struct proxy_header header_got(void)
{
    struct proxy_header h;
    size_t used;
    for (int i = 0; i < 100 && (!conns_n || !buf_len(&conns[conns_n - 1].got)); i++)
        loop_turn(loop, 5);
    struct buf *got = &conns[conns_n - 1].got;
    assert_int_equal(proxy_parse(buf_slice(got), &h, &used), RC_OK);
    assert_int_equal(used, buf_len(got));
    assert_true(h.has_addresses);
    return h;
}

static void the_header_goes_first(void **state)
{
    static const struct {
        const char *source, *to, *told; /* told NULL: our own address */
    } rows[] = { { NULL, "192.0.2.9:25", NULL },
                 { "198.51.100.6", "192.0.2.9:25", "198.51.100.6" },
                 { NULL, "[2001:db8::7]:25", "::" },
                 { "2001:db8::6", "[2001:db8::7]:2525", "2001:db8::6" } };
    static const struct move moves[] = { { SEND, L(GREETING) }, { SILENCE, L("") } };
    (void)state;
    script = moves;
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct dial_via via = via_of(DIAL_PROXY_V2);
        char text[ADDR_TEXT_MAX];
        if (rows[i].source)
            via.source = addr_of(rows[i].source);
        dial_one(&via, rows[i].to);
        struct addr local = *stream_local(result.stream);
        struct proxy_header h = header_got();
        assert_string_equal(addr_text(&h.destination, text), rows[i].to);
        if (rows[i].told)
            assert_string_equal(addr_host_text(&h.source, text), rows[i].told);
        else
            assert_true(addr_eq(&h.source, &local));
        expect_greeting();
    }
}

static void a_source_of_the_other_family(void **state)
{
    struct dial_via via = via_of(DIAL_PROXY_V2);
    (void)state;
    via.source = addr_of("198.51.100.6");
    dial_one(&via, "[2001:db8::7]:25");
    assert_int_equal(attempts[0].fault, DIAL_SKIPPED);
    assert_false(result.egress_fault);
    assert_int_equal(conns_n, 0);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(socks5_connects),
        T(byte_by_byte_with_login),
        T(each_reply_code),
        T(proxies_that_misbehave),
        T(wrong_password),
        T(attempts_are_staggered_through_the_proxy),
        T(a_dead_proxy_ends_the_dial),
        T(the_next_address_of_the_proxy),
        T(leaves_from_the_source),
        T(a_check_asks_for_nothing),
        T(the_header_goes_first),
        T(a_source_of_the_other_family),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
