/*
 * tests/fuzz/fuzz_learned — kept addresses: junk is refused, what is taken is written again as the
 *   same bytes
 */
#include <assert.h>
#include <stdint.h>

#include "reputation/learned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = { (const char *)data, size };
    struct learned *l = NULL;
    struct buf again;
    if (size > LEARNED_PACK_MAX || learned_unpack(bytes, 1, &l, NULL) != RC_OK)
        return 0;
    buf_init(&again, LEARNED_PACK_MAX);
    learned_pack(l, &again);
    assert(!again.full && slice_eq(buf_slice(&again), bytes));
    buf_free(&again);
    learned_free(&l);
    return 0;
}
