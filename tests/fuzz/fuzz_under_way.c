/*
 * tests/fuzz/fuzz_under_way — the relay's answer to what is still being sent: junk is refused, what
 *   is read and written again is read as the same
 */
#include <assert.h>
#include <stdint.h>

#include "gateway/admin/under_way.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_MAX = 8 << 20 };

static void put_again(void *arg, struct slice egress, const struct addr *source, uint32_t n)
{
    struct buf *text = arg;
    assert(n <= UINT16_MAX && egress.p);
    under_way_put_session(text, egress, source, n);
    buf_putc(text, '\n');
}

/* As it would be written; false: it is none. */
static bool rewrite(struct slice rows, struct buf *text)
{
    int64_t table_ms = 0;
    struct buf sessions;
    buf_init(&sessions, TEXT_MAX);
    bool good = under_way_read(rows, &table_ms, put_again, &sessions) == RC_OK;
    under_way_put_table(text, table_ms);
    buf_putc(text, '\n');
    buf_put_slice(text, buf_slice(&sessions));
    buf_free(&sessions);
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf once, twice;
    buf_init(&once, TEXT_MAX);
    buf_init(&twice, TEXT_MAX);
    if (rewrite((struct slice){ (const char *)data, size }, &once)) {
        assert(rewrite(buf_slice(&once), &twice));
        assert(slice_eq(buf_slice(&once), buf_slice(&twice)));
    }
    buf_free(&once);
    buf_free(&twice);
    return 0;
}
