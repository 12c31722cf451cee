#include "tests/sim/probe_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct slice names[NAMES] = { SLICE_INIT("e0"), SLICE_INIT("e1"), SLICE_INIT("e2"),
                                           SLICE_INIT("e3"), SLICE_INIT("e4"), SLICE_INIT("e5"),
                                           SLICE_INIT("e6"), SLICE_INIT("e7") };

int64_t pw_between(struct probe_world *w, int64_t least, int64_t most)
{
    return least + (int64_t)rnd_below(&w->rnd, (uint64_t)(most - least + 1));
}

/* ---- what every probe has to keep ---- */

/* Of the last `per_ms`, that egress's (-1: of all). The newest first: what is older ends it. */
static unsigned within(const struct probe_world *w, int egress, int64_t per_ms)
{
    unsigned n = 0;
    for (unsigned i = w->sent_n; i-- > 0 && w->sent[i].at_ms > w->now_ms - per_ms;)
        n += egress < 0 || w->sent[i].egress == egress;
    return n;
}

static void assert_budget(const struct probe_world *w, int egress, struct rate rate, unsigned left)
{
    unsigned n = within(w, egress, (int64_t)rate.per_ms);
    if (n > rate.count - left)
        fail_msg("%u probes within %lld ms at %lld, %u of %u are for others", n,
                 (long long)rate.per_ms, (long long)(w->now_ms - w->start_ms), left,
                 (unsigned)rate.count);
}

static void assert_apart(const struct probe_world *w, int64_t *last_ms, int64_t least_ms,
                         const char *what)
{
    if (*last_ms && w->now_ms - *last_ms < least_ms)
        fail_msg("%s: %lld ms after the last, at %lld", what, (long long)(w->now_ms - *last_ms),
                 (long long)(w->now_ms - w->start_ms));
    *last_ms = w->now_ms;
}

static void host_of(const struct addr *address, int *group_r, int *host_r)
{
    *group_r = address->bytes[1];
    *host_r = address->bytes[3] - 1;
}

static struct addr address_of(int group, int host)
{
    return (struct addr){ ADDR_V4, { 10, (uint8_t)group, 0, (uint8_t)(host + 1) }, 25 };
}

/* ---- answers ---- */

static struct observation observation(const struct probe_world *w, int e, const struct addr *to,
                                      uint8_t kind, int64_t end_ms, double rtt_ms)
{
    (void)w;
    return (struct observation){ .kind = kind,
                                 .egress = slice_hash_stable(names[e]),
                                 .address = *to,
                                 .at_us = end_ms * 1000,
                                 .connect_us = kind == OBS_MAIL ? -1 : (int64_t)(1000 * rtt_ms),
                                 .longest_us = -1,
                                 .greeting_us = kind == OBS_MAIL ? -1 : (int64_t)(1000 * rtt_ms),
                                 .rtt_us = (int64_t)(1000 * rtt_ms),
                                 .app_rtt_us = -1,
                                 .final_us = -1,
                                 .code = 220,
                                 .segments = 4 };
}

static void answer_later(struct probe_world *w, const struct observation *o, int group)
{
    assert_true(w->answers < ANSWERS_MAX);
    w->answer[w->answers++] = (struct answer){ o->at_us / 1000, *o, group };
}

static void take_answers(struct probe_world *w)
{
    for (unsigned i = w->answers; i-- > 0;) {
        if (w->answer[i].at_ms > w->now_ms)
            continue;
        struct answer a = w->answer[i];
        w->answer[i] = w->answer[--w->answers];
        links_observe(w->links, &a.o, a.group, w->now_ms);
    }
}

static bool is_shut_out(const struct probe_world *w, int e, int group, int host)
{
    return w->shuts_out && e == 0 && group == 0 && host == 0;
}

static void answer(struct probe_world *w, const struct links_probe *p, int e, int group, int host)
{
    double rtt_ms = w->rtt_ms[e][group] * (0.95 + 0.1 * rnd_unit(&w->rnd));
    bool lost = w->dead_until_ms[e][group] > w->now_ms || w->host[group][host] == HOST_TIMES_OUT;
    if (w->host[group][host] == HOST_HANGS) /* nobody ever tells what became of it */
        return;
    int64_t end_ms = w->now_ms + (lost ? p->timeout_ms : (int64_t)(2 * rtt_ms));
    struct observation o = observation(w, e, &p->address, p->kind, end_ms, rtt_ms);
    if (is_shut_out(w, e, group, host)) {
        o.result = OBS_REFUSED;
        o.rtt_us = -1;
        o.code = 0;
    } else if (lost) {
        o.result = OBS_TIMEOUT;
        o.connect_us = (int64_t)p->timeout_ms * 1000;
        o.rtt_us = -1;
        o.code = 0;
    } else if (w->host[group][host] == HOST_REFUSES) {
        o.result = OBS_REPLY_5XX;
        o.code = 554;
    }
    answer_later(w, &o, p->group);
}

int pw_preferred(const struct probe_world *w, int group)
{
    char region[16];
    (void)snprintf(region, sizeof region, "r%d", group);
    int row = w->advice ? advice_group(w->advice, SLICE_LIT("c"), slice_of(region)) : ADVICE_NONE;
    return row == ADVICE_NONE ? ADVICE_NONE : w->advice->group[row].preferred;
}

/* So little mail that probes have to tell, and hosts enough to be asked. */
bool pw_is_rare(const struct probe_world *w, int group)
{
    return w->now_ms - w->changed_ms > SETTLED_MS && w->rate[group] < 0.1 && w->hosts[group] > 7;
}

static void note_seen(struct probe_world *w, int e, int group)
{
    w->seen_ms[e][group] = w->now_ms;
}

static void on_probe(void *arg, const struct links_probe *p)
{
    struct probe_world *w = arg;
    int group, host, e = w->order[p->egress];
    host_of(&p->address, &group, &host);
    assert_true(p->kind == OBS_PROBE && p->group == group && host < w->hosts[group]);
    assert_true(w->sent_n < SENT_MAX);
    w->sent[w->sent_n++] = (struct sent){ w->now_ms, e };
    assert_budget(w, e, w->per_egress, 0);
    assert_budget(w, -1, w->total, p->urgent ? 0 : (unsigned)w->total.count / 3);
    assert_apart(w, &w->pair_ms[e][group][host], LINKS_PAIR_MS, "an egress and an address");
    assert_apart(w, &w->address_ms[group][host], LINKS_ADDRESS_MS, "an address");
    note_seen(w, e, group);
    w->urgent += p->urgent;
    if (pw_is_rare(w, group) && !p->urgent)
        w->probes[pw_preferred(w, group) == (int)p->egress]++;
    answer(w, p, e, group, host);
}

static void on_event(void *arg, const struct links_event *e)
{
    struct probe_world *w = arg;
    w->events[e->kind]++;
}

/* ---- the configuration ---- */

void pw_configure(struct probe_world *w)
{
    struct links_egress egress[NAMES];
    w->egress_n = 0;
    for (int e = 0; e < NAMES; e++) {
        if (!w->used[e])
            continue;
        egress[w->egress_n] = (struct links_egress){ .name = names[e], .weight = 1, .v4 = true };
        w->order[w->egress_n++] = e;
    }
    struct links_config config = { egress, w->egress_n, w->interval_ms, w->per_egress, w->total };
    links_configure(w->links, &config);
    w->changed_ms = w->now_ms;
    for (int e = 0; e < NAMES; e++)
        for (int g = 0; g < GROUPS; g++)
            note_seen(w, e, g);
}

struct links_hooks pw_hooks(struct probe_world *w)
{
    return (struct links_hooks){ on_probe, on_event, w };
}

/* ---- mail ---- */

static void mail(struct probe_world *w, int group, int index)
{
    int e = w->order[index], host = (int)rnd_below(&w->rnd, (uint64_t)w->hosts[group]);
    if (w->crowds && rnd_below(&w->rnd, 4))
        host = 0;
    struct addr to = address_of(group, host);
    bool lost = w->dead_until_ms[e][group] > w->now_ms || w->host[group][host] == HOST_HANGS ||
                w->host[group][host] == HOST_TIMES_OUT;
    int64_t end_ms = w->now_ms + (lost ? 3000 : (int64_t)(2 * w->rtt_ms[e][group]));
    struct observation o = observation(w, e, &to, OBS_CONNECT, end_ms, w->rtt_ms[e][group]);
    if (is_shut_out(w, e, group, host)) {
        o.result = OBS_REFUSED;
        o.rtt_us = -1;
    } else if (lost) {
        o.result = OBS_TIMEOUT;
        o.connect_us = 3000000;
        o.rtt_us = -1;
    }
    answer_later(w, &o, group);
    note_seen(w, e, group);
}

static void some_mail(struct probe_world *w)
{
    for (int g = 0; g < w->groups; g++) {
        if (rnd_unit(&w->rnd) >= w->rate[g] * TICK_MS / 1000)
            continue;
        int by = pw_preferred(w, g);
        mail(w, g,
             by >= 0 && (uint32_t)by < w->egress_n ? by : (int)rnd_below(&w->rnd, w->egress_n));
    }
}

/* Every host is known: each has had a mail. */
void pw_learn(struct probe_world *w)
{
    for (int g = 0; g < w->groups; g++)
        for (int h = 0; h < w->hosts[g]; h++) {
            struct addr to = address_of(g, h);
            struct observation o =
                observation(w, w->order[0], &to, OBS_CONNECT, w->now_ms, w->rtt_ms[0][g]);
            links_observe(w->links, &o, g, w->now_ms);
        }
}

/* ---- time ---- */

void pw_tick(struct probe_world *w)
{
    w->now_ms += TICK_MS;
    take_answers(w);
    some_mail(w);
    links_tick(w->links, w->now_ms, &w->rnd);
    struct advice *made = links_advice(w->links, w->now_ms);
    if (made) {
        advice_unref(&w->advice);
        w->advice = made;
    }
    if (!w->scripted && rnd_below(&w->rnd, 4000) == 0) /* some path is dead for a while */
        w->dead_until_ms[rnd_below(&w->rnd, NAMES)][rnd_below(&w->rnd, GROUPS_DRAWN)] =
            w->now_ms + pw_between(w, 5, 90) * 1000;
}

void pw_groups(struct probe_world *w)
{
    for (int g = 0; g < w->groups; g++) {
        char region[16];
        (void)snprintf(region, sizeof region, "r%d", g);
        assert_int_equal(links_group(w->links, SLICE_LIT("c"), slice_of(region)), g);
    }
}

struct probe_world *pw_new(uint64_t seed)
{
    struct probe_world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    struct links_hooks hooks = pw_hooks(w);
    rnd_seed(&w->rnd, seed);
    w->now_ms = w->start_ms = 1000000;
    w->links = links_new(&hooks);
    return w;
}

void pw_free(struct probe_world *w)
{
    links_free(&w->links);
    advice_unref(&w->advice);
    free(w);
}
