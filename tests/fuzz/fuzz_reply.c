/*
 * tests/fuzz/fuzz_reply — Replies: the same ones however the bytes arrive; and one written back
 *   is read as it was.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "gateway/smtp/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Writes a reply's lines as a server would. */
static void write_back(const struct reply *r, struct buf *out)
{
    struct slice line, rest = r->text;
    bool more = true;
    while (more) {
        more = slice_cut(rest, '\n', &line, &rest);
        buf_put_u64(out, r->code);
        buf_putc(out, more ? '-' : ' ');
        buf_put_slice(out, line);
        buf_puts(out, "\r\n");
    }
}

static void check_round_trip(const struct reply *r)
{
    struct reply_parser p;
    struct reply again;
    struct buf wire;
    size_t used;
    buf_init(&wire, 1 << 20);
    write_back(r, &wire);
    reply_parser_init(&p);
    enum rc rc = reply_parser_feed(&p, buf_slice(&wire), &used, &again);
    assert(rc == RC_OK && used == buf_len(&wire) && again.code == r->code);
    assert(slice_eq(again.text, r->text) &&
           memcmp(&again.enhanced.subject, &r->enhanced.subject, 4) == 0);
    reply_parser_free(&p);
    buf_free(&wire);
}

static void parse(struct slice in, size_t piece, struct buf *out)
{
    struct reply_parser p;
    struct reply r;
    enum rc rc = RC_AGAIN;
    reply_parser_init(&p);
    for (size_t at = 0, used; at < in.n && (rc == RC_OK || rc == RC_AGAIN); at += used) {
        rc = reply_parser_feed(
            &p, (struct slice){ in.p + at, in.n - at < piece ? in.n - at : piece }, &used, &r);
        if (rc != RC_OK)
            continue;
        assert(r.code >= 200 && r.code <= 599);
        assert(r.enhanced.class_ == 0 || r.enhanced.class_ == r.code / 100);
        buf_put_u64(out, r.code);
        enhanced_put(out, r.enhanced);
        buf_put_slice(out, r.text);
        buf_putc(out, '\n');
        check_round_trip(&r);
    }
    if (rc == RC_PARSE || rc == RC_LIMIT)
        buf_puts(out, rc_name(rc));
    reply_parser_free(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = { (const char *)data, size };
    struct buf whole, parts;
    size_t pieces[] = { 1, 3, size ? 1 + data[size - 1] % 61u : 2 };
    buf_init(&whole, 1 << 22);
    buf_init(&parts, 1 << 22);
    parse(in, size ? size : 1, &whole);
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        buf_clear(&parts);
        parse(in, pieces[i], &parts);
        assert(slice_eq(buf_slice(&whole), buf_slice(&parts)));
    }
    buf_free(&whole);
    buf_free(&parts);
    return 0;
}
