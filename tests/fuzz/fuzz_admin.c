/*
 * tests/fuzz/fuzz_admin — requests of the admin socket: what can be read is written back and read
 *   again as the same; the filters in it are read without harm.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "gateway/admin/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const struct request *a, const struct request *b)
{
    assert(strcmp(a->verb, b->verb) == 0 && strcmp(a->action, b->action) == 0);
    assert(a->field_count == b->field_count);
    for (size_t i = 0; i < a->field_count; i++) {
        assert(strcmp(a->fields[i].name, b->fields[i].name) == 0);
        assert(strcmp(a->fields[i].value, b->fields[i].value) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct request first, again;
    struct filter filter;
    struct buf line;
    if (request_parse((struct slice){ (const char *)data, size }, &first, NULL) != RC_OK)
        return 0;
    buf_init(&line, 1 << 20);
    request_put(&line, &first);
    struct slice text = { buf_slice(&line).p, buf_len(&line) - 1 };
    if (text.n <= REQUEST_MAX) { /* escaping may make it longer than what is taken */
        assert(request_parse(text, &again, NULL) == RC_OK);
        check_same(&first, &again);
        request_free(&again);
    }
    struct arena *arena = arena_new(1024);
    filter_read(&first, arena, &filter, NULL);
    arena_free(&arena);
    buf_free(&line);
    request_free(&first);
    return 0;
}
