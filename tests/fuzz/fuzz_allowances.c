/*
 * tests/fuzz/fuzz_allowances — kept allowances: junk is refused, nothing that is read makes room
 *   for mail, and what is written again is read as the same
 */
#include <assert.h>
#include <stdint.h>

#include "gateway/daemon/kept_allowances.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A day after the machine started, and the beginning of time: none passes on the way. */
static const int64_t NOW_US = INT64_C(86400) * 1000000, WALL_MS = 0;
enum { SURELY_KEPT = 32 }; /* so many keys find a place, whatever they are */

struct owed {
    struct allowances *other; /* that was read from what this one wrote */
    uint32_t n, missing;
};

static void compare(void *arg, uint64_t key, int64_t left_us)
{
    struct owed *o = arg;
    assert(key && left_us > 0);
    o->n++;
    o->missing += allowance_left(o->other, key, 1, NOW_US + left_us - 1);
    assert(!allowance_take(o->other, key, 1, NOW_US + left_us - 1) || o->n > SURELY_KEPT);
}

static void read_again(const struct allowances *a)
{
    struct buf bytes, again;
    struct allowances *b = allowances_new();
    struct owed owed = { b, 0, 0 };
    buf_init(&bytes, KEPT_ALLOWANCES_MAX);
    buf_init(&again, KEPT_ALLOWANCES_MAX);
    kept_allowances_put(&bytes, a, NOW_US, WALL_MS);
    assert(!bytes.full &&
           kept_allowances_read(buf_slice(&bytes), b, NOW_US, WALL_MS, NULL) == RC_OK);
    kept_allowances_put(&again, b, NOW_US, WALL_MS);
    allowances_each(a, NOW_US, compare, &owed);
    assert(owed.n > SURELY_KEPT || (!owed.missing && buf_len(&again) == buf_len(&bytes)));
    buf_free(&bytes);
    buf_free(&again);
    allowances_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = { (const char *)data, size };
    struct allowances *a = allowances_new();
    if (kept_allowances_read(bytes, a, NOW_US, WALL_MS, NULL) == RC_OK)
        read_again(a);
    allowances_free(&a);
    return 0;
}
