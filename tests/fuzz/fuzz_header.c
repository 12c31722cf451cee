/*
 * tests/fuzz/fuzz_header — Header sections: the same findings however the bytes arrive.
 */
#include <assert.h>
#include <stdint.h>

#include "gateway/mail/content.h"
#include "gateway/mail/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct slice wanted[] = { SLICE_INIT("subject"), SLICE_INIT("x"),
                                       SLICE_INIT("received") };

enum { WANTED_N = sizeof wanted / sizeof wanted[0], SECTION_MAX = 300 };

static enum rc scan(struct header_scan *s, struct slice in, size_t piece)
{
    enum rc rc = RC_AGAIN;
    header_scan_init(s, wanted, WANTED_N, SECTION_MAX);
    for (size_t i = 0; i < in.n; i += piece)
        rc = header_scan_feed(s, (struct slice){ in.p + i, in.n - i < piece ? in.n - i : piece });
    assert(s->size <= in.n && s->size <= SECTION_MAX);
    return rc;
}

static void same(const struct header_scan *a, const struct header_scan *b)
{
    assert(a->size == b->size && a->received == b->received && a->has_8bit == b->has_8bit);
    for (size_t i = 0; i < WANTED_N; i++) {
        struct slice x, y;
        assert(header_scan_value(a, i, &x) == header_scan_value(b, i, &y));
        assert(slice_eq(x, y));
    }
}

static struct content_facts content(struct slice in, size_t piece)
{
    struct content_scan s;
    content_scan_init(&s);
    for (size_t i = 0; i < in.n; i += piece)
        content_scan_feed(&s, (struct slice){ in.p + i, in.n - i < piece ? in.n - i : piece });
    content_scan_end(&s);
    return s.facts;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = { (const char *)data, size };
    struct header_scan whole, parts;
    enum rc rc = scan(&whole, in, size ? size : 1);
    size_t pieces[] = { 1, 2, size ? 1 + data[0] % 31u : 3 };
    struct content_facts f = content(in, size ? size : 1);
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        assert(scan(&parts, in, pieces[i]) == rc);
        same(&whole, &parts);
        header_scan_free(&parts);
        struct content_facts g = content(in, pieces[i]);
        assert(f.longest_line == g.longest_line && f.has_8bit == g.has_8bit &&
               f.has_nul == g.has_nul);
        assert(f.has_bare_eol == g.has_bare_eol && f.lacks_final_eol == g.lacks_final_eol);
    }
    header_scan_free(&whole);
    return 0;
}
