#include "tests/sim/sim.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "tests/sim/sim_internal.h"

static const int64_t STEP_MS = 50;

/* ---- numbers ---- */

void numbers_add(struct numbers *n, double value)
{
    if (n->n == n->room) {
        n->room = n->room ? 2 * n->room : 256;
        n->at = mem_grow(n->at, n->room, sizeof *n->at);
    }
    n->at[n->n++] = value;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double numbers_quantile(struct numbers *n, double q)
{
    if (n->n == 0)
        return 0;
    qsort(n->at, n->n, sizeof *n->at, by_value);
    size_t i = (size_t)ceil(q * (double)n->n);
    return n->at[i > 0 ? i - 1 : 0];
}

/* ---- events: a binary heap ---- */

void sim_push(struct sim *s, const struct sim_event *event)
{
    if (s->heap_n == s->heap_room) {
        s->heap_room = s->heap_room ? 2 * s->heap_room : 1024;
        s->heap = mem_grow(s->heap, s->heap_room, sizeof *s->heap);
    }
    size_t i = s->heap_n++;
    for (; i > 0 && s->heap[(i - 1) / 2].at_ms > event->at_ms; i = (i - 1) / 2)
        s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = *event;
}

static struct sim_event pop(struct sim *s)
{
    struct sim_event first = s->heap[0], last = s->heap[--s->heap_n];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < s->heap_n && s->heap[child + 1].at_ms < s->heap[child].at_ms)
            child++;
        if (child >= s->heap_n || s->heap[child].at_ms >= last.at_ms)
            break;
        s->heap[i] = s->heap[child];
        i = child;
    }
    s->heap[i] = last;
    return first;
}

/* ---- the network ---- */

double sim_jitter(struct sim *s, double ms)
{
    double normal = 0; /* sum of 12 uniform ones */
    for (int i = 0; i < 12; i++)
        normal += rnd_unit(&s->rnd);
    return ms * fmax(1 + 0.1 * (normal - 6), 0.7);
}

unsigned sim_lost(struct sim *s, unsigned n, double share)
{
    unsigned lost = 0;
    for (unsigned i = 0; i < n; i++)
        lost += rnd_unit(&s->rnd) < share;
    return lost;
}

int64_t sim_connect(struct sim *s, int egress, int group, int address, int64_t until_ms)
{
    static const int64_t tries[] = { 0, 1000, 3000, 7000 };
    for (size_t i = 0; i < sizeof tries / sizeof tries[0] && tries[i] < until_ms; i++) {
        int64_t at = s->now_ms + tries[i];
        double loss = world_loss(s->world, egress, group, at);
        bool there =
            address == WORLD_ADDRESSES || world_address_alive(s->world, group, address, at);
        if (there && world_path_alive(s->world, egress, group, at) && rnd_unit(&s->rnd) >= loss)
            return tries[i];
    }
    return -1;
}

struct observation sim_observation(const struct sim *s, int egress, int group, int address,
                                   uint8_t kind, int64_t end_ms)
{
    return (struct observation){ .kind = kind,
                                 .result = OBS_OK,
                                 .egress = slice_hash_stable(s->egress[egress].name),
                                 .address = world_address(group, address),
                                 .at_us = end_ms * 1000,
                                 .connect_us = -1,
                                 .greeting_us = -1,
                                 .rtt_us = -1,
                                 .app_rtt_us = -1,
                                 .final_us = -1 };
}

/* Successes are batched by the relay, failures sent at once. */
void sim_observe_later(struct sim *s, int group, const struct observation *o, int64_t at_ms)
{
    int64_t late = 5 + (o->result == OBS_OK ? (int64_t)rnd_below(&s->rnd, 100) : 0);
    struct sim_event event = { .at_ms = at_ms + late, .kind = EVENT_OBSERVE, .group = group };
    event.observation = *o;
    sim_push(s, &event);
}

/* ---- time ---- */

static void happen(struct sim *s, const struct sim_event *event)
{
    s->now_ms = event->at_ms;
    switch (event->kind) {
    case EVENT_MAIL:
        sim_new_mail(s, event->group);
        break;
    case EVENT_RETRY:
        sim_mail(s, &event->mail);
        break;
    case EVENT_OBSERVE:
        sim_sign(s, event->group, &event->observation);
        links_observe(s->links, &event->observation, event->group, event->at_ms);
        break;
    case EVENT_ARRIVAL:
        sim_arrival(s, &event->arrival);
        break;
    }
}

/* What arrives is what was packed: the wire form is exercised as well. */
static struct advice *over_the_wire(struct advice *made)
{
    struct buf wire;
    struct advice *got = NULL;
    buf_init(&wire, 1 << 20);
    advice_pack(made, &wire);
    enum rc rc = advice_unpack(buf_slice(&wire), &got, NULL);
    assert(rc == RC_OK && !wire.full);
    buf_free(&wire);
    advice_unref(&made);
    return got;
}

static void exchange(struct sim *s)
{
    if (s->coming) {
        advice_unref(&s->advice);
        s->advice = s->coming;
        s->coming = NULL;
        choice_rows_fill(s->conf, s->advice, &s->rows);
        for (int g = 0; g < WORLD_GROUPS; g++) {
            char region[8];
            (void)snprintf(region, sizeof region, "r%d", g);
            s->row_of_group[g] =
                advice_group(s->advice, slice_of(g % 2 ? "odd" : "even"), slice_of(region));
        }
    }
    struct advice *made = links_advice(s->links, s->now_ms);
    if (made)
        s->coming = over_the_wire(made);
}

static void start(struct sim *s)
{
    static const struct links_config none;
    struct links_config config = none;
    struct links_hooks hooks = { .probe = sim_probe, .event = sim_link_event, .arg = s };
    s->links = links_new(&hooks);
    s->conf = mem_zero(sizeof *s->conf);
    s->conf->egress.at = mem_array(WORLD_EGRESS, sizeof *s->conf->egress.at);
    s->conf->egress.n = WORLD_EGRESS;
    for (int e = 0; e < WORLD_EGRESS; e++) {
        (void)snprintf(s->name[e], sizeof s->name[e], "e%d", e);
        s->egress[e] =
            (struct links_egress){ .name = slice_of(s->name[e]), .weight = 1, .v4 = true };
        s->conf->egress.at[e].name = s->egress[e].name;
        s->conf->egress.at[e].weight = 1;
        s->conf->egress.at[e].usable = true;
        s->all[e] = (uint16_t)e;
    }
    config.egress = s->egress;
    config.egress_n = WORLD_EGRESS;
    config.interval_ms = 15000;
    config.per_egress = (struct rate){ 2, 1000 };
    config.total = (struct rate){ 10, 1000 };
    links_configure(s->links, &config);
    for (int g = 0; g < WORLD_GROUPS; g++) {
        char region[8];
        (void)snprintf(region, sizeof region, "r%d", g);
        int index = links_group(s->links, slice_of(g % 2 ? "odd" : "even"), slice_of(region));
        assert(index == g);
        struct sim_event first = { .at_ms = s->now_ms, .kind = EVENT_MAIL, .group = g };
        sim_push(s, &first);
    }
}

static void finish(struct sim *s, struct sim_figures *f)
{
    double hours = (double)(s->world->end_ms - WORLD_START_MS) / 3600e3;
    *f = (struct sim_figures){ .outage_switches = s->outage_switches,
                               .switches = s->switches,
                               .mails = s->mails,
                               .escapes = (unsigned)s->escapes.n,
                               .brownouts = (unsigned)s->left.n,
                               .false_downs = s->false_downs };
    f->extra_mean_pct = s->oracle_ms[0] > 0 ? 100 * s->extra_ms[0] / s->oracle_ms[0] : 0;
    f->extra_large_pct = s->oracle_ms[1] > 0 ? 100 * s->extra_ms[1] / s->oracle_ms[1] : 0;
    f->preference_left_p50_s = numbers_quantile(&s->lost, 0.5);
    f->preference_left_p95_s = numbers_quantile(&s->lost, 0.95);
    f->extra_p99_ms = numbers_quantile(&s->extra, 0.99);
    f->first_try_failures_pct = s->mails ? 100.0 * s->first_failures / s->mails : 0;
    f->switches_per_hour_group = s->switches / hours / WORLD_GROUPS;
    f->escape_p50_s = numbers_quantile(&s->escapes, 0.5);
    f->escape_p95_s = numbers_quantile(&s->escapes, 0.95);
    f->sign_p50_s = numbers_quantile(&s->signs, 0.5);
    f->sign_p95_s = numbers_quantile(&s->signs, 0.95);
    f->brownout_left_p95_s = numbers_quantile(&s->left, 0.95);
    f->probes_per_s = s->probes / hours / 3600;
    for (int i = 0; i < s->world->episodes; i++)
        f->flap_switches = s->flap[i] > f->flap_switches ? s->flap[i] : f->flap_switches;
}

static void say_parts(const struct sim *s)
{
    for (int i = 0; i < CHOICE_REASONS; i++)
        for (int large = 0; large < 2; large++)
            if (s->part[i][large].mails)
                fprintf(stderr, "%7u mails, %6.3f %% extra%s: %s\n", s->part[i][large].mails,
                        100 * s->part[i][large].extra_ms / s->oracle_ms[large],
                        large ? " (large)" : "", choice_reason_texts[i]);
}

static void sim_free(struct sim *s)
{
    links_free(&s->links);
    advice_unref(&s->advice);
    advice_unref(&s->coming);
    for (int e = 0; e < WORLD_EGRESS; e++) {
        free(s->egress_sent[e].at);
        free(s->egress_arrivals[e].at);
    }
    free(s->all_sent.at);
    free(s->all_arrivals.at);
    free(s->extra.at);
    free(s->escapes.at);
    free(s->left.at);
    free(s->lost.at);
    free(s->signs.at);
    free(s->heap);
    free(s->conf->egress.at);
    free(s->conf);
    free(s->world);
    free(s);
}

void sim_run(enum scenario scenario, double hours, double rate, uint64_t seed, bool verbose,
             struct sim_figures *figures)
{
    struct sim *s = mem_zero(sizeof *s);
    s->world = mem_zero(sizeof *s->world);
    s->verbose = verbose;
    world_make(s->world, scenario, hours, rate, seed);
    rnd_seed(&s->rnd, seed ^ 0x5eed);
    s->now_ms = WORLD_START_MS - (rate < 0.1 ? WORLD_LEARN_MS : WORLD_WARM_UP_MS);
    start(s);
    for (int64_t now = s->now_ms; now < s->world->end_ms; now += STEP_MS) {
        while (s->heap_n && s->heap[0].at_ms <= now) {
            struct sim_event event = pop(s);
            happen(s, &event);
        }
        s->now_ms = now;
        links_tick(s->links, now, &s->rnd);
        exchange(s);
        sim_watch(s);
    }
    finish(s, figures);
    if (verbose)
        say_parts(s);
    sim_free(s);
}
