/*
 * tests/fuzz/fuzz_alarms — kept alarms: junk is refused, what is taken is written again as the same
 *   bytes (if it is of this version), and is told within its limits
 */
#include <assert.h>
#include <stdint.h>

#include "reputation/alarm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const int64_t NOW = 5000000;

static void tell_all(struct alarms *a)
{
    struct alarm_digest d;
    unsigned messages = 0;
    for (int64_t due = alarms_due_ms(a); due >= 0; due = alarms_due_ms(a)) {
        assert(alarms_begin(a, due > NOW ? due : NOW, &d) && d.fresh_n + d.held_n > 0);
        alarms_end(a);
        assert(++messages == 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = { (const char *)data, size };
    struct alarms *a;
    struct buf again;
    if (size > ALARMS_PACK_MAX || alarms_unpack(bytes, NOW, 0, &a, NULL) != RC_OK)
        return 0;
    int64_t wall_ms = 0;
    for (int i = 7; i >= 0; i--)
        wall_ms = wall_ms << 8 | data[4 + i];
    buf_init(&again, ALARMS_PACK_MAX);
    alarms_pack(a, NOW, wall_ms, &again);
    assert(!again.full && (data[3] == '1' || slice_eq(buf_slice(&again), bytes)));
    buf_free(&again);
    tell_all(a);
    alarms_free(&a);
    return 0;
}
