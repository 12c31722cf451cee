/*
 * tests/sim/recovery_faults.c — what is broken when
 */
#include <stddef.h>

#include "tests/sim/recovery.h"

static const int64_t SECOND = 1000, MINUTE = 60 * 1000;

const char *const rec_kind_names[REC_KINDS] = {
    "egress_dead", "path_dead", "path_flaps",     "path_loses", "group_dead",   "host_dead",
    "unplumbed",   "proxy",     "proxy_nameless", "refuses",    "silent",       "relay",
    "removed",     "untold",    "control",        "reboot",     "workers_anew",
};

/* Which fields of a fault mean something. */
static const struct {
    bool egress, group;
} concerns[REC_KINDS] = {
    [REC_EGRESS_DEAD] = { true, false }, [REC_PATH_DEAD] = { true, true },
    [REC_PATH_FLAPS] = { true, true },   [REC_PATH_LOSES] = { true, true },
    [REC_GROUP_DEAD] = { false, true },  [REC_HOST_DEAD] = { false, true },
    [REC_UNPLUMBED] = { true, false },   [REC_REFUSES] = { false, true },
    [REC_SILENT] = { false, true },      [REC_RELAY] = { true, false },
    [REC_REMOVED] = { true, false },
};

bool rec_is(const struct rec_world *w, enum rec_kind kind, int egress, int group, int64_t now_ms)
{
    for (int i = 0; i < w->faults; i++) {
        const struct rec_fault *f = &w->fault[i];
        if (f->kind == kind && now_ms >= f->from_ms && now_ms < f->to_ms &&
            (f->egress < 0 || f->egress == egress) && (f->group < 0 || f->group == group))
            return true;
    }
    return false;
}

static bool host_dead(const struct rec_world *w, int group, int address, int64_t now_ms)
{
    if (address < w->gone[group] && now_ms >= w->gone_ms)
        return true;
    for (int i = 0; i < w->faults; i++) {
        const struct rec_fault *f = &w->fault[i];
        if (f->kind == REC_HOST_DEAD && f->group == group && f->address == address &&
            now_ms >= f->from_ms && now_ms < f->to_ms)
            return true;
    }
    return false;
}

static bool flaps(const struct rec_world *w, int egress, int group, int64_t now_ms)
{
    return rec_is(w, REC_PATH_FLAPS, egress, group, now_ms) && now_ms % (50 * SECOND) < 15 * SECOND;
}

bool rec_reaches(const struct rec_world *w, int egress, int group, int address, double luck,
                 int64_t now_ms)
{
    return !rec_is(w, REC_EGRESS_DEAD, egress, group, now_ms) &&
           !rec_is(w, REC_PATH_DEAD, egress, group, now_ms) && !flaps(w, egress, group, now_ms) &&
           !rec_is(w, REC_GROUP_DEAD, egress, group, now_ms) &&
           !host_dead(w, group, address, now_ms) &&
           (luck >= 0.2 || !rec_is(w, REC_PATH_LOSES, egress, group, now_ms));
}

/* ---- drawing one ---- */

static int64_t between(struct rnd *r, int64_t low, int64_t high)
{
    return low + (int64_t)(rnd_unit(r) * (double)(high - low));
}

static void draw_fault(struct rec_world *w, enum rec_kind kind, struct rnd *r)
{
    struct rec_fault *f = &w->fault[w->faults++];
    *f = (struct rec_fault){ .kind = kind, .egress = -1, .group = -1, .address = -1 };
    if (concerns[kind].egress)
        f->egress = (int)rnd_below(r, REC_EGRESS);
    if (concerns[kind].group)
        f->group = (int)rnd_below(r, REC_GROUPS);
    if (kind == REC_PROXY_DOWN || kind == REC_PROXY_NAMELESS)
        f->egress = REC_PROXY;
    if (kind == REC_RELAY)
        f->egress = REC_DIRECT;
    if (kind == REC_HOST_DEAD)
        f->address = (int)rnd_below(r, (uint64_t)w->addresses[f->group]);
    /* Short ones as often as long ones. */
    int64_t most = rnd_unit(r) < 0.5 ? 30 * SECOND : 10 * MINUTE;
    f->from_ms = RECOVERY_LEARN_MS + between(r, 0, RECOVERY_BREAK_MS);
    f->to_ms = f->from_ms + between(r, SECOND, most);
    w->end_ms = f->to_ms > w->end_ms ? f->to_ms : w->end_ms;
}

static void draw_groups(struct rec_world *w, struct rnd *r)
{
    static const int least[REC_GROUPS] = { 1, 2, 3, 8, 12, 20 };
    for (int g = 0; g < REC_GROUPS; g++) {
        w->addresses[g] = g == 0 ? 1 : least[g] + (int)rnd_below(r, 4);
        w->gone[g] = w->addresses[g] == 1 ? 0 : (int)rnd_below(r, 2);
    }
}

void rec_world_make(struct rec_world *w, uint64_t seed, enum rec_kind only)
{
    struct rnd r;
    rnd_seed(&r, seed);
    *w = (struct rec_world){ .rate = rnd_unit(&r) < 0.3 ? 0 : 0.05 + 0.6 * rnd_unit(&r) };
    w->mail_after = rnd_unit(&r) < 0.5;
    w->gone_ms = RECOVERY_LEARN_MS + between(&r, 0, RECOVERY_BREAK_MS);
    draw_groups(w, &r);
    int n = 6 + (int)rnd_below(&r, REC_FAULTS - 6);
    for (int i = 0; i < n; i++)
        draw_fault(w, only == REC_KINDS ? (enum rec_kind)rnd_below(&r, REC_KINDS) : only, &r);
    w->end_ms = w->gone_ms > w->end_ms ? w->gone_ms : w->end_ms;
}
