#include "tests/support/advice_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct addr advice_rig_address(const char *text)
{
    struct addr a = { .family = ADDR_NONE };
    assert_int_equal(addr_parse(slice_of(text), &a), RC_OK);
    return a;
}

struct standing *advice_rig_of(const struct standing_member *member, uint32_t n)
{
    struct standing_config config = { .member = member, .member_n = n, .min_active = 1 };
    const struct standing_hooks hooks = { NULL, NULL };
    struct standing *s = standing_new(&hooks, T0);
    standing_configure(s, &config, T0);
    return s;
}

struct standing *advice_rig_four(bool warming)
{
    struct standing_member member[] = {
        { .egress = SLICE_LIT("one"), .address = advice_rig_address("203.0.113.1") },
        { .egress = SLICE_LIT("two"), .address = advice_rig_address("203.0.113.2") },
        { .egress = SLICE_LIT("two"), .address = advice_rig_address("2001:db8::2") },
        { .egress = SLICE_LIT("far"), .address = { .family = ADDR_NONE } },
    };
    if (warming)
        member[0].warmup_ms = T0 - HOUR;
    return advice_rig_of(member, 4);
}

struct advice *advice_rig_table(const struct standing *s, int64_t now_ms)
{
    static const char *const names[] = { "far", "one", "two", "unknown" };
    struct advice *a = advice_new(4, 0);
    for (int i = 0; i < 4; i++)
        a->egress[i].name = advice_text(a, slice_of(names[i]));
    standing_put_advice(s, now_ms, a);
    advice_seal(a);
    struct buf wire;
    struct advice *again;
    struct err err;
    buf_init(&wire, 1 << 20);
    advice_pack(a, &wire);
    assert_int_equal(advice_unpack(buf_slice(&wire), &again, &err), RC_OK);
    assert_true(advice_same_standing(a, again));
    advice_unref(&again);
    buf_free(&wire);
    return a;
}

void advice_rig_refuse(struct standing *s, int member, const char *provider, uint64_t sender,
                       int64_t now_ms)
{
    struct standing_reply r = { .reply_class = STANDING_IP_BLOCKED,
                                .names_us = true,
                                .sender_domain = sender };
    standing_reply(s, member, slice_of(provider), &r, now_ms);
}
