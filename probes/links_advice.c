/*
 * probes/links_advice — the advice table and the rows of the history
 */
#include <stdlib.h>

#include "probes/links_internal.h"

static const int64_t SOON_MS = 20, AT_LEAST_EVERY_MS = 10 * 1000;

static bool due(const struct links *l, int64_t now_ms)
{
    int64_t since = now_ms - l->advice_ms;
    if (l->egress_n == 0)
        return false;
    return l->version == 0 || (l->changed && since >= SOON_MS) ||
           (l->dirty && since >= LINKS_ADVICE_EVERY_MS) || since >= AT_LEAST_EVERY_MS;
}

static int16_t index_of(const struct links *l, int16_t slot)
{
    return slot == NO_SLOT ? ADVICE_NONE : l->slot[slot].conf_index;
}

static void fill_group(const struct links *l, const struct group *g, struct advice *a,
                       struct advice_group *group)
{
    group->carrier = advice_text(a, text_slice(g->carrier));
    group->region = advice_text(a, text_slice(g->region));
    group->think_ms = view_think(g);
    group->destination_suspect = g->destination_suspect;
    group->preferred = index_of(l, g->prefer[SIZE_SMALL].slot);
    group->preferred_large = index_of(l, g->prefer[SIZE_LARGE].slot);
}

/* In the order of the table. How many. */
static uint32_t collect_groups(const struct links *l, const struct group *groups[LINKS_GROUPS_MAX])
{
    uint32_t n = 0;
    for (uint32_t g = 0; g < l->group_n; g++)
        if (!l->group[l->sorted[g]]->left)
            groups[n++] = l->group[l->sorted[g]];
    return n;
}

struct advice *links_advice(struct links *l, int64_t now_ms)
{
    const struct group *groups[LINKS_GROUPS_MAX];
    if (!due(l, now_ms))
        return NULL;
    struct advice *a = advice_new(l->egress_n, collect_groups(l, groups));
    a->version = ++l->version;
    a->made_ms = now_ms;
    for (uint32_t e = 0; e < l->egress_n; e++) {
        const struct slot *s = &l->slot[l->order[e]];
        a->egress[e] = (struct advice_egress){ .name = advice_text(a, text_slice(s->name)),
                                               .fault = s->fault,
                                               .probed = s->fault_word != WORD_OF_WORKER,
                                               .share = 1 };
    }
    for (uint32_t g = 0; g < a->group_n; g++) {
        fill_group(l, groups[g], a, &a->group[g]);
        for (uint32_t e = 0; e < l->egress_n; e++)
            view_path(l, groups[g], l->order[e], now_ms, &a->path[(size_t)e * a->group_n + g]);
    }
    l->advice_ms = now_ms;
    l->changed = l->dirty = false;
    return a;
}

void links_renew(struct links *l)
{
    l->changed = true;
}

/* ---- history ---- */

/* The row as counted; what is counted begins anew. */
static void emit(struct links_minute *out, struct minute *m,
                 void (*row)(void *arg, const struct links_minute *minute), void *arg)
{
    out->connect = m->connect;
    out->samples = m->samples;
    out->tries = m->tries;
    out->first_ok = m->first_ok;
    out->mails = m->mails;
    out->probes = m->probes;
    if (m->connect) {
        out->connect_p50_ms = spread_quantile(m->connect, 0.5);
        out->connect_p95_ms = spread_quantile(m->connect, 0.95);
    }
    row(arg, out);
    free(m->connect);
    *m = (struct minute){ .connect = NULL };
}

static bool counted(const struct cell *c)
{
    return c && (c->minute.samples || c->minute.probes);
}

static struct links_minute row_of_path(const struct links *l, const struct group *g, int16_t slot,
                                       int64_t now_ms)
{
    struct advice_path path;
    view_path(l, g, slot, now_ms, &path);
    return (struct links_minute){
        .egress = text_slice(l->slot[slot].name),
        .carrier = text_slice(g->carrier),
        .region = text_slice(g->region),
        .rtt_ms = (double)path.rtt_ms,
        .loss = (double)path.loss,
        .goodput = (double)path.goodput,
        .cost_ms = view_cost(l, g, slot, SIZE_SMALL, now_ms),
        .cost_large_ms = view_cost(l, g, slot, SIZE_LARGE, now_ms),
        .state = path.state,
        .preferred = g->prefer[SIZE_SMALL].slot == slot,
        .preferred_large = g->prefer[SIZE_LARGE].slot == slot,
        .destination_suspect = g->destination_suspect,
    };
}

void links_minutes(struct links *l, int64_t now_ms,
                   void (*row)(void *arg, const struct links_minute *minute), void *arg)
{
    for (uint32_t g = 0; g < l->group_n; g++) {
        const struct group *group = l->group[l->sorted[g]];
        for (uint32_t e = 0; e < l->egress_n; e++) {
            struct cell *c = group->cell[l->order[e]];
            if (!counted(c))
                continue;
            struct links_minute out = row_of_path(l, group, l->order[e], now_ms);
            emit(&out, &c->minute, row, arg);
        }
    }
    for (uint32_t e = 0; e < l->egress_n; e++) {
        struct slot *s = &l->slot[l->order[e]];
        struct links_minute out = { .egress = text_slice(s->name),
                                    .carrier = slice_of(LINKS_LEG_CARRIER),
                                    .region = slice_of(LINKS_LEG_REGION) };
        if (!counted(s->leg))
            continue;
        view_leg(l, l->order[e], now_ms, &out);
        emit(&out, &s->leg->minute, row, arg);
    }
}
