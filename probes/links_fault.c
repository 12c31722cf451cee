/*
 * probes/links_fault — an egress as a whole: what it reports itself, and what its paths show
 *
 *   The row of the failure matrix (egress x group), what began to fail in the last 30 s: when at
 *   least three groups fail by an egress, they are 60 % or more of those it was tried for, and
 *   other egresses reach them, the egress is to blame; then the groups that have not noticed yet
 *   leave it, too. It is fine again once one of its paths has proved itself and nothing failed for
 *   10 s; the others that were down only because of the egress come back with it, unless this has
 *   happened to them before: then each has to prove itself. When none is down any more (their
 *   verdicts have lapsed, or a reload made something else of the egress) nothing is left to blame.
 *
 *   Two groups in trouble at once are a doubt: mail of the others goes elsewhere for the moment.
 */
#include <stdio.h>

#include "probes/links_internal.h"

static const int64_t WINDOW_MS = 30 * 1000, CALM_MS = 10 * 1000;
static const double BAD_SHARE = 0.6;
enum { BAD_GROUPS = 3, PROVED = 1, DOUBT_GROUPS = 2, DOUBT_PIECES = 3 };

void fault_set(struct links *l, int16_t slot, uint8_t fault, const char *reason, int64_t now_ms)
{
    struct slot *s = &l->slot[slot];
    if (s->fault == fault)
        return;
    s->fault = fault;
    s->fault_ms = now_ms;
    struct links_event event = { .kind =
                                     fault == EGRESS_FINE ? LINKS_EGRESS_FINE : LINKS_EGRESS_FAULT,
                                 .at_ms = now_ms,
                                 .from = text_slice(s->name),
                                 .fault = fault,
                                 .reason = reason };
    links_emit(l, &event);
    for (uint32_t g = 0; g < l->group_n; g++)
        l->group[g]->hurry = true;
}

void links_ask_again(struct links *l)
{
    for (uint32_t i = 0; i < l->egress_n; i++) {
        struct slot *s = &l->slot[l->order[i]];
        if ((s->fault != EGRESS_UNPLUMBED && s->fault != EGRESS_PROXY_DOWN) ||
            s->fault_word != WORD_OF_WORKER)
            continue;
        s->fault_word = WORD_OUTDATED;
        l->changed = true;
    }
}

/* One row of the matrix. */
struct row {
    unsigned bad, good;
    int64_t since_ms; /* first sign of trouble */
};

static bool reached_by_others(const struct links *l, const struct group *g, int16_t slot,
                              int64_t since_ms)
{
    for (uint32_t i = 0; i < l->egress_n; i++) {
        int16_t other = l->order[i];
        if (other != slot && g->cell[other] && g->cell[other]->path.ok_end_ms &&
            g->cell[other]->path.ok_start_ms >= since_ms)
            return true;
    }
    return false;
}

static void add_group(const struct links *l, const struct group *g, int16_t slot, int64_t now_ms,
                      struct row *row)
{
    const struct path *p = g->cell[slot] ? &g->cell[slot]->path : NULL;
    if (!p || g->destination_suspect)
        return;
    int64_t run = path_run_start(p);
    bool failing = p->n > 0 && path_failures(p) > 0 && now_ms - run < WINDOW_MS &&
                   (p->state == PATH_SUSPECT || p->state == PATH_DOWN) && !p->by_egress;
    if (failing && reached_by_others(l, g, slot, run)) {
        row->bad++;
        row->since_ms = run < row->since_ms ? run : row->since_ms;
    } else if (p->state == PATH_UP && now_ms - p->ok_end_ms < WINDOW_MS) {
        row->good++;
    }
}

/* A success before the trouble began is no good sign. */
static unsigned good_since(const struct links *l, int16_t slot, int64_t since_ms)
{
    unsigned n = 0;
    for (uint32_t i = 0; i < l->group_n; i++) {
        const struct cell *c = l->group[i]->cell[slot];
        n += c && c->path.state == PATH_UP && c->path.ok_start_ms > since_ms;
    }
    return n;
}

static void blame(struct links *l, int16_t slot, const struct row *row, int64_t now_ms)
{
    char reason[160];
    for (uint32_t i = 0; i < l->group_n; i++) {
        struct cell *c = l->group[i]->cell[slot];
        if (!c || c->path.ok_start_ms > row->since_ms)
            continue;
        if (c->path.state != PATH_DOWN)
            path_down(&c->path, true, now_ms);
        else if (path_run_start(&c->path) >= row->since_ms)
            c->path.by_egress = true; /* what showed it */
    }
    (void)snprintf(reason, sizeof reason, "%u groups fail that other egresses reach, %u do not",
                   row->bad, row->good);
    fault_set(l, slot, EGRESS_PATHS_DOWN, reason, now_ms);
}

static void accuse(struct links *l, int16_t slot, int64_t now_ms)
{
    struct row row = { .since_ms = now_ms };
    for (uint32_t i = 0; i < l->group_n; i++)
        add_group(l, l->group[i], slot, now_ms, &row);
    if (row.bad < BAD_GROUPS)
        return;
    row.good = good_since(l, slot, row.since_ms);
    if (row.bad >= BAD_SHARE * (row.bad + row.good))
        blame(l, slot, &row, now_ms);
}

static void relieve(struct links *l, int16_t slot, int64_t now_ms)
{
    unsigned proved = 0, down = 0, failing = 0;
    for (uint32_t i = 0; i < l->group_n; i++) {
        const struct cell *c = l->group[i]->cell[slot];
        proved += c && c->path.state == PATH_UP && c->path.up_ms > l->slot[slot].fault_ms;
        down += c && c->path.state == PATH_DOWN;
        failing +=
            c && c->path.fail_end_ms > c->path.ok_end_ms && now_ms - c->path.fail_end_ms < CALM_MS;
    }
    if ((proved < PROVED && down > 0) || failing > 0)
        return;
    for (uint32_t i = 0; i < l->group_n; i++) {
        struct cell *c = l->group[i]->cell[slot];
        if (c && c->path.state == PATH_DOWN && c->path.by_egress && c->path.need <= PATH_NEED)
            path_up(&c->path, now_ms);
    }
    fault_set(l, slot, EGRESS_FINE,
              proved ? "its paths get through again" : "none of its paths is down any more",
              now_ms);
}

/* Two groups have trouble at the same time, and nothing has got through since: the other groups had
 * better go by another egress until it is clear what is wrong. Where little is sent that takes
 * longer than the trouble is new. */
static void doubt(struct links *l, int16_t slot, int64_t now_ms)
{
    int64_t since_ms = now_ms, ok_ms = 0;
    unsigned groups = 0, pieces = 0, troubled = 0;
    for (uint32_t i = 0; i < l->group_n; i++) {
        const struct cell *c = l->group[i]->cell[slot];
        if (!c)
            continue;
        ok_ms = c->path.ok_start_ms > ok_ms ? c->path.ok_start_ms : ok_ms;
        int64_t run = path_run_start(&c->path);
        if (l->group[i]->destination_suspect || c->path.by_egress ||
            (c->path.state != PATH_SUSPECT && c->path.state != PATH_DOWN) || c->path.n == 0)
            continue;
        troubled++;
        if (now_ms - run > CALM_MS)
            continue;
        groups++;
        pieces += c->path.n;
        since_ms = run < since_ms ? run : since_ms;
    }
    struct slot *s = &l->slot[slot];
    bool doubtful = groups >= DOUBT_GROUPS && pieces >= DOUBT_PIECES && ok_ms < since_ms;
    bool still = s->doubt_ms && ok_ms < s->doubt_ms && troubled >= DOUBT_GROUPS;
    if ((doubtful || still) != (s->doubt_ms != 0))
        l->changed = true;
    if (!still)
        s->doubt_ms = doubtful ? since_ms : 0;
}

void fault_judge(struct links *l, int16_t slot, int64_t now_ms)
{
    doubt(l, slot, now_ms);
    if (l->slot[slot].fault == EGRESS_FINE)
        accuse(l, slot, now_ms);
    else if (l->slot[slot].fault == EGRESS_PATHS_DOWN)
        relieve(l, slot, now_ms);
}
