/*
 * probes/links_blips — runs of failures that ended without a verdict
 *
 *   Mostly packets were lost: then they count against the path. Or the destination was away, too
 *   shortly for anybody to find that out. Where there are many addresses, the other egresses are
 *   asked at once and either get through or not. A single one, a server of its own, may not be
 *   asked so often, and it is away more often, for as long as a restart takes. There
 *     - two egresses that fail while nothing gets through meet the same thing: neither is charged
 *       with it, and what mail finds out on its detours is no reason to stay there at once,
 *     - a failure counts only when another egress got through before the last of the run.
 */
#include "probes/links_internal.h"

/* Between the two one lost packet explains it: its repetition had no time to be answered. */
static bool outlasts_a_packet(int64_t took_ms)
{
    const int64_t refused_ms = 800, repeated_ms = 1400;
    return took_ms < refused_ms || took_ms >= repeated_ms;
}

/* What failed there so far was no path's fault either. */
static void host_gone(struct links *l, struct group *g, struct target *t)
{
    t->again = l->changed = true;
    for (uint32_t i = 0; i < l->egress_n; i++)
        if (g->cell[l->order[i]])
            path_forget(&g->cell[l->order[i]]->path, target_hash(&t->address));
}

/* An address that had failed before proves nothing about the path. */
void blips_note(struct links *l, struct group *g, int16_t slot, const struct addr *address,
                int64_t start_ms, int64_t end_ms)
{
    struct cell *c = g->cell[slot];
    struct target *t = target_find(g, address);
    bool down = c->path.state == PATH_DOWN; /* that explains it */
    if (!t)
        return;
    if (t->failing && (down || t->failed_by != NO_SLOT)) {
        if (!down && !t->again && g->through_ms > t->failing_ms)
            host_gone(l, g, t);
        return;
    }
    if (outlasts_a_packet(end_ms - start_ms) && c->blips < PATH_FAILURES)
        c->blips++;
    t->failing = true;
    t->failing_ms = end_ms;
    t->failed_by = down ? NO_SLOT : slot;
}

static bool is_sole(const struct links *l, const struct group *g, int16_t slot)
{
    return target_count(l, g, slot) == 1;
}

void blips_share(const struct links *l, struct group *g, int16_t slot)
{
    struct cell *c = g->cell[slot];
    if (c->path.state != PATH_SUSPECT || g->through_ms >= path_run_start(&c->path) ||
        !is_sole(l, g, slot))
        return;
    for (uint32_t i = 0; i < l->egress_n; i++) {
        struct cell *other = g->cell[l->order[i]];
        if (other && other != c && other->path.state == PATH_SUSPECT &&
            g->through_ms < path_run_start(&other->path))
            c->shared = other->shared = true;
    }
}

bool blips_shared(const struct cell *c)
{
    return c->shared && c->path.state == PATH_SUSPECT;
}

void blips_end(const struct links *l, struct group *g, int16_t slot, int64_t now_ms)
{
    struct cell *c = g->cell[slot];
    bool witnessed = c->through_ms && c->through_ms <= c->path.fail_end_ms;
    if (c->shared)
        g->blink_ms = now_ms;
    if (c->shared || g->destination_suspect || (is_sole(l, g, slot) && !witnessed))
        return;
    for (unsigned i = 0; i < c->blips; i++)
        estimate_session(&c->est, 1, now_ms);
    estimate_loss(&c->est, c->blips, c->blips, now_ms);
}
