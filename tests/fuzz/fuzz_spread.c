/*
 * tests/fuzz/fuzz_spread — what the database holds is a spread or is refused; spreads round-trip
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "probes/spread.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct spread s, again, twice;
    struct buf out;
    memset(&twice, 0, sizeof twice);
    if (spread_unpack((struct slice){ (const char *)data, size }, &s) != RC_OK) {
        assert(s.used == 0);
        return 0;
    }
    buf_init(&out, SPREAD_PACKED_MAX);
    spread_pack(&s, &out);
    assert(!out.full && spread_unpack(buf_slice(&out), &again) == RC_OK);
    assert(again.used == s.used && memcmp(again.at, s.at, s.used * sizeof s.at[0]) == 0);
    buf_free(&out);
    double low = spread_quantile(&s, 0), high = spread_quantile(&s, 1);
    assert(s.used ? low > 0 && low <= high : low < 0 && high < 0);
    spread_merge(&twice, &s);
    spread_merge(&twice, &s);
    assert(twice.used == s.used);
    return 0;
}
