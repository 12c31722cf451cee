/*
 * tests/unit/test_base — units, slices, buffers, cursors, json, map: tables of input and value.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/clock.h"
#include "gateway/base/cursor.h"
#include "gateway/base/json.h"
#include "gateway/base/list.h"
#include "gateway/base/map.h"
#include "gateway/base/mem.h"
#include "gateway/base/rnd.h"
#include "gateway/base/units.h"

static void durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum rc rc;
        int64_t ms;
    } rows[] = {
        { "500ms", RC_OK, 500 },
        { "30s", RC_OK, 30000 },
        { "5m", RC_OK, 300000 },
        { "4h", RC_OK, 14400000 },
        { "5d", RC_OK, 432000000 },
        { "0", RC_OK, 0 },
        { "", RC_PARSE, 0 },
        { "5", RC_PARSE, 0 },
        { "s", RC_PARSE, 0 },
        { "-5s", RC_PARSE, 0 },
        { "5 s", RC_PARSE, 0 },
        { "5S", RC_PARSE, 0 },
        { "1.5h", RC_PARSE, 0 },
        { "99999999999999999999s", RC_LIMIT, 0 },
        { "9223372036854775807d", RC_LIMIT, 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t ms = 0;
        assert_int_equal(units_duration(slice_of(rows[i].text), &ms), rows[i].rc);
        assert_int_equal(ms, rows[i].ms);
    }
}

static void sizes_and_rates(void **state)
{
    (void)state;
    uint64_t bytes = 0;
    struct rate rate = { 0, 0 };
    assert_int_equal(units_size(slice_of("2GiB"), &bytes), RC_OK);
    assert_true(bytes == 2147483648u);
    assert_int_equal(units_size(slice_of("4096"), &bytes), RC_OK);
    assert_int_equal(units_size(slice_of("2GB"), &bytes), RC_PARSE);
    assert_int_equal(units_rate(slice_of("500/min"), &rate), RC_OK);
    assert_true(rate.count == 500 && rate.per_ms == 60000);
    assert_int_equal(units_rate(slice_of("500"), &rate), RC_PARSE);
    assert_int_equal(units_rate(slice_of("/min"), &rate), RC_PARSE);
    struct buf b;
    buf_init(&b, 100);
    units_put_duration(&b, 90000);
    buf_putc(&b, ' ');
    units_put_size(&b, 3u << 20);
    buf_putc(&b, ' ');
    units_put_rate(&b, rate);
    assert_int_equal(units_byte_rate(slice_of("10MiB/s"), &rate), RC_OK);
    assert_true(rate.count == 10 << 20 && rate.per_ms == 1000);
    buf_putc(&b, ' ');
    units_put_byte_rate(&b, rate);
    assert_true(slice_eq_str(buf_slice(&b), "90s 3MiB 500/min 10MiB/s"));
    assert_int_equal(units_byte_rate(slice_of("10MiB"), &rate), RC_PARSE);
    assert_int_equal(units_byte_rate(slice_of("MiB/s"), &rate), RC_PARSE);
    assert_int_equal(units_byte_rate(slice_of("1MB/s"), &rate), RC_PARSE);
    assert_int_equal(units_byte_rate(slice_of("99999999999TiB/s"), &rate), RC_LIMIT);
    buf_free(&b);
}

static void buffer_limits(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10);
    buf_puts(&b, "12345");
    buf_consume(&b, 3);
    buf_puts(&b, "67890abc");
    assert_false(b.full);
    assert_true(slice_eq_str(buf_slice(&b), "4567890abc"));
    buf_putc(&b, 'x');
    assert_true(b.full);
    size_t n;
    char *mem = buf_take(&b, &n);
    assert_string_equal(mem, "4567890abc");
    assert_int_equal(n, 10);
    free(mem);
    buf_free(&b);
}

static void cursor_figures(void **state)
{
    (void)state;
    static const struct {
        uint64_t bits; /* of a double that is to be at most 1 */
        bool bad;
    } rows[] = {
        { 0, false },
        { UINT64_C(0x3ff0000000000000), false }, /* 1 */
        { UINT64_C(0x3ff0000000000001), true },  /* a bit more */
        { UINT64_C(0x8000000000000000), true },  /* -0 */
        { UINT64_C(0x7ff0000000000000), true },  /* infinite */
        { UINT64_C(0x7ff8000000000000), true },  /* not a number */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf b;
        buf_init(&b, 100);
        put_u64(&b, rows[i].bits);
        struct slice s = buf_slice(&b);
        struct cursor c = cur_of(s.p, s.n);
        double v = cur_f64(&c, 1);
        assert_int_equal(c.bad, rows[i].bad);
        assert_true(rows[i].bits == UINT64_C(0x3ff0000000000000) ? v >= 1 : v <= 0);
        buf_free(&b);
    }
    struct cursor c = cur_of("", 0);
    assert_int_equal(cur_most(&c, 7, 7), 7);
    assert_false(c.bad);
    assert_int_equal(cur_most(&c, 8, 7), 0);
    assert_true(c.bad);
    assert_int_equal(cur_most(&c, 1, 7), 0); /* once bad, always */
}

static void cursor_sticks(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    put_u16(&b, 0x1234);
    put_slice16(&b, slice_of("hey"));
    put_u64(&b, 77);
    struct slice s = buf_slice(&b);
    struct cursor c = cur_of(s.p, s.n);
    assert_int_equal(cur_u16(&c), 0x1234);
    assert_true(slice_eq_str(cur_slice16(&c), "hey"));
    assert_int_equal(cur_u64(&c), 77);
    assert_false(c.bad);
    assert_int_equal(cur_u32(&c), 0);
    assert_true(c.bad);
    c = cur_of("\xff\xff", 2);
    assert_int_equal(cur_slice16(&c).n, 0);
    assert_true(c.bad);
    buf_free(&b);
}

static void json_escapes(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    json_open(&b, '{');
    json_cstr(&b, "a", "q\"\\\n\x01 \xc3\xa9 \xff");
    json_int(&b, "n", INT64_MIN);
    json_key(&b, "l");
    json_open(&b, '[');
    json_bool(&b, NULL, true);
    json_num(&b, NULL, 1.5);
    json_close(&b, ']');
    json_cstr(&b, "none", NULL);
    json_close(&b, '}');
    assert_true(slice_eq_str(
        buf_slice(&b),
        "{\"a\":\"q\\\"\\\\\\n\\u0001 \xc3\xa9 \xef\xbf\xbd\",\"n\":-9223372036854775808,"
        "\"l\":[true,1.500]}"));
    buf_free(&b);
}

static bool count_entry(void *arg, struct slice key, void *value)
{
    (void)key;
    (void)value;
    ++*(int *)arg;
    return true;
}

static void map_basics(void **state)
{
    (void)state;
    struct map *m = map_new();
    int a = 1, b = 2, n = 0;
    assert_null(map_put(m, slice_of("x"), &a));
    assert_ptr_equal(map_put(m, slice_of("x"), &b), &a);
    assert_null(map_get(m, slice_of("y")));
    map_put(m, slice_of("y"), &a);
    map_each(m, count_entry, &n);
    assert_int_equal(n, 2);
    assert_ptr_equal(map_del(m, slice_of("x")), &b);
    assert_null(map_get(m, slice_of("x")));
    assert_int_equal(map_count(m), 1);
    map_free(&m, NULL);
    assert_null(m);
}

static void times(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 200);
    clock_put_rfc3339(&b, 1795438831123);
    buf_putc(&b, '|');
    clock_put_rfc5322(&b, 1795438831123);
    assert_true(
        slice_eq_str(buf_slice(&b), "2026-11-23T13:00:31.123Z|Mon, 23 Nov 2026 13:00:31 +0000"));
    buf_free(&b);
}

static void times_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t wall_ms; /* -1: refused */
    } rows[] = {
        { "2026-11-23T13:00:31.123Z", 1795438831123 },
        { "2026-11-23t14:30:31.1239+01:30", 1795438831123 },
        { "2026-11-23T12:59:31-00:01", 1795438831000 },
        { "1970-01-01T00:00:00Z", 0 },
        { "2024-02-29T23:59:60z", 1709251200000 },
        { "9999-12-31T23:59:59Z", 253402300799000 },
        { "1970-01-01T00:00:00+00:01", -1 },
        { "1969-12-31T23:59:59Z", -1 },
        { "2025-02-29T00:00:00Z", -1 },
        { "2100-02-29T00:00:00Z", -1 },
        { "2026-13-01T00:00:00Z", -1 },
        { "2026-04-31T00:00:00Z", -1 },
        { "2026-04-30T24:00:00Z", -1 },
        { "2026-04-30T00:00:61Z", -1 },
        { "2026-04-30 00:00:00Z", -1 },
        { "2026-04-30T00:00:00", -1 },
        { "2026-04-30T00:00:00.Z", -1 },
        { "2026-04-30T00:00:00Zx", -1 },
        { "2026-04-30T00:00:00+0100", -1 },
        { "2026-04-30T00:00:00+24:00", -1 },
        { "26-04-30T00:00:00Z", -1 },
        { "2026-4-30T00:00:00Z", -1 },
        { "", -1 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t got = -1;
        bool read = clock_parse_rfc3339(slice_of(rows[i].text), &got);
        if (read != (rows[i].wall_ms >= 0) || (read && got != rows[i].wall_ms))
            fail_msg("%s: %lld", rows[i].text, (long long)got);
    }
    struct buf b; /* what is written is read the same */
    buf_init(&b, 100);
    for (int64_t t = 0; t < 253402300799000; t += 86399999LL * 997) {
        int64_t got = 0;
        buf_clear(&b);
        clock_put_rfc3339(&b, t);
        assert_true(clock_parse_rfc3339(buf_slice(&b), &got) && got == t);
    }
    buf_free(&b);
}

static void random_is_replayable(void **state)
{
    (void)state;
    struct rnd a, b;
    rnd_seed(&a, 7);
    rnd_seed(&b, 7);
    for (int i = 0; i < 1000; i++) {
        uint64_t x = rnd_below(&a, 10);
        assert_true(x < 10 && x == rnd_below(&b, 10));
        int64_t j = rnd_jitter(&a, 1000, 20);
        assert_true(j >= 800 && j <= 1200 && j == rnd_jitter(&b, 1000, 20));
    }
}

static void arena_is_zeroed_and_reusable(void **state)
{
    (void)state;
    struct arena *a = arena_new(64);
    for (int round = 0; round < 3; round++) {
        for (size_t n = 1; n < 500; n += 37) {
            unsigned char *p = arena_alloc(a, n);
            for (size_t i = 0; i < n; i++)
                assert_int_equal(p[i], 0);
            memset(p, 0xee, n);
        }
        assert_string_equal(arena_printf(a, "%d-%s", 5, "x"), "5-x");
        arena_reset(a);
    }
    arena_free(&a);
    assert_null(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations),
        cmocka_unit_test(sizes_and_rates),
        cmocka_unit_test(buffer_limits),
        cmocka_unit_test(cursor_figures),
        cmocka_unit_test(cursor_sticks),
        cmocka_unit_test(json_escapes),
        cmocka_unit_test(map_basics),
        cmocka_unit_test(times),
        cmocka_unit_test(times_read),
        cmocka_unit_test(random_is_replayable),
        cmocka_unit_test(arena_is_zeroed_and_reusable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
