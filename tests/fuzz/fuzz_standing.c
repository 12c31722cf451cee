/*
 * tests/fuzz/fuzz_standing — kept standings: junk is refused, what is taken round-trips and works
 */
#include <assert.h>
#include <stdint.h>

#include "reputation/standing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_event(void *arg, const struct standing_event *e)
{
    (void)arg;
    assert(e->kind < STANDING_EVENT_KINDS && e->reason.n);
    assert(e->kind != STANDING_TRANSITION || e->from != e->to || e->to == STANDING_BLOCKED);
}

/* Some life after it: nothing in the bytes may lead out of bounds. */
static void live_on(struct standing *s)
{
    static const uint8_t classes[] = { STANDING_IP_BLOCKED, STANDING_IP_THROTTLED,
                                       STANDING_DELIVERED, STANDING_CONTENT, STANDING_OTHER };
    struct standing_member member = { .egress = slice_of("a"), .warmup_ms = 5 };
    struct standing_config config = { .member = &member, .member_n = 1 };
    int64_t now_ms = 1000;
    standing_configure(s, &config, now_ms);
    for (uint32_t i = 0; i < 60; i++) {
        struct standing_reply reply = { .reply_class = classes[i % sizeof classes],
                                        .names_us = i % 2 == 0,
                                        .sender_domain = i };
        now_ms += (int64_t)i * 600000;
        standing_reply(s, 0, slice_of(i % 3 ? "p" : "q"), &reply, now_ms);
        standing_take(s, 0, slice_of("p"), 5, now_ms);
        standing_tick(s, now_ms);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct standing_hooks hooks = { on_event, NULL };
    struct slice bytes = { (const char *)data, size };
    struct standing *s = NULL;
    struct buf again;
    if (standing_unpack(bytes, &hooks, &s, NULL) != RC_OK)
        return 0;
    bool old = data[3] == '1'; /* written anew it is longer */
    buf_init(&again, old ? STANDING_PACK_MAX : size);
    standing_pack(s, &again);
    assert(!again.full && (old || slice_eq(buf_slice(&again), bytes)));
    buf_free(&again);
    live_on(s);
    buf_init(&again, STANDING_PACK_MAX);
    standing_pack(s, &again);
    struct standing *second = NULL;
    assert(!again.full && standing_unpack(buf_slice(&again), &hooks, &second, NULL) == RC_OK);
    standing_free(&second);
    buf_free(&again);
    standing_free(&s);
    return 0;
}
