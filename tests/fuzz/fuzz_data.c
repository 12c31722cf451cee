/*
 * tests/fuzz/fuzz_data — DATA: the decoder against the plain definition of where data ends, in
 *   any cutting of the input; and text encoded by the client is decoded to itself.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/smtp/data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct result {
    size_t used; /* SIZE_MAX: no end */
    bool bad_eol;
};

static struct result decode(struct slice in, size_t piece, struct buf *out)
{
    struct dot_decoder d = { 0 };
    buf_clear(out);
    for (size_t at = 0, used; at < in.n; at += used) {
        struct slice span, part = { in.p + at, in.n - at < piece ? in.n - at : piece };
        enum rc rc = dot_decode(&d, part, &used, &span);
        assert(used > 0 && used <= part.n);
        assert(span.n == 0 || (span.p >= part.p && span.p + span.n <= part.p + used));
        buf_put_slice(out, span);
        if (rc == RC_OK)
            return (struct result){ at + used, d.bad_eol };
    }
    return (struct result){ SIZE_MAX, d.bad_eol };
}

/* The first CRLF "." CRLF, with a CRLF thought in front of the data; and is an EOL before it
 * bare? A CR at the end of unended input is not bare yet. */
static struct result define(struct slice in, struct buf *framed)
{
    struct result r = { SIZE_MAX, false };
    buf_puts(framed, "\r\n");
    buf_put_slice(framed, in);
    struct slice all = buf_slice(framed);
    const char *end = memmem(all.p, all.n, "\r\n.\r\n", 5);
    size_t n = end ? (size_t)(end - all.p) + 5 : all.n;
    if (end)
        r.used = n - 2;
    for (size_t i = 0; i < n; i++) {
        bool after_cr = i > 0 && all.p[i - 1] == '\r', lf = all.p[i] == '\n';
        r.bad_eol |= after_cr != lf && (lf || after_cr);
    }
    return r;
}

static void check_encoding(struct slice in, size_t piece, struct buf *wire, struct buf *out)
{
    struct dot_encoder e = { 0 };
    struct slice span;
    buf_clear(wire);
    for (size_t at = 0; at < in.n; at += piece) {
        struct slice part = { in.p + at, in.n - at < piece ? in.n - at : piece };
        while (dot_encode(&e, &part, &span))
            buf_put_slice(wire, span);
    }
    buf_put_slice(wire, dot_encode_end(&e));
    struct result r = decode(buf_slice(wire), SIZE_MAX, out);
    struct slice got = buf_slice(out);
    assert(r.used == buf_len(wire)); /* the end is where we put it, whatever the text */
    if (r.bad_eol)
        return;
    assert(got.n == in.n || (got.n == in.n + 2 && slice_ends_with(got, "\r\n")));
    assert(in.n == 0 || memcmp(got.p, in.p, in.n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = { (const char *)data, size };
    struct buf whole, parts, wire;
    size_t pieces[] = { 1, 2, 3, size ? 1 + data[0] % 17u : 4 };
    buf_init(&whole, 1 << 22);
    buf_init(&parts, 1 << 22);
    buf_init(&wire, 1 << 22);
    struct result want = define(in, &wire), got = decode(in, SIZE_MAX, &whole);
    assert(got.used == want.used && got.bad_eol == want.bad_eol);
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        got = decode(in, pieces[i], &parts);
        assert(got.used == want.used && got.bad_eol == want.bad_eol);
        assert(slice_eq(buf_slice(&whole), buf_slice(&parts)));
        check_encoding(in, pieces[i], &wire, &parts);
    }
    buf_free(&whole);
    buf_free(&parts);
    buf_free(&wire);
    return 0;
}
