/*
 * tests/unit/test_smtp_data — dots in both directions, smuggling, chunks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/buf.h"
#include "gateway/smtp/bdat.h"
#include "gateway/smtp/data.h"

#define ROWS(t) (sizeof(t) / sizeof(t)[0])

struct decoded {
    struct buf data;
    size_t used; /* bytes of the input up to the end of data; SIZE_MAX: it did not end */
    bool bad_eol;
};

/* Decodes with the input cut into pieces: at `cut`, or every `piece` bytes. */
static void decode(struct slice in, size_t cut, size_t piece, struct decoded *d)
{
    struct dot_decoder decoder = { 0 };
    buf_clear(&d->data);
    d->used = SIZE_MAX;
    for (size_t at = 0; at < in.n && d->used == SIZE_MAX;) {
        size_t n = at < cut ? cut - at : piece;
        if (n > in.n - at)
            n = in.n - at;
        for (size_t end = at + n, used; at < end && d->used == SIZE_MAX; at += used) {
            struct slice span;
            enum rc rc = dot_decode(&decoder, (struct slice){ in.p + at, end - at }, &used, &span);
            assert_true(used > 0 && used <= end - at);
            buf_put_slice(&d->data, span);
            if (rc == RC_OK)
                d->used = at + used;
        }
    }
    d->bad_eol = decoder.bad_eol;
}

/* Each input is decoded whole, byte by byte, and cut in two at every place. */
static void assert_decodes(struct slice in, const char *data, size_t used, bool bad_eol)
{
    struct decoded d;
    buf_init(&d.data, 10000);
    for (size_t cut = 0; cut <= in.n; cut++) {
        decode(in, cut, cut ? in.n : 1, &d);
        if (d.used != used || d.bad_eol != bad_eol ||
            (data && !slice_eq_str(buf_slice(&d.data), data)))
            fail_msg("cut %zu of [%.*s]: used %zu bad %d [%.*s]", cut, SLICE_FMT(in), d.used,
                     d.bad_eol, SLICE_FMT(buf_slice(&d.data)));
    }
    buf_free(&d.data);
}

static void decoding(void **state)
{
    (void)state;
    static const struct {
        const char *in, *data, *next;
    } rows[] = {
        { ".\r\n", "", "" },
        { ".\r\nQUIT\r\n", "", "QUIT\r\n" },
        { "\r\n.\r\n", "\r\n", "" },
        { "a\r\n.\r\n", "a\r\n", "" },
        { "a\r\nb\r\n.\r\nMAIL", "a\r\nb\r\n", "MAIL" },
        { "..\r\n.\r\n", ".\r\n", "" },
        { "...x\r\n..y\r\n.z\r\n.\r\n", "..x\r\n.y\r\nz\r\n", "" },
        { "a.\r\n.b.\r\n..\r\n.\r\n", "a.\r\nb.\r\n.\r\n", "" },
        { "a\r\n\r\n\r\n.\r\n", "a\r\n\r\n\r\n", "" },
        { "\r\n\r\n..\r\n.\r\n.\r\n", "\r\n\r\n.\r\n", ".\r\n" },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct slice in = slice_of(rows[i].in);
        assert_decodes(in, rows[i].data, in.n - strlen(rows[i].next), false);
    }
}

/* None of these is the end of data, in any way it may arrive; the real end behind it is, and the
 * message is marked for refusal. */
static void smuggling(void **state)
{
    (void)state;
    static const struct slice ends[] = {
        SLICE_INIT("\n.\n"),       SLICE_INIT("\n.\r\n"),     SLICE_INIT("\r\n.\n"),
        SLICE_INIT("\r.\r"),       SLICE_INIT("\r.\r\n"),     SLICE_INIT("\r\n.\r"),
        SLICE_INIT("\r\r\n.\n"),   SLICE_INIT("\n\r.\r\n"),   SLICE_INIT("\r\n.\r\r\n"),
        SLICE_INIT("\n\n.\r\n"),   SLICE_INIT("\r\n\r.\r\n"), SLICE_INIT("\r\n\n.\r\n"),
        SLICE_INIT("\r\n.\n\r\n"), SLICE_INIT("\n\r\n\r."),   SLICE_INIT("\r\0\n.\r\n"),
        SLICE_INIT("\r\n.\r\0\n"), SLICE_INIT("\n.\r\0\n"),   SLICE_INIT("\r\n.\n\n"),
        SLICE_INIT("\r"),          SLICE_INIT("\n"),
    };
    struct buf in;
    buf_init(&in, 1000);
    for (size_t i = 0; i < ROWS(ends); i++) {
        buf_clear(&in);
        buf_puts(&in, "text");
        buf_put_slice(&in, ends[i]);
        buf_puts(&in, "MAIL FROM:<evil@x>\r\n");
        assert_decodes(buf_slice(&in), NULL, SIZE_MAX, true);
        buf_puts(&in, ".\r\n");
        size_t end = buf_len(&in);
        buf_puts(&in, "NOOP\r\n");
        assert_decodes(buf_slice(&in), NULL, end, true);
    }
    buf_free(&in);
}

/* Harmless look-alikes: no end, and nothing wrong with them. */
static void look_alikes(void **state)
{
    (void)state;
    static const struct slice rows[] = {
        SLICE_INIT("a\r\n\0.\r\nb\r\n"), SLICE_INIT("a\r\n.\0\r\nb\r\n"),
        SLICE_INIT("a\r\n. \r\nb\r\n"),  SLICE_INIT("a\r\n .\r\nb\r\n"),
        SLICE_INIT("a\r\n..\r\nb\r\n"),  SLICE_INIT("a\r\n.\xa0\r\n"),
        SLICE_INIT("a.\r\nb\r\n"),
    };
    for (size_t i = 0; i < ROWS(rows); i++)
        assert_decodes(rows[i], NULL, SIZE_MAX, false);
}

static void encode(struct slice in, size_t cut, struct buf *out)
{
    struct dot_encoder e = { 0 };
    struct slice pieces[2] = { { in.p, cut }, { in.p + cut, in.n - cut } }, span;
    for (int i = 0; i < 2; i++)
        while (dot_encode(&e, &pieces[i], &span))
            buf_put_slice(out, span);
    buf_put_slice(out, dot_encode_end(&e));
}

static void encoding(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } rows[] = {
        { "", ".\r\n" },
        { "a\r\n", "a\r\n.\r\n" },
        { "a", "a\r\n.\r\n" },
        { ".", "..\r\n.\r\n" },
        { ".\r\n.\r\n", "..\r\n..\r\n.\r\n" },
        { "..\r\n", "...\r\n.\r\n" },
        { "a.\r\n.b\r\n\r\n.\r\n", "a.\r\n..b\r\n\r\n..\r\n.\r\n" },
        { "\r\n", "\r\n.\r\n" },
        { "a\r", "a\r\r\n.\r\n" },
        { "a\n.b\r\n", "a\n.b\r\n.\r\n" },
    };
    struct buf out;
    buf_init(&out, 1000);
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct slice in = slice_of(rows[i].in);
        for (size_t cut = 0; cut <= in.n; cut++) {
            buf_clear(&out);
            encode(in, cut, &out);
            if (!slice_eq_str(buf_slice(&out), rows[i].out))
                fail_msg("[%s] cut %zu: [%.*s]", rows[i].in, cut, SLICE_FMT(buf_slice(&out)));
        }
    }
    buf_free(&out);
}

static void text_without_dots_is_one_span(void **state)
{
    (void)state;
    struct dot_encoder e = { 0 };
    struct slice in = SLICE_LIT("line one\r\nline two.\r\n x.\r\n"), all = in, span;
    assert_true(dot_encode(&e, &in, &span));
    assert_true(span.p == all.p && span.n == all.n);
    assert_false(dot_encode(&e, &in, &span));
}

static void chunks(void **state)
{
    (void)state;
    struct bdat b = { 0 };
    struct slice span;
    assert_int_equal(bdat_begin(&b, 5, false, 8), RC_OK);
    assert_int_equal(bdat_take(&b, SLICE_LIT("abc"), &span), RC_AGAIN);
    assert_true(slice_eq_str(span, "abc"));
    assert_int_equal(bdat_take(&b, SLICE_LIT("deBDAT"), &span), RC_OK);
    assert_true(slice_eq_str(span, "de"));
    assert_int_equal(bdat_begin(&b, 3, false, 8), RC_OK);
    assert_int_equal(bdat_take(&b, SLICE_LIT("fgh"), &span), RC_OK);
    assert_int_equal(bdat_begin(&b, 0, true, 8), RC_OK);
    assert_int_equal(bdat_take(&b, SLICE_LIT("NOOP"), &span), RC_OK);
    assert_true(span.n == 0 && b.last && b.total == 8);
    assert_int_equal(bdat_begin(&b, 1, true, 8), RC_LIMIT);
    assert_int_equal(bdat_begin(&b, UINT64_MAX, true, 8), RC_LIMIT);
    assert_int_equal(bdat_begin(&b, UINT64_MAX, true, 0), RC_OK);
    struct buf out;
    buf_init(&out, 100);
    bdat_put_command(&out, 1024, false);
    bdat_put_command(&out, 0, true);
    assert_true(slice_eq_str(buf_slice(&out), "BDAT 1024\r\nBDAT 0 LAST\r\n"));
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoding),
        cmocka_unit_test(smuggling),
        cmocka_unit_test(look_alikes),
        cmocka_unit_test(encoding),
        cmocka_unit_test(text_without_dots_is_one_span),
        cmocka_unit_test(chunks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
