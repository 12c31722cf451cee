#include "tests/sim/recovery.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "probes/links.h"

enum { ANSWERS = 512, TICK_MS = 200, ANSWER_MS = 40, REBOOTED_AT_MS = 5000, WORD_MS = 50 };

struct answer {
    int64_t at_ms;
    int group;
    struct observation o;
};

struct rec {
    struct rec_world world;
    struct rec_result *result;
    struct rnd rnd;
    bool verbose;
    struct links *links;     /* NULL: control is away */
    struct buf kept;         /* its state meanwhile */
    int64_t now_ms, boot_ms; /* the monotonic clock is their difference */
    struct advice *advice;
    uint8_t held[REC_WORKERS][REC_EGRESS]; /* faults */
    bool untold; /* a word of theirs was lost, and control does not know */
    struct answer answer[ANSWERS];
    int answers;
    bool relay, removed[REC_EGRESS]; /* as configured now */
    int turn;
    bool usable[REC_EGRESS][REC_GROUPS]; /* seen to be, after the last fault */
};

static const char *const names[REC_EGRESS] = { "a", "b", "proxied", "direct" };

static int64_t mono(const struct rec *s)
{
    return s->now_ms - s->boot_ms;
}

static struct addr address_of(int group, int index)
{
    return (struct addr){ ADDR_V4, { 198, 18, (uint8_t)group, (uint8_t)(index + 1) }, 25 };
}

static struct observation observation(const struct rec *s, int egress, const struct addr *to,
                                      uint8_t kind, uint8_t result, int64_t took_ms)
{
    struct observation o = { .kind = kind,
                             .result = result,
                             .egress = slice_hash_stable(slice_of(names[egress])),
                             .proxied = egress == REC_PROXY,
                             .at_us = mono(s) * 1000,
                             .connect_us = took_ms * 1000,
                             .longest_us = took_ms * 1000,
                             .greeting_us = -1,
                             .rtt_us = -1,
                             .app_rtt_us = -1,
                             .final_us = -1 };
    if (to)
        o.address = *to;
    if (result != OBS_OK || !to)
        return o;
    o.rtt_us = o.app_rtt_us = (10 + 20 * egress) * INT64_C(1000);
    o.segments = 8;
    o.greeting_us = 1000;
    return o;
}

static void answer_later(struct rec *s, int group, const struct observation *o, int64_t after_ms)
{
    assert(s->answers < ANSWERS);
    struct answer *a = &s->answer[s->answers++];
    *a = (struct answer){ .at_ms = s->now_ms + after_ms, .group = group, .o = *o };
    a->o.at_us = (mono(s) + after_ms) * 1000;
}

static void answers_arrive(struct rec *s)
{
    for (int i = s->answers; i-- > 0;) {
        struct answer a = s->answer[i];
        if (a.at_ms > s->now_ms)
            continue;
        s->answer[i] = s->answer[--s->answers];
        if (s->links)
            links_observe(s->links, &a.o, a.group, mono(s));
    }
}

/* ---- workers ---- */

static uint8_t fault_now(const struct rec *s, int egress)
{
    bool down = egress == REC_PROXY && rec_is(&s->world, REC_PROXY_DOWN, egress, -1, s->now_ms);
    bool gone = rec_is(&s->world, REC_UNPLUMBED, egress, -1, s->now_ms);
    return gone ? EGRESS_UNPLUMBED : down ? EGRESS_PROXY_DOWN : EGRESS_FINE;
}

static void tell(struct rec *s, int worker, int egress, uint8_t fault)
{
    static const uint8_t results[] = { OBS_OK, OBS_UNPLUMBED, OBS_PROXY_DOWN }; /* of faults */
    struct observation o = observation(s, egress, NULL, OBS_EGRESS, results[fault], 0);
    s->held[worker][egress] = fault;
    if (rec_is(&s->world, REC_UNTOLD, -1, -1, s->now_ms))
        s->untold = true;
    else if (s->links)
        answer_later(s, 0, &o, WORD_MS);
}

static void workers_look(struct rec *s)
{
    for (int w = 0; w < REC_WORKERS; w++)
        for (int e = 0; e < REC_EGRESS; e++)
            if (s->held[w][e] != EGRESS_FINE && fault_now(s, e) == EGRESS_FINE)
                tell(s, w, e, EGRESS_FINE);
}

static void workers_heed(struct rec *s)
{
    for (int e = 0; e < REC_EGRESS; e++) {
        int row = advice_egress(s->advice, slice_of(names[e]));
        const struct advice_egress *held = row == ADVICE_NONE ? NULL : &s->advice->egress[row];
        for (int w = 0; held && w < REC_WORKERS; w++)
            if (held->probed && held->fault != EGRESS_PATHS_DOWN && s->held[w][e] == EGRESS_FINE)
                tell(s, w, e, fault_now(s, e));
    }
}

/* ---- mail ---- */

static int standing(const struct rec *s, int worker, int egress, int group)
{
    int row = s->advice ? advice_egress(s->advice, slice_of(names[egress])) : ADVICE_NONE;
    if (s->removed[egress] || s->held[worker][egress] != EGRESS_FINE)
        return -1;
    if (row == ADVICE_NONE)
        return 1;
    if (s->advice->egress[row].fault != EGRESS_FINE)
        return 0;
    const struct advice_path *p = advice_path(s->advice, row, group);
    return p->state == PATH_DOWN ? 0 : p->state == PATH_SUSPECT ? 1 : 2;
}

/* By the best of those that are not out; so each of them is used now and then. */
static void mail(struct rec *s, int group)
{
    int worker = (int)rnd_below(&s->rnd, REC_WORKERS), best = -1, best_is = -1;
    for (int i = 0; i < REC_EGRESS; i++) {
        int e = (i + (rnd_unit(&s->rnd) < 0.9 ? 0 : s->turn)) % REC_EGRESS;
        int is = standing(s, worker, e, group);
        if (is > best_is) {
            best = e;
            best_is = is;
        }
    }
    s->turn++;
    if (best < 0)
        return;
    int index = (int)rnd_below(&s->rnd, (uint64_t)s->world.addresses[group]);
    struct addr to = address_of(group, index);
    uint8_t fault = s->relay && best == REC_DIRECT ? EGRESS_FINE : fault_now(s, best);
    if (fault != EGRESS_FINE) {
        tell(s, worker, best, fault);
        return;
    }
    bool through = rec_reaches(&s->world, best, group, index, rnd_unit(&s->rnd), s->now_ms);
    int64_t took = through ? ANSWER_MS : 10000;
    struct observation o =
        observation(s, best, &to, OBS_CONNECT, through ? OBS_OK : OBS_TIMEOUT, took);
    answer_later(s, group, &o, took);
}

/* ---- probes ---- */

static void probe_leg(struct rec *s, const struct links_probe *p, int egress)
{
    bool through = !rec_is(&s->world, REC_EGRESS_DEAD, egress, -1, s->now_ms);
    struct observation o =
        observation(s, egress, &p->address, OBS_BEACON, through ? OBS_OK : OBS_TIMEOUT, ANSWER_MS);
    answer_later(s, p->group, &o, ANSWER_MS);
}

static void probe_host(struct rec *s, const struct links_probe *p, int egress)
{
    int index = p->address.bytes[3] - 1;
    struct observation o = observation(s, egress, &p->address, p->kind, OBS_OK, ANSWER_MS);
    int64_t after = ANSWER_MS;
    if (!rec_reaches(&s->world, egress, p->group, index, rnd_unit(&s->rnd), s->now_ms)) {
        o = observation(s, egress, &p->address, p->kind, OBS_TIMEOUT, p->timeout_ms);
        after = p->timeout_ms;
    } else if (rec_is(&s->world, REC_REFUSES, egress, p->group, s->now_ms)) {
        o.result = OBS_REPLY_4XX;
        o.code = 421;
    } else if (rec_is(&s->world, REC_SILENT, egress, p->group, s->now_ms)) {
        struct observation stands = o;
        stands.result = OBS_CONNECTED;
        if (egress != REC_PROXY)
            answer_later(s, p->group, &stands, ANSWER_MS);
        o.result = OBS_SILENT;
        after += p->greeting_ms;
    } else {
        o.code = 220;
    }
    answer_later(s, p->group, &o, after);
}

static void on_probe(void *arg, const struct links_probe *p)
{
    struct rec *s = arg;
    int egress = 0;
    while (slice_hash_stable(slice_of(names[egress])) != p->egress_hash)
        egress++;
    uint8_t fault = s->relay && egress == REC_DIRECT ? EGRESS_FINE : fault_now(s, egress);
    if (egress == REC_PROXY && rec_is(&s->world, REC_PROXY_NAMELESS, egress, -1, s->now_ms))
        fault = EGRESS_PROXY_DOWN;
    if (fault != EGRESS_FINE) {
        struct observation o =
            observation(s, egress, &p->address, p->kind,
                        fault == EGRESS_UNPLUMBED ? OBS_UNPLUMBED : OBS_PROXY_DOWN, 1);
        answer_later(s, p->group, &o, TICK_MS);
    } else if (p->group < 0) {
        probe_leg(s, p, egress);
    } else {
        probe_host(s, p, egress);
    }
}

static void on_event(void *arg, const struct links_event *e)
{
    struct rec *s = arg;
    s->result->downs += e->kind == LINKS_PATH_DOWN;
    s->result->faults += e->kind == LINKS_EGRESS_FAULT;
    s->result->suspects += e->kind == LINKS_DESTINATION_SUSPECT;
    if (s->verbose)
        fprintf(stderr, "%9.1f s: %s %.*s %.*s -> %.*s: %s\n", (double)s->now_ms / 1000,
                links_event_names[e->kind], SLICE_FMT(e->region), SLICE_FMT(e->from),
                SLICE_FMT(e->to), e->reason ? e->reason : "");
}

/* ---- control ---- */

static void configure(struct rec *s)
{
    struct links_egress egress[REC_EGRESS];
    struct links_config config = {
        .egress = egress, .interval_ms = 15000, .per_egress = { 2, 1000 }, .total = { 10, 1000 }
    };
    for (int e = 0; e < REC_EGRESS; e++) {
        if (s->removed[e])
            continue;
        egress[config.egress_n++] = (struct links_egress){ .name = slice_of(names[e]),
                                                           .weight = 1,
                                                           .v4 = true,
                                                           .proxied = e == REC_PROXY,
                                                           .blind = e == REC_PROXY,
                                                           .relay = e == REC_DIRECT && s->relay };
    }
    links_configure(s->links, &config);
}

static void begin_control(struct rec *s)
{
    struct links_hooks hooks = { on_probe, on_event, s };
    if (buf_slice(&s->kept).n) {
        struct err err;
        enum rc rc = links_unpack(buf_slice(&s->kept), &hooks, mono(s), s->now_ms, &s->links, &err);
        assert(rc == RC_OK);
        links_resume(s->links, mono(s));
        buf_free(&s->kept);
    } else {
        s->links = links_new(&hooks);
    }
    configure(s);
    for (int g = 0; g < REC_GROUPS; g++) {
        char region[8];
        snprintf(region, sizeof region, "r%d", g);
        int index = links_group(s->links, slice_of("c"), slice_of(region));
        assert(index == g);
    }
}

static void end_control(struct rec *s, bool reboot)
{
    buf_init(&s->kept, LINKS_PACK_MAX);
    links_pack(s->links, mono(s), s->now_ms, &s->kept);
    links_free(&s->links);
    s->answers = 0;
    if (reboot) {
        s->boot_ms = s->now_ms - REBOOTED_AT_MS;
        memset(s->held, 0, sizeof s->held);
        advice_unref(&s->advice);
    }
}

/* Control away or back, a reload, workers anew: what a fault does to our own processes. */
static void processes(struct rec *s)
{
    const struct rec_world *w = &s->world;
    bool reboot = rec_is(w, REC_REBOOT, -1, -1, s->now_ms),
         away = reboot || rec_is(w, REC_CONTROL, -1, -1, s->now_ms);
    bool relay = rec_is(w, REC_RELAY, REC_DIRECT, -1, s->now_ms), other = relay != s->relay;
    if (away && s->links)
        end_control(s, reboot);
    else if (!away && !s->links)
        begin_control(s);
    if (!s->links)
        return;
    s->relay = relay;
    for (int e = 0; e < REC_EGRESS; e++) {
        bool removed = rec_is(w, REC_REMOVED, e, -1, s->now_ms);
        other = other || removed != s->removed[e];
        s->removed[e] = removed;
    }
    if (other)
        configure(s);
    if (other && s->held[0][REC_DIRECT] | s->held[1][REC_DIRECT])
        s->held[0][REC_DIRECT] = s->held[1][REC_DIRECT] = EGRESS_FINE; /* not inherited */
    if (rec_is(w, REC_WORKERS_ANEW, -1, -1, s->now_ms)) {
        memset(s->held, 0, sizeof s->held);
        s->untold = true;
    } else if (s->untold && !rec_is(w, REC_UNTOLD, -1, -1, s->now_ms)) {
        links_ask_again(s->links);
        s->untold = false;
    }
}

static void advise(struct rec *s)
{
    struct advice *made = s->links ? links_advice(s->links, mono(s)) : NULL;
    if (!made)
        return;
    advice_unref(&s->advice);
    s->advice = made;
    workers_heed(s);
}

/* ---- all ---- */

/* Each path, or an egress that goes to a relay, once seen to be usable is: mail to hosts that are
 * gone makes suspect time and again. Says the first that has not been. */
static bool all_usable(struct rec *s)
{
    const struct advice *a = s->advice;
    bool all = a != NULL;
    for (uint32_t e = 0; a && e < a->egress_n; e++)
        for (uint32_t g = 0; g < a->group_n; g++) {
            const struct advice_path *p = advice_path(a, (int)e, (int)g);
            bool *usable = &s->usable[e][g];
            *usable = *usable || (a->egress[e].fault == EGRESS_FINE && p->state != PATH_DOWN &&
                                  p->state != PATH_SUSPECT && !a->group[g].destination_suspect);
            if (all && !*usable)
                snprintf(s->result->what, sizeof s->result->what, "%.*s to r%u: %s, fault %s%s",
                         SLICE_FMT(a->egress[e].name), g, path_state_names[p->state],
                         egress_fault_names[a->egress[e].fault],
                         a->group[g].destination_suspect ? ", destination suspect" : "");
            all = all && *usable;
        }
    return all;
}

static void mails(struct rec *s)
{
    double rate = s->now_ms < RECOVERY_LEARN_MS ? 0.5 : s->world.rate;
    if (s->now_ms >= s->world.end_ms && !s->world.mail_after)
        return;
    for (int g = 0; g < REC_GROUPS; g++)
        if (rnd_unit(&s->rnd) < rate * TICK_MS / 1000)
            mail(s, g);
}

void recovery_run(uint64_t seed, enum rec_kind only, bool verbose, struct rec_result *result)
{
    struct rec *s = mem_zero(sizeof *s);
    *result = (struct rec_result){ .recovered = false };
    s->result = result;
    s->verbose = verbose;
    s->boot_ms = -3600000;
    rec_world_make(&s->world, seed, only);
    rnd_seed(&s->rnd, seed ^ 0xfau);
    for (; !result->recovered && s->now_ms < s->world.end_ms + RECOVERY_MOST_MS;
         s->now_ms += TICK_MS) {
        processes(s);
        answers_arrive(s);
        mails(s);
        if (s->links)
            links_tick(s->links, mono(s), &s->rnd);
        if (s->now_ms % 1000 == 0)
            workers_look(s);
        advise(s);
        result->recovered = s->now_ms > s->world.end_ms + 10000 && all_usable(s);
    }
    result->after_ms = s->now_ms - s->world.end_ms;
    links_free(&s->links);
    buf_free(&s->kept);
    advice_unref(&s->advice);
    free(s);
}
