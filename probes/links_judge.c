/*
 * probes/links_judge — what evidence means: this path, or the destination
 *
 *   The verify guard (routing.md 6.5): a path is DOWN only when another egress got through to the
 *   group in between, that is, with a connection begun after the first one that failed here, not
 *   before the second and not after the last. When the others that were tried fail as well, the
 *   destination is suspect; its first success acquits every path of the failures before.
 *
 *   That takes probes, and a group with one address, a server of its own, allows one a minute by
 *   each egress. Where politeness leaves none, mail is witness enough: it gets through by another
 *   egress, connections by this one fail again after that, and later it still gets through there.
 */
#include <stdio.h>

#include "probes/links_internal.h"

static const int64_t TOGETHER_MS = 100; /* begun in the same round of verification */
static const int64_t VERIFY_EVERY_MS = 2000, CALM_MS = 1000, WISH_MS = 2500;
static const int64_t COLUMN_MS = 3500;
static const int64_t RUN_MS = 10 * 1000; /* from the first failure to the verdict, mostly */
static const int64_t STILL_MS = 3000;    /* after the newest failure others still get through */
enum { OTHERS_FAILING = 2 };

static void touch(struct group *g, struct cell *c, int16_t slot, int64_t at_ms)
{
    g->judge = true;
    c->sample_ms = at_ms > c->sample_ms ? at_ms : c->sample_ms;
    g->due_ms[slot] = 0;
}

static void say_path(struct links *l, const struct group *g, int16_t slot,
                     enum links_event_kind kind, const char *reason, int64_t now_ms)
{
    struct links_event event = { .kind = kind,
                                 .at_ms = now_ms,
                                 .from = text_slice(slot == NO_SLOT ? NULL : l->slot[slot].name),
                                 .reason = reason };
    links_emit_group(l, event, g);
}

/* For the paths that fail meanwhile. */
static void testify(const struct links *l, struct group *g, int16_t slot, int64_t start_ms,
                    int64_t end_ms)
{
    for (uint32_t i = 0; i < l->egress_n; i++) {
        struct cell *c = g->cell[l->order[i]];
        if (c && l->order[i] != slot && c->path.state == PATH_SUSPECT && !c->through_ms &&
            start_ms >= path_run_start(&c->path))
            c->through_ms = end_ms;
    }
}

void judge_success(struct links *l, struct group *g, int16_t slot, const struct addr *address,
                   int64_t start_ms, int64_t end_ms)
{
    struct cell *c = links_cell(g, slot);
    struct target *t = target_find(g, address);
    uint8_t before = c->path.state;
    enum path_change change = path_success(&c->path, start_ms, end_ms);
    touch(g, c, slot, end_ms);
    testify(l, g, slot, start_ms, end_ms);
    if (t)
        t->failing = t->again = t->absolved = false;
    g->through_ms = start_ms > g->through_ms ? start_ms : g->through_ms;
    if (l->slot[slot].fault == EGRESS_PATHS_DOWN || l->slot[slot].doubt_ms)
        l->slot[slot].judge = true;
    estimate_session(&c->est, 0, end_ms);
    if (change != PATH_NOW_UP)
        return;
    g->hurry = l->changed = true;
    if (before == PATH_DOWN) {
        estimate_forgive(&c->est);
        say_path(l, g, slot, LINKS_PATH_UP, "connections get through again", end_ms);
    } else if (before == PATH_SUSPECT) {
        blips_end(l, g, slot, end_ms);
    }
    c->blips = c->shared = 0;
}

/* Hosts that are gone say nothing of a path. One that is to prove itself is not set back by any
 * that whoever tried last did not reach. */
static bool is_the_host(struct group *g, const struct cell *c, const struct addr *address)
{
    const struct target *t = target_find(g, address);
    return t && (target_gone(g, t) || (c->path.state == PATH_DOWN && t->failing));
}

/* Would another probe at once go to a beacon or resolver that is gone, too? No limit of its own
 * ends that, so it waits its turn. */
static bool is_endless(struct links *l, struct group *g, int16_t slot, int64_t now_ms)
{
    const struct target *next = target_pick(l, g, slot, false, now_ms);
    return next && next->kind != OBS_PROBE && target_gone(g, next);
}

void judge_failure(struct links *l, struct group *g, int16_t slot, const struct addr *address,
                   bool failed, int64_t start_ms, int64_t end_ms)
{
    struct cell *c = links_cell(g, slot);
    if (start_ms <= g->fine_ms) /* the destination was away then */
        return;
    c->failed_ms = failed ? end_ms : c->failed_ms;
    if (is_the_host(g, c, address)) {
        if (c->path.state == PATH_DOWN)
            touch(g, c, slot, end_ms);
        else if (!is_endless(l, g, slot, end_ms))
            touch(g, c, slot, c->sample_ms); /* at another address */
        return;
    }
    double doubt = path_doubt(&c->path);
    enum path_change change =
        path_failure(&c->path, target_hash(address), failed, start_ms, end_ms);
    if (path_doubt(&c->path) > doubt)
        l->changed = true; /* choose() goes by how great it is */
    touch(g, c, slot, failed ? end_ms : c->sample_ms);
    l->slot[slot].judge = true;
    if (change == PATH_NOW_SUSPECT)
        c->blips = c->shared = 0; /* of a run that ended otherwise: acquitted, or with its egress */
    if (failed)
        blips_note(l, g, slot, address, start_ms, end_ms);
    blips_share(l, g, slot);
    if (change != PATH_NOW_SUSPECT)
        return;
    c->through_ms = 0;
    if (!g->destination_suspect && prefer_in_use(g, slot) && end_ms - g->verify_ms > CALM_MS)
        g->verify_ms = 0; /* a round at once */
}

/* ---- others ---- */

/* Begun after a failure and not after the last. A single failure before it may be a lost packet,
 * and the destination have gone away since: there must be two that were not begun later. */
static bool between(const struct path *p, const struct path *other)
{
    unsigned before = 0;
    for (unsigned i = 0; i < p->n; i++)
        before += p->at[i].start_ms <= other->ok_start_ms + TOGETHER_MS;
    return other->ok_end_ms && before >= 2 && other->ok_start_ms >= path_run_start(p) &&
           other->ok_start_ms <= p->fail_start_ms + TOGETHER_MS;
}

static int16_t witness(const struct links *l, const struct group *g, int16_t slot)
{
    for (uint32_t i = 0; i < l->egress_n; i++) {
        int16_t other = l->order[i];
        if (other != slot && g->cell[other] && between(&g->cell[slot]->path, &g->cell[other]->path))
            return other;
    }
    return NO_SLOT;
}

/* One that gets through all along while this path fails again and again, and none of the addresses
 * may be asked now. */
static int16_t lasting_witness(const struct links *l, const struct group *g, int16_t slot,
                               unsigned addresses, int64_t now_ms)
{
    const struct cell *c = g->cell[slot];
    const struct path *p = &c->path;
    if (!c->through_ms || p->fail_start_ms <= c->through_ms || path_failures(p) == 0 ||
        path_addresses(p) < addresses || target_spare(l, g, slot, now_ms) > 0)
        return NO_SLOT;
    for (uint32_t i = 0; i < l->egress_n; i++) {
        const struct cell *other = g->cell[l->order[i]];
        if (other && l->order[i] != slot && other->path.state == PATH_UP &&
            other->path.ok_start_ms >= p->fail_end_ms + STILL_MS)
            return l->order[i];
    }
    return NO_SLOT;
}

/* Do all others that were tried since fail as well, and were enough tried? `overdue`: connections
 * that have not answered yet count, where there are two such others. */
static bool all_fail(const struct links *l, const struct group *g, int16_t slot, bool overdue)
{
    int64_t start = path_run_start(&g->cell[slot]->path);
    unsigned failing = 0, able = 0;
    for (uint32_t i = 0; i < l->egress_n; i++) {
        int16_t other = l->order[i];
        const struct cell *c = g->cell[other];
        if (other == slot || !c || l->slot[other].fault != EGRESS_FINE ||
            c->path.state == PATH_DOWN || c->path.state == PATH_UNKNOWN)
            continue;
        able++;
        if (c->path.ok_end_ms > start && c->path.ok_start_ms >= start)
            return false;
        failing += c->path.state == PATH_SUSPECT && c->path.fail_start_ms >= start &&
                   (overdue ? c->path.n > 0 : path_failures(&c->path) > 0);
    }
    if (overdue && able < OTHERS_FAILING)
        return false;
    return able > 0 && failing >= (able < OTHERS_FAILING ? able : OTHERS_FAILING);
}

/* Have connections to more than one address failed, by this egress or others? */
static bool addresses_differ(const struct links *l, const struct group *g, int16_t slot)
{
    uint64_t first = g->cell[slot]->path.at[0].address;
    for (uint32_t i = 0; i < l->egress_n; i++) {
        const struct cell *c = g->cell[l->order[i]];
        for (unsigned k = 0; c && c->path.state == PATH_SUSPECT && k < c->path.n; k++)
            if (c->path.at[k].address != first)
                return true;
    }
    return false;
}

/* The column of the failure matrix: for longer than two lost SYNs nothing has got through from
 * anywhere. That takes no three failures of one path, for which a destination with one address
 * gives no occasion: mail backs off, and probes of it are rare. */
static bool column_fails(const struct links *l, const struct group *g, int16_t slot, int64_t now_ms)
{
    const struct path *p = &g->cell[slot]->path;
    return p->n > 0 && now_ms - path_run_start(p) >= COLUMN_MS && all_fail(l, g, slot, true) &&
           (target_alive(l, g, slot) < 2 || addresses_differ(l, g, slot));
}

/* ---- verification ---- */

/* The best of the other egresses, `not_this` left out: the one most likely to be a witness. */
static int16_t helper(const struct links *l, const struct group *g, int16_t slot, int16_t not_this)
{
    int16_t best = NO_SLOT;
    int64_t best_ms = 0;
    for (uint32_t i = 0; i < l->egress_n; i++) {
        int16_t s = l->order[i];
        const struct cell *c = g->cell[s];
        if (s == slot || s == not_this || !c || l->slot[s].relay ||
            l->slot[s].fault != EGRESS_FINE || c->path.state == PATH_DOWN)
            continue;
        if (best == NO_SLOT || c->path.ok_end_ms > best_ms) {
            best = s;
            best_ms = c->path.ok_end_ms;
        }
    }
    return best;
}

static void verify(struct links *l, const struct group *g, uint32_t index, int16_t slot,
                   int64_t now_ms)
{
    int16_t first = helper(l, g, slot, NO_SLOT), second = helper(l, g, slot, first);
    /* A helper before the path itself: its connection must not be the later one. */
    int16_t by[] = { first, slot, slot, first == NO_SLOT ? NO_SLOT : second };
    bool through = g->cell[slot]->through_ms != 0;
    if (target_count(l, g, slot) == 1 && through)
        by[0] = by[3] = NO_SLOT; /* the one probe there may be is the path's */
    else if (target_count(l, g, slot) == 1 && path_failures(&g->cell[slot]->path) > 0)
        by[1] = by[2] = NO_SLOT; /* another failure would prove nothing before there is a witness */
    for (size_t i = 0; i < sizeof by / sizeof by[0]; i++) {
        struct wish wish = {
            .group = index, .slot = by[i], .suspect = slot, .until_ms = now_ms + WISH_MS
        };
        if (by[i] != NO_SLOT)
            probe_wish(l, &wish);
    }
}

/* ---- verdicts ---- */

static void condemn(struct links *l, struct group *g, int16_t slot, const char *reason,
                    int64_t now_ms)
{
    targets_absolve(g, slot, path_run_start(&g->cell[slot]->path));
    path_down(&g->cell[slot]->path, false, now_ms);
    g->hurry = true;
    l->slot[slot].judge = true;
    say_path(l, g, slot, LINKS_PATH_DOWN, reason, now_ms);
}

static void suspect_destination(struct links *l, struct group *g, int16_t slot, int64_t now_ms)
{
    g->destination_suspect = true;
    g->suspect_ms = now_ms;
    say_path(l, g, slot, LINKS_DESTINATION_SUSPECT, "connections fail from every egress", now_ms);
}

/* True when the path is DOWN now. `need`: so many addresses have to have failed. */
static bool condemned(struct links *l, struct group *g, int16_t slot, unsigned need, int64_t now_ms)
{
    const struct path *p = &g->cell[slot]->path;
    char reason[160];
    int16_t other = path_condemned(p, need) ? witness(l, g, slot) : NO_SLOT;
    if (other != NO_SLOT) {
        (void)snprintf(reason, sizeof reason, "%u failures from %u addresses; %s got through",
                       path_failures(p), path_addresses(p), l->slot[other].name);
    } else {
        other = lasting_witness(l, g, slot, need, now_ms);
        (void)snprintf(reason, sizeof reason, "connections keep failing; %s gets through all along",
                       other != NO_SLOT ? l->slot[other].name : "");
    }
    if (other != NO_SLOT)
        condemn(l, g, slot, reason, now_ms);
    return other != NO_SLOT;
}

static void judge_path(struct links *l, struct group *g, uint32_t index, int16_t slot,
                       int64_t now_ms)
{
    const struct path *p = &g->cell[slot]->path;
    unsigned need = target_alive(l, g, slot) > 1 ? 2 : 1;
    if (condemned(l, g, slot, need, now_ms))
        return;
    if ((path_condemned(p, need) && all_fail(l, g, slot, false)) ||
        column_fails(l, g, slot, now_ms)) {
        suspect_destination(l, g, slot, now_ms);
        return;
    }
    if (prefer_in_use(g, slot) && now_ms - g->verify_ms >= VERIFY_EVERY_MS) {
        g->verify_ms = now_ms;
        verify(l, g, index, slot, now_ms);
    }
}

void judge_acquit(struct links *l, struct group *g, int16_t slot, const char *reason,
                  int64_t now_ms)
{
    for (uint32_t i = 0; i < l->egress_n; i++)
        if (g->cell[l->order[i]])
            path_acquit(&g->cell[l->order[i]]->path);
    targets_absolve(g, NO_SLOT, g->suspect_ms - RUN_MS);
    g->destination_suspect = false;
    g->fine_ms = now_ms;
    say_path(l, g, slot, LINKS_DESTINATION_FINE, reason, now_ms);
}

static void judge_destination(struct links *l, struct group *g, int64_t now_ms)
{
    int16_t through = NO_SLOT;
    for (uint32_t i = 0; i < l->egress_n; i++) {
        const struct cell *c = g->cell[l->order[i]];
        if (c && c->path.ok_start_ms > g->suspect_ms)
            through = l->order[i];
    }
    if (through == NO_SLOT)
        return;
    judge_acquit(l, g, through, "connections get through again", now_ms);
}

void judge_group(struct links *l, struct group *g, uint32_t index, int64_t now_ms)
{
    bool more = false;
    if (g->destination_suspect)
        judge_destination(l, g, now_ms);
    for (uint32_t i = 0; i < l->egress_n && !g->destination_suspect; i++) {
        int16_t slot = l->order[i];
        if (!g->cell[slot] || g->cell[slot]->path.state != PATH_SUSPECT)
            continue;
        judge_path(l, g, index, slot, now_ms);
        more = more || g->cell[slot]->path.state == PATH_SUSPECT;
    }
    g->judge = more || g->destination_suspect;
}
