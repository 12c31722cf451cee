/*
 * tests/fuzz/fuzz_unsent — kept messages to people: junk is refused, what is taken is written again
 *   as the same bytes
 */
#include <assert.h>
#include <stdint.h>

#include "gateway/daemon/alarm_unsent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_one(void *arg, const struct unsent *m)
{
    unsent_put(arg, m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = { (const char *)data, size };
    struct buf again;
    buf_init(&again, UNSENT_PACK_MAX);
    unsent_begin(&again);
    if (size <= UNSENT_PACK_MAX && unsent_read(bytes, put_one, &again, NULL) == RC_OK)
        assert(!again.full && slice_eq(buf_slice(&again), bytes));
    buf_free(&again);
    return 0;
}
