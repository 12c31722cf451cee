/*
 * probes/links_lapse — verdicts that nothing confirms any more
 *
 *   What keeps mail away from a path also keeps away the mail that would show that it works again;
 *   then only probes do. These may fail to tell: the addresses that could be asked are gone or are
 *   other egresses' alone, a reload took the beacon away, the hosts refuse probes or greet nobody
 *   in time.
 *
 *   - A path that is DOWN or SUSPECT and has not failed for 15 minutes is UNKNOWN, and exploring
 *     mail may try it. If it fails again that is a relapse, which takes longer: up to two hours.
 *   - A destination that has not failed for 15 minutes is not suspect.
 *
 *   Time in which nobody watched (a restart) does not count.
 */
#include "probes/links_internal.h"

static const int64_t LAPSE_MS = 15 * 60 * 1000;

static void lapse_path(struct links *l, struct group *g, struct cell *c, int64_t now_ms)
{
    bool down = c->path.state == PATH_DOWN;
    int64_t times = c->path.need > PATH_NEED ? c->path.need / PATH_NEED : 1;
    int64_t from = later(c->failed_ms, down ? c->path.down_ms : c->path.suspect_ms);
    if ((!down && c->path.state != PATH_SUSPECT) ||
        now_ms - later(from, l->awake_ms) < times * LAPSE_MS)
        return;
    if (down)
        path_lapse(&c->path, now_ms);
    else
        path_acquit(&c->path);
    g->hurry = l->changed = true;
}

static void lapse_group(struct links *l, struct group *g, int64_t now_ms)
{
    int64_t from = later(g->suspect_ms, l->awake_ms);
    for (uint32_t i = 0; i < l->egress_n; i++) {
        struct cell *c = g->cell[l->order[i]];
        if (!c)
            continue;
        lapse_path(l, g, c, now_ms);
        from = later(from, c->failed_ms);
    }
    if (g->destination_suspect && now_ms - from >= LAPSE_MS)
        judge_acquit(l, g, NO_SLOT, "nothing has failed for 15 minutes", now_ms);
}

void lapse_all(struct links *l, int64_t now_ms)
{
    l->awake_ms = l->awake_ms ? l->awake_ms : now_ms;
    for (uint32_t i = 0; i < l->group_n; i++)
        lapse_group(l, l->group[i], now_ms);
}
