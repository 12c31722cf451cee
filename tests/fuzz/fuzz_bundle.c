/*
 * tests/fuzz/fuzz_bundle — any bytes as a packed bundle: refused, or packs to an equal one
 */
#include <assert.h>
#include <stdint.h>

#include "gateway/conf/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bundle *b = NULL, *again = NULL;
    struct buf packed;
    enum rc rc = bundle_unpack((struct slice){ (const char *)data, size }, &b, NULL);
    assert((rc == RC_OK) == (b != NULL));
    if (!b)
        return 0;
    buf_init(&packed, BUNDLE_PACKED_MAX);
    assert(bundle_pack(b, &packed) == RC_OK);
    assert(bundle_unpack(buf_slice(&packed), &again, NULL) == RC_OK);
    assert(bundle_equal(b, again));
    buf_free(&packed);
    bundle_free(&b);
    bundle_free(&again);
    return 0;
}
