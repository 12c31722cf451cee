#include "reputation/standing_advice.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "reputation/standing_internal.h"

enum {
    ROWS_MAX = ADVICE_STANDINGS_MAX,
    CANARIES_PER_HOUR = 4,
    ADDRESSES_MAX = 64,
    PAIR_MAX = 1 + ADDRESSES_MAX
};

/* Addresses of an egress that carry mail, by family. */
struct count {
    uint32_t of[ADDR_V6 + 1];
};

struct rows {
    struct advice_standing *at;
    uint32_t n;
    struct count carry[ADVICE_EGRESS_MAX];
};

static struct advice_standing row_of(int16_t egress, const struct addr *source,
                                     const struct standing_provider_view *v)
{
    struct advice_standing row = {
        .egress = egress, .provider = v->provider, .source = *source, .share = 1
    };
    row.source.port = 0;
    if (v->canary) {
        row.per_hour = CANARIES_PER_HOUR;
        return row;
    }
    row.share = v->eligible || v->last_resort ? (float)v->share : 0;
    row.last_resort = v->last_resort;
    if (v->quota_per_hour >= 0 && row.share > 0)
        row.per_hour = v->quota_per_hour < 1 ? 1 : (uint32_t)v->quota_per_hour;
    return row;
}

static bool is_free(const struct advice_standing *row)
{
    return row->share >= 1 && row->per_hour == 0;
}

static bool is_canary(const struct advice_standing *row)
{
    return row->share >= 1 && row->per_hour == CANARIES_PER_HOUR;
}

static void add_rows(const struct standing *s, int member, int16_t egress,
                     const struct addr *source, int64_t now_ms, struct rows *rows)
{
    struct standing_provider_view v;
    bool others = false;
    rows->carry[egress].of[source->family]++;
    if (standing_provider_find(s, member, slice_of(""), now_ms, &v)) {
        v.provider = slice_of("");
        struct advice_standing row = row_of(egress, source, &v);
        others = !is_free(&row);
        if (others && rows->n < ROWS_MAX)
            rows->at[rows->n++] = row;
    }
    for (uint32_t i = 0; i < standing_provider_n(s, member) && rows->n < ROWS_MAX; i++) {
        standing_provider_view(s, member, i, now_ms, &v);
        struct advice_standing row = row_of(egress, source, &v);
        if (v.provider.n && (others || !is_free(&row)))
            rows->at[rows->n++] = row;
    }
}

static int compare(const void *a, const void *b)
{
    return advice_standing_cmp(a, b);
}

static int by_address(const void *a, const void *b)
{
    return addr_cmp(a, b);
}

static bool same_pair(const struct advice_standing *a, const struct advice_standing *b)
{
    return a->egress == b->egress && slice_eq(a->provider, b->provider);
}

/* Blocked, or with a canary to fly: does another address of its family do better? */
static bool has_deputy(const struct rows *rows, const struct advice_standing *from, uint32_t n,
                       const struct advice_standing *row)
{
    uint8_t family = row->source.family;
    uint32_t no_better = 0;
    if (row->share > 0 && !is_canary(row))
        return false;
    for (uint32_t i = 0; i < n; i++)
        no_better += from[i].source.family == family &&
                     (from[i].share <= 0 || (is_canary(row) && is_canary(&from[i])));
    return no_better < rows->carry[from->egress].of[family];
}

/* How many addresses of the family may send there without limit. */
static uint32_t free_of(const struct rows *rows, const struct advice_standing *from, uint32_t n,
                        uint8_t family)
{
    uint32_t bound = 0;
    for (uint32_t i = 0; i < n; i++)
        bound += from[i].source.family == family && !is_free(&from[i]);
    return rows->carry[from->egress].of[family] - bound;
}

/* How many carry anything there. */
static uint32_t fit_of(const struct rows *rows, const struct advice_standing *from, uint32_t n,
                       uint8_t family)
{
    uint32_t out = 0;
    for (uint32_t i = 0; i < n; i++)
        out += from[i].source.family == family && (from[i].share <= 0 || is_canary(&from[i]));
    return rows->carry[from->egress].of[family] - out;
}

/* The rows of the egress for receivers that have none of their own. */
struct general {
    const struct advice_standing *at;
    uint32_t n;
};

/* An egress whose address is not known has one row for all, and none of an address. */
static bool speaks_of(const struct general *general, const struct advice_standing *row)
{
    bool one = row->provider.n && row->source.family != ADDR_NONE;
    for (uint32_t i = 0; one && i < general->n; i++)
        if (general->at[i].egress == row->egress &&
            addr_same_host(&general->at[i].source, &row->source))
            return true;
    return false;
}

static struct advice_standing free_row(const struct advice_standing *row)
{
    struct advice_standing free = *row;
    free.share = 1;
    free.per_hour = 0;
    free.last_resort = false;
    return free;
}

static void merge_row(struct advice_standing *all, const struct advice_standing *row, bool first)
{
    all->last_resort = row->last_resort || (!first && all->last_resort);
    all->share = first || row->share < all->share ? row->share : all->share;
    if (first || (row->per_hour && (!all->per_hour || row->per_hour < all->per_hour)))
        all->per_hour = row->per_hour;
}

/* The rows of one (egress, receiver), one per address, become what the egress has, and a row for
 * each that another can stand in for: it is left out beyond what it may send.
 *
 *   Blocked, or with a canary to fly: the others carry it all.
 *   A quota of ours (warm-up, after a release): what is above it goes by those that have none.
 *   Limited by the receiver: going round that by another address makes things worse. Addresses take
 *   turns, so the egress may have what this one may, times those that share its mail.
 *   When nobody is free, the least of it is that of the egress.
 *   What is said of an address for receivers in general, and not for this one, is taken back.
 *
 * Returns how many, which may be one more than there were; `to` has room for them. */
static uint32_t merge_pair(const struct rows *rows, const struct general *general,
                           const struct advice_standing *from, uint32_t n,
                           struct advice_standing *to)
{
    struct advice_standing all = *from;
    struct advice_standing out[ADDRESSES_MAX];
    uint32_t out_n = 0, merged = 0;
    all.source = (struct addr){ .family = ADDR_NONE };
    for (uint32_t i = 0; i < n; i++) {
        struct advice_standing row = from[i];
        uint8_t family = row.source.family;
        bool deputy = out_n < ADDRESSES_MAX - 1 && has_deputy(rows, from, n, &row);
        bool eased = !deputy && out_n < ADDRESSES_MAX - 1 && row.per_hour && !is_canary(&row) &&
                     free_of(rows, from, n, family) > 0;
        if (deputy || eased)
            out[out_n++] = row;
        else if (out_n < ADDRESSES_MAX - 1 && speaks_of(general, &row))
            out[out_n++] = free_row(&row);
        if (deputy || (eased && row.share >= 1))
            continue;
        if (eased)
            row.per_hour *= fit_of(rows, from, n, family);
        merge_row(&all, &row, merged++ == 0);
    }
    uint32_t kept = 0;
    if (merged)
        to[kept++] = all;
    memcpy(to + kept, out, out_n * sizeof *out);
    return kept + out_n;
}

/* What does not fit is left out, as in add_rows(). */
static void merge(struct rows *rows)
{
    size_t most = rows->n < ROWS_MAX / 2 ? 2 * (size_t)rows->n : ROWS_MAX + PAIR_MAX;
    struct advice_standing *made = mem_array(most, sizeof *made);
    struct general general = { NULL, 0 };
    uint32_t made_n = 0;
    qsort(rows->at, rows->n, sizeof *rows->at, compare);
    for (uint32_t i = 0, n; i < rows->n && made_n < ROWS_MAX; i += n) {
        const struct advice_standing *from = &rows->at[i];
        struct advice_standing *to = &made[made_n];
        for (n = 1; i + n < rows->n && same_pair(from, &from[n]); n++)
            ;
        uint32_t more = merge_pair(rows, &general, from, n, to);
        if (!from->provider.n) /* they come first */
            general = (struct general){ to, more };
        made_n += more;
    }
    free(rows->at);
    rows->at = made;
    rows->n = made_n < ROWS_MAX ? made_n : ROWS_MAX;
}

/* Returns the row of the member's egress when it may carry mail there, else ADVICE_NONE. */
static int take_member(const struct standing_view *v, struct advice *a, double *share,
                       struct addr *barred, uint32_t *barred_n)
{
    int row = advice_egress(a, v->egress);
    bool carries = v->eligible || v->last_resort;
    if (row == ADVICE_NONE)
        return row;
    if (carries && v->share > share[row])
        share[row] = v->share;
    if (!carries && v->address.family != ADDR_NONE && *barred_n < ADVICE_BARRED_MAX) {
        barred[*barred_n] = v->address;
        barred[(*barred_n)++].port = 0;
    }
    return carries ? row : ADVICE_NONE;
}

static void put_shares(struct advice *a, const double *share, const bool *known)
{
    for (uint32_t e = 0; e < a->egress_n; e++) {
        if (!known[e])
            continue;
        a->egress[e].share = share[e] > 0 ? share[e] : 1;
        if (share[e] <= 0 && a->egress[e].fault != EGRESS_UNPLUMBED &&
            a->egress[e].fault != EGRESS_PROXY_DOWN)
            a->egress[e].fault = EGRESS_BARRED;
    }
}

/* By another egress that shares the address: then the bar is that of its egress alone. */
static bool is_carried(const struct standing *s, const struct addr *address)
{
    for (uint32_t i = 0; i < s->conf_n; i++) {
        const struct member *m = s->member[i];
        if (member_carries(m) && addr_same_host(&m->address, address))
            return true;
    }
    return false;
}

static uint32_t drop_carried(const struct standing *s, struct addr *barred, uint32_t n)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++)
        if (!is_carried(s, &barred[i]))
            barred[kept++] = barred[i];
    return kept;
}

/* How many add_rows() can add of all members. */
static uint32_t most_rows(const struct standing *s)
{
    uint32_t n = 0;
    for (uint32_t m = 0; m < standing_member_n(s) && n < ROWS_MAX; m++)
        n += 1 + standing_provider_n(s, (int)m);
    return n < ROWS_MAX ? n : ROWS_MAX;
}

void standing_put_advice(const struct standing *s, int64_t now_ms, struct advice *a)
{
    double share[ADVICE_EGRESS_MAX] = { 0 };
    bool known[ADVICE_EGRESS_MAX] = { false };
    struct addr *barred = mem_array(standing_member_n(s), sizeof *barred);
    struct rows *rows = mem_zero(sizeof *rows);
    rows->at = mem_array(most_rows(s), sizeof *rows->at);
    uint32_t barred_n = 0;
    for (uint32_t m = 0; m < standing_member_n(s); m++) {
        struct standing_view v;
        if (!standing_view(s, (int)m, now_ms, &v))
            continue;
        int row = advice_egress(a, v.egress);
        if (row != ADVICE_NONE)
            known[row] = true;
        row = take_member(&v, a, share, barred, &barred_n);
        if (row != ADVICE_NONE)
            add_rows(s, (int)m, (int16_t)row, &v.address, now_ms, rows);
    }
    barred_n = drop_carried(s, barred, barred_n);
    put_shares(a, share, known);
    merge(rows);
    advice_standings(a, rows->n, barred_n);
    for (uint32_t i = 0; i < rows->n; i++) {
        a->standing[i] = rows->at[i];
        a->standing[i].provider = advice_text(a, rows->at[i].provider);
    }
    memcpy(a->barred, barred, barred_n * sizeof *barred);
    if (barred_n)
        qsort(a->barred, barred_n, sizeof *a->barred, by_address);
    free(rows->at);
    free(rows);
    free(barred);
}
