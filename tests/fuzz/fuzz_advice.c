/*
 * tests/fuzz/fuzz_advice — advice tables from the wire: junk is refused, tables round-trip
 */
#include <assert.h>
#include <stdint.h>

#include "policies/advice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = { (const char *)data, size };
    struct advice *a = NULL;
    struct buf again;
    if (advice_unpack(bytes, &a, NULL) != RC_OK)
        return 0;
    buf_init(&again, size);
    advice_pack(a, &again);
    assert(!again.full && slice_eq(buf_slice(&again), bytes));
    for (uint32_t g = 0; g < a->group_n; g++)
        assert(advice_group(a, a->group[g].carrier, a->group[g].region) == (int)g);
    buf_free(&again);
    advice_unref(&a);
    return 0;
}
