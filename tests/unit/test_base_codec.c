/*
 * tests/unit/test_base_codec — base64, UTF-8, varints — strict forms and their round trips.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/base64.h"
#include "gateway/base/utf8.h"
#include "gateway/base/varint.h"

#define ROWS(t) (sizeof(t) / sizeof(t)[0])

static void base64_known(void **state)
{
    (void)state;
    static const struct {
        const char *text, *code;
    } rows[] = {
        { "", "" },        { "f", "Zg==" },        { "fo", "Zm8=" },
        { "foo", "Zm9v" }, { "foob", "Zm9vYg==" }, { "\xff\xfe\xfd", "//79" },
    };
    struct buf b;
    buf_init(&b, 100);
    for (size_t i = 0; i < ROWS(rows); i++) {
        buf_clear(&b);
        base64_encode(slice_of(rows[i].text), &b);
        assert_true(slice_eq_str(buf_slice(&b), rows[i].code));
        buf_clear(&b);
        assert_int_equal(base64_decode(slice_of(rows[i].code), &b), RC_OK);
        assert_true(slice_eq_str(buf_slice(&b), rows[i].text));
    }
    buf_free(&b);
}

static void base64_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "Z",    "Zg",   "Zg=",      "Zh==", "Zm9=", "Zg==Zg==", "Zm9v\n", " Zm9",
        "====", "Z===", "Zm9v====", "Z=g=", "Zm-v", "Zm_v",     "*m9v",
    };
    struct buf b;
    buf_init(&b, 100);
    buf_puts(&b, "kept");
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_int_equal(base64_decode(slice_of(rows[i]), &b), RC_PARSE);
        assert_true(slice_eq_str(buf_slice(&b), "kept"));
    }
    buf_free(&b);
}

static void utf8(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool valid, ascii;
    } rows[] = {
        { "", true, true },
        { "plain text of some length", true, true },
        { "caf\xc3\xa9", true, false },
        { "long enough for words \xe4\xb8\xad\xe6\x96\x87", true, false },
        { "\xf0\x9f\x98\x80", true, false },
        { "\xf4\x8f\xbf\xbf", true, false },
        { "\xc0\x80", false, false },         /* overlong */
        { "\xe0\x9f\xbf", false, false },     /* overlong */
        { "\xed\xa0\x80", false, false },     /* surrogate */
        { "\xf4\x90\x80\x80", false, false }, /* above U+10FFFF */
        { "\xf5\x80\x80\x80", false, false },
        { "\x80", false, false },
        { "abc\xe4\xb8", false, false },      /* cut */
        { "\xd6\xd0\xce\xc4", false, false }, /* GBK */
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_int_equal(utf8_is_valid(slice_of(rows[i].text)), rows[i].valid);
        assert_int_equal(utf8_is_ascii(slice_of(rows[i].text)), rows[i].ascii);
    }
}

static void varints(void **state)
{
    (void)state;
    static const struct {
        uint64_t value;
        size_t size;
    } rows[] = {
        { 0, 1 },     { 1, 1 },          { 127, 1 },         { 128, 2 },         { 16383, 2 },
        { 16384, 3 }, { UINT32_MAX, 5 }, { UINT64_MAX, 10 }, { 1ull << 63, 10 },
    };
    struct buf b;
    buf_init(&b, 100);
    for (size_t i = 0; i < ROWS(rows); i++) {
        buf_clear(&b);
        put_varint(&b, rows[i].value);
        assert_int_equal(buf_len(&b), rows[i].size);
        struct cursor c = cur_of(buf_slice(&b).p, buf_len(&b));
        assert_true(cur_varint(&c) == rows[i].value && !c.bad && cur_left(&c) == 0);
        struct cursor cut = cur_of(buf_slice(&b).p, buf_len(&b) - 1);
        cur_varint(&cut);
        assert_true(cut.bad);
    }
    buf_free(&b);
    for (int64_t v = -300; v <= 300; v++)
        assert_true(zigzag_to(zigzag_of(v)) == v);
    assert_true(zigzag_to(zigzag_of(INT64_MIN)) == INT64_MIN);
}

static void varints_refused(void **state)
{
    (void)state;
    static const struct slice rows[] = {
        SLICE_INIT("\x80\x00"),                                 /* overlong zero */
        SLICE_INIT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), /* 65 bits */
        SLICE_INIT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct cursor c = cur_of(rows[i].p, rows[i].n);
        cur_varint(&c);
        assert_true(c.bad);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_known), cmocka_unit_test(base64_refused),  cmocka_unit_test(utf8),
        cmocka_unit_test(varints),      cmocka_unit_test(varints_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
