#include "tests/support/links_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

const char *const links_rig_names[LINKS_RIG_EGRESSES] = { "a", "b", "c" };

static void on_probe(void *arg, const struct links_probe *probe)
{
    struct links_rig *r = arg;
    assert_true(r->probes_n < LINKS_RIG_PROBES);
    r->probe[r->probes_n++] = *probe;
    r->sent[probe->egress]++;
}

static void on_event(void *arg, const struct links_event *e)
{
    struct links_rig *r = arg;
    r->events[e->kind]++;
}

struct addr lr_address(const struct links_rig *r, unsigned i)
{
    return (struct addr){ ADDR_V4, { 192, 0, 2, (uint8_t)(1 + i % r->addresses) }, 25 };
}

void lr_see(struct links_rig *r, int e, const struct addr *to, uint8_t kind, uint8_t result,
            int64_t start_ms, int64_t took_ms)
{
    struct observation o = { .kind = kind,
                             .result = result,
                             .egress = slice_hash_stable(slice_of(links_rig_names[e])),
                             .address = *to,
                             .at_us = (start_ms + took_ms) * 1000,
                             .connect_us = took_ms * 1000,
                             .greeting_us = -1,
                             .rtt_us = -1,
                             .app_rtt_us = -1,
                             .final_us = -1 };
    if (result == OBS_OK) {
        o.rtt_us = (int64_t)(1000 * r->rtt_ms[e]);
        o.segments = r->segments;
    }
    links_observe(r->links, &o, r->group, r->now_ms);
}

static void answer(struct links_rig *r, const struct links_probe *p)
{
    int e = (int)p->egress, group = r->group;
    bool gone = p->address.bytes[3] <= r->gone;
    r->group = p->group;
    lr_see(r, e, &p->address, OBS_PROBE, r->dead[e] || gone ? r->dead_result : OBS_OK, r->now_ms,
           1);
    r->group = group;
}

static void tick(struct links_rig *r)
{
    links_tick(r->links, r->now_ms, &r->rnd);
    for (unsigned i = 0; i < r->probes_n && !r->silent; i++)
        answer(r, &r->probe[i]);
    r->probes_n = 0;
    struct advice *made = links_advice(r->links, r->now_ms);
    if (made) {
        advice_unref(&r->advice);
        r->advice = made;
    }
}

void lr_run(struct links_rig *r, int64_t ms)
{
    for (int64_t end = r->now_ms + ms; r->now_ms < end;) {
        r->now_ms += 50;
        tick(r);
    }
}

void lr_configure(struct links_rig *r, double cost_of_a_ms)
{
    struct links_egress egress[LINKS_RIG_EGRESSES];
    for (int e = 0; e < LINKS_RIG_EGRESSES; e++)
        egress[e] = (struct links_egress){ .name = slice_of(links_rig_names[e]),
                                           .weight = 1,
                                           .cost_ms = e == A ? cost_of_a_ms : 1,
                                           .v4 = true };
    struct links_config config = { .egress = egress,
                                   .egress_n = LINKS_RIG_EGRESSES,
                                   .interval_ms = 15000,
                                   .per_egress = { 2, 1000 },
                                   .total = { 10, 1000 } };
    links_configure(r->links, &config);
}

void lr_start(struct links_rig *r, unsigned addresses)
{
    struct links_hooks hooks = { on_probe, on_event, r };
    *r = (struct links_rig){ .now_ms = 1000000,
                             .addresses = addresses,
                             .rtt_ms = { 20, 60, 100 },
                             .segments = 10,
                             .dead_result = OBS_REFUSED };
    rnd_seed(&r->rnd, 5);
    r->links = links_new(&hooks);
    lr_configure(r, 0);
    assert_int_equal(links_group(r->links, slice_of("c"), slice_of("r")), 0);
}

void lr_finish(struct links_rig *r)
{
    links_free(&r->links);
    advice_unref(&r->advice);
}

void lr_learn(struct links_rig *r, unsigned seconds)
{
    for (unsigned i = 0; i < seconds; i++) {
        struct addr to = lr_address(r, i);
        lr_see(r, (int)(i % LINKS_RIG_EGRESSES), &to, OBS_CONNECT, OBS_OK, r->now_ms - 1, 1);
        lr_run(r, 1000);
    }
}
