/*
 * tests/sim/sim_watch — how long mail takes to leave a path that is bad, and how often it moves
 *
 *   When an episode begins on the path that a mail would take now, the path is watched to the end
 *   of the episode: it is left when the choice has gone elsewhere for good.
 */
#include <math.h>
#include <stdio.h>

#include "tests/sim/sim_internal.h"

/* What happens so soon after an outage began was decided before: nothing is overdue any sooner
 * (choice_overdue_ms()). */
static const int64_t UNNOTICED_MS = 250;
static const double WORTH_SHARE = 0.25, WORTH_MS = 60; /* a brownout that mail should leave */

/* Of many addresses a new mail mostly finds no session; of one it finds what all mail has left. */
static int choice_now(struct sim *s, int group)
{
    struct mail m = { .group = group, .address = -1, .bytes = 20000, .sender = 7 };
    if (s->world->addresses[group] == 1)
        m.address = 0;
    struct rnd rnd = s->rnd; /* looking must not change what happens */
    return sim_choose(s, &m, false, &rnd);
}

static bool worth_leaving(const struct sim *s, int egress, int group)
{
    double ms = world_time(s->world, egress, group, 20000, false, s->now_ms), least = HUGE_VAL;
    for (int e = 0; e < WORLD_EGRESS; e++)
        if (e != egress && world_path_alive(s->world, e, group, s->now_ms))
            least = fmin(least, world_time(s->world, e, group, 20000, false, s->now_ms));
    return ms - least > WORTH_SHARE * ms && ms - least > WORTH_MS;
}

static void begin(struct sim *s, const struct episode *e)
{
    bool brownout = e->kind == EPISODE_BROWNOUT;
    if (!brownout && e->kind != EPISODE_BLACKHOLE)
        return;
    for (int g = 0; g < WORLD_GROUPS; g++) {
        if (e->group >= 0 && e->group != g)
            continue;
        int egress = choice_now(s, g);
        if (egress != e->egress || s->watches == WATCHES ||
            !world_group_alive(s->world, g, s->now_ms) ||
            world_best(s->world, g, 20000, s->now_ms) < 0 ||
            (brownout && !worth_leaving(s, egress, g)))
            continue;
        s->watch[s->watches++] =
            (struct watch){ brownout, egress, g, e->from_ms, e->to_ms, -1, -1, -1 };
    }
}

/* From the beginning to `at_ms`, or to the end when that has not been. */
static double seconds_to(const struct watch *w, int64_t at_ms)
{
    return (double)((at_ms < 0 ? w->to_ms : at_ms) - w->from_ms) / 1000;
}

static void end(struct sim *s, const struct watch *w)
{
    double left = seconds_to(w, w->left_ms), lost = seconds_to(w, w->lost_ms),
           sign = seconds_to(w, w->sign_ms);
    numbers_add(w->brownout ? &s->left : &s->escapes, left);
    if (!w->brownout) {
        numbers_add(&s->lost, lost);
        numbers_add(&s->signs, sign);
    }
    if (s->verbose)
        fprintf(stderr,
                "%9.1f s: e%d r%d %s left after %.2f s, preferred for %.2f s, first sign %.2f s\n",
                (double)(w->from_ms - WORLD_START_MS) / 1000, w->egress, w->group,
                w->brownout ? "brownout" : "blackhole", left, lost, sign);
}

void sim_sign(struct sim *s, int group, const struct observation *o)
{
    if (!observation_is_path_failure(o) && o->result != OBS_OVERDUE)
        return;
    for (size_t i = 0; i < s->watches; i++) {
        struct watch *w = &s->watch[i];
        if (w->sign_ms < 0 && w->group == group &&
            o->egress == slice_hash_stable(s->egress[w->egress].name))
            w->sign_ms = s->now_ms;
    }
}

void sim_watch(struct sim *s)
{
    for (int i = 0; i < s->world->episodes; i++) {
        const struct episode *e = &s->world->episode[i];
        if (e->from_ms <= s->now_ms && e->from_ms > s->now_ms - 50)
            begin(s, e);
    }
    for (size_t i = s->watches; i-- > 0;) {
        struct watch *w = &s->watch[i];
        bool away = !world_group_alive(s->world, w->group, s->now_ms);
        if (s->now_ms < w->to_ms && !away) {
            bool on = choice_now(s, w->group) == w->egress;
            if (on && (!w->brownout || w->left_ms < 0))
                w->left_ms = -1;
            else if (w->left_ms < 0)
                w->left_ms = s->now_ms;
            if (w->lost_ms < 0 &&
                s->advice->group[s->row_of_group[w->group]].preferred != w->egress)
                w->lost_ms = s->now_ms;
            continue;
        }
        if (!away)
            end(s, w);
        *w = s->watch[--s->watches];
    }
}

/* ---- switches ---- */

static int group_of(const struct links_event *event)
{
    return event->region.n == 2 ? event->region.p[1] - '0' : -1;
}

static void note_switch(struct sim *s, int group, int from)
{
    bool dead = !world_path_alive(s->world, from, group, s->now_ms); /* then it had a reason */
    s->switches++;
    for (int i = 0; i < s->world->episodes; i++) {
        const struct episode *e = &s->world->episode[i];
        if (e->group != group || s->now_ms < e->from_ms)
            continue;
        if (e->kind == EPISODE_OUTAGE && !dead && s->now_ms >= e->from_ms + UNNOTICED_MS &&
            s->now_ms < e->to_ms + 30000)
            s->outage_switches++;
        if (e->kind == EPISODE_FLAP && s->now_ms < e->to_ms + 60000)
            s->flap[i]++;
    }
}

void sim_link_event(void *arg, const struct links_event *e)
{
    struct sim *s = arg;
    if (s->verbose)
        fprintf(stderr, "%9.1f s: %s %.*s %.*s -> %.*s%s %.0f/%.0f ms: %s\n",
                (double)(e->at_ms - WORLD_START_MS) / 1000, links_event_names[e->kind],
                SLICE_FMT(e->region), SLICE_FMT(e->from), SLICE_FMT(e->to),
                e->large ? " (large)" : "", e->from_ms, e->to_ms, e->reason ? e->reason : "");
    if (e->kind == LINKS_PATH_DOWN && s->now_ms >= WORLD_START_MS)
        s->false_downs += world_path_alive(s->world, e->from.p[1] - '0', group_of(e), s->now_ms) &&
                          world_group_alive(s->world, group_of(e), s->now_ms);
    if (e->kind == LINKS_SWITCH && e->from.n && s->now_ms >= WORLD_START_MS && !e->large)
        note_switch(s, group_of(e), e->from.p[1] - '0');
}
