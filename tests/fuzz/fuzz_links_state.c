/*
 * tests/fuzz/fuzz_links_state — kept states of links: junk is refused, what is taken round-trips
 *   and works
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "policies/advice.h"
#include "probes/links.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const int64_t NOW_MS = INT64_C(1) << 40; /* no age leads before 0 */

static void on_probe(void *arg, const struct links_probe *probe)
{
    (void)arg;
    assert(probe->kind < OBS_KINDS && probe->timeout_ms > 0);
}

static void on_event(void *arg, const struct links_event *e)
{
    (void)arg;
    assert(e->kind < LINKS_EVENT_KINDS && e->reason);
}

static void on_row(void *arg, const struct links_minute *row)
{
    (void)arg;
    assert(row->egress.n && row->first_ok <= row->tries);
}

/* Some life after it: nothing in the bytes may lead out of bounds. */
static int64_t live_on(struct links *l)
{
    struct links_egress egress[] = { { .name = slice_of("a"), .weight = 1, .v4 = true },
                                     { .name = slice_of("b"), .weight = 1, .v4 = true },
                                     { .name = slice_of("r"), .weight = 1, .relay = true } };
    struct links_config config = { .egress = egress,
                                   .egress_n = 3,
                                   .interval_ms = 15000,
                                   .per_egress = { 2, 1000 },
                                   .total = { 10, 1000 } };
    struct rnd rnd;
    int64_t now_ms = NOW_MS;
    rnd_seed(&rnd, 1);
    links_resume(l, now_ms);
    links_configure(l, &config);
    int group = links_group(l, slice_of("carrier"), slice_of("r0"));
    for (uint32_t i = 0; i < 60; i++, now_ms += 700) {
        struct observation o = { .kind = i % 2 ? OBS_CONNECT : OBS_PROBE,
                                 .result = i % 5 ? OBS_OK : OBS_TIMEOUT,
                                 .egress = slice_hash_stable(egress[i % 3].name),
                                 .address = { ADDR_V4, { 192, 0, 2, (uint8_t)(i % 4) }, 25 },
                                 .at_us = now_ms * 1000,
                                 .connect_us = 20000,
                                 .greeting_us = -1,
                                 .rtt_us = 20000 + i,
                                 .segments = 10,
                                 .app_rtt_us = -1,
                                 .final_us = -1 };
        links_observe(l, &o, group, now_ms);
        links_tick(l, now_ms, &rnd);
        struct advice *a = links_advice(l, now_ms);
        if (a)
            advice_unref(&a);
    }
    links_minutes(l, now_ms, on_row, NULL);
    return now_ms;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct links_hooks hooks = { on_probe, on_event, NULL };
    struct slice bytes = { (const char *)data, size };
    struct links *l = NULL, *second = NULL;
    struct buf again;
    uint64_t wall_ms = 0;
    if (links_unpack(bytes, &hooks, NOW_MS, 0, &l, NULL) != RC_OK)
        return 0;
    memcpy(&wall_ms, data + 4, sizeof wall_ms); /* after the magic */
    buf_init(&again, size);
    links_pack(l, NOW_MS, (int64_t)wall_ms, &again);
    assert(!again.full && slice_eq(buf_slice(&again), bytes));
    buf_free(&again);
    int64_t now_ms = live_on(l);
    buf_init(&again, LINKS_PACK_MAX);
    links_pack(l, now_ms, 1, &again);
    assert(!again.full &&
           links_unpack(buf_slice(&again), &hooks, now_ms, 1, &second, NULL) == RC_OK);
    links_free(&second);
    buf_free(&again);
    links_free(&l);
    return 0;
}
