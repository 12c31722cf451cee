/*
 * tests/fuzz/fuzz_http — request heads: the same however the bytes arrive; what is read stands in
 *   the input; every query can be walked to its end.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "gateway/io/http_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct http_head whole, parts; /* too large for a stack */

static void walk_query(struct slice query)
{
    struct buf name, value;
    bool bad;
    size_t left = query.n + 1;
    buf_init(&name, HTTP_HEAD_MAX);
    buf_init(&value, HTTP_HEAD_MAX);
    while (http_query_next(&query, &name, &value, &bad)) {
        assert(query.n < left);
        left = query.n;
        assert(!buf_len(&name) || !memchr(name.mem, 0, buf_len(&name)));
    }
    buf_free(&name);
    buf_free(&value);
}

static void check_inside(const struct http_head *h, struct slice s)
{
    assert(!s.n || (s.p >= h->bytes && s.p + s.n <= h->bytes + sizeof h->bytes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = { (const char *)data, size };
    size_t used, used_again = 0;
    if (size > 2 * HTTP_HEAD_MAX)
        return 0;
    enum rc rc = http_head_parse(in, &whole, &used), again = RC_AGAIN;
    assert(used <= size);
    size_t step = size / 64 + 1;
    for (size_t n = 0; again == RC_AGAIN && n < size;) {
        n = size - n < step ? size : n + step;
        again = http_head_parse((struct slice){ in.p, n }, &parts, &used_again);
    }
    assert(rc == again);
    if (rc != RC_OK)
        return 0;
    assert(used == used_again && used > 4 && memcmp(in.p + used - 4, "\r\n\r\n", 4) == 0);
    assert(slice_eq(whole.path, parts.path) && whole.field_count == parts.field_count);
    assert(whole.path.n && whole.path.p[0] == '/' && !memchr(whole.path.p, 0, whole.path.n));
    check_inside(&whole, whole.method);
    check_inside(&whole, whole.path);
    check_inside(&whole, whole.query);
    check_inside(&whole, whole.host);
    for (size_t i = 0; i < whole.field_count; i++) {
        check_inside(&whole, whole.fields[i].value);
        assert(http_head_field(&whole, "Host").n <= HTTP_HEAD_MAX);
    }
    walk_query(whole.query);
    return 0;
}
