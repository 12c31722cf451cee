#include "reputation/standing_advice.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"

enum { ROWS_MAX = ADVICE_STANDINGS_MAX, CANARIES_PER_HOUR = 4 };

struct rows {
    struct advice_standing *at;
    uint32_t n;
};

static struct advice_standing row_of(int16_t egress, const struct standing_provider_view *v)
{
    struct advice_standing row = { .egress = egress, .provider = v->provider, .share = 1 };
    if (v->canary) {
        row.per_hour = CANARIES_PER_HOUR;
        return row;
    }
    row.share = v->eligible ? (float)v->share : 0;
    if (v->quota_per_hour >= 0 && row.share > 0)
        row.per_hour = v->quota_per_hour < 1 ? 1 : (uint32_t)v->quota_per_hour;
    return row;
}

static bool is_free(const struct advice_standing *row)
{
    return row->share >= 1 && row->per_hour == 0;
}

static void add_rows(const struct standing *s, int member, int16_t egress, int64_t now_ms,
                     struct rows *rows)
{
    struct standing_provider_view v;
    bool others = false;
    if (standing_provider_find(s, member, slice_of(""), now_ms, &v)) {
        v.provider = slice_of("");
        struct advice_standing row = row_of(egress, &v);
        others = !is_free(&row);
        if (others && rows->n < ROWS_MAX)
            rows->at[rows->n++] = row;
    }
    for (uint32_t i = 0; i < standing_provider_n(s, member) && rows->n < ROWS_MAX; i++) {
        standing_provider_view(s, member, i, now_ms, &v);
        struct advice_standing row = row_of(egress, &v);
        if (v.provider.n && (others || !is_free(&row)))
            rows->at[rows->n++] = row;
    }
}

static int compare(const void *a, const void *b)
{
    return advice_standing_cmp(a, b);
}

/* What several addresses of one egress have for one receiver becomes the least of it. */
static void merge(struct rows *rows)
{
    uint32_t kept = 0;
    qsort(rows->at, rows->n, sizeof *rows->at, compare);
    for (uint32_t i = 0; i < rows->n; i++) {
        struct advice_standing *last = kept ? &rows->at[kept - 1] : NULL;
        const struct advice_standing *row = &rows->at[i];
        if (!last || advice_standing_cmp(last, row)) {
            rows->at[kept++] = *row;
            continue;
        }
        if (row->share < last->share)
            last->share = row->share;
        if (row->per_hour && (!last->per_hour || row->per_hour < last->per_hour))
            last->per_hour = row->per_hour;
    }
    rows->n = kept;
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
static bool is_carried(const struct standing *s, const struct addr *address, int64_t now_ms)
{
    struct standing_view v;
    for (int m = 0; standing_view(s, m, now_ms, &v); m++)
        if ((v.eligible || v.last_resort) && addr_same_host(&v.address, address))
            return true;
    return false;
}

static uint32_t drop_carried(const struct standing *s, int64_t now_ms, struct addr *barred,
                             uint32_t n)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++)
        if (!is_carried(s, &barred[i], now_ms))
            barred[kept++] = barred[i];
    return kept;
}

void standing_put_advice(const struct standing *s, int64_t now_ms, struct advice *a)
{
    double share[ADVICE_EGRESS_MAX] = { 0 };
    bool known[ADVICE_EGRESS_MAX] = { false };
    struct addr *barred = mem_array(ADVICE_BARRED_MAX, sizeof *barred);
    struct rows rows = { .at = mem_array(ROWS_MAX, sizeof *rows.at) };
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
            add_rows(s, (int)m, (int16_t)row, now_ms, &rows);
    }
    barred_n = drop_carried(s, now_ms, barred, barred_n);
    put_shares(a, share, known);
    merge(&rows);
    advice_standings(a, rows.n, barred_n);
    for (uint32_t i = 0; i < rows.n; i++) {
        a->standing[i] = rows.at[i];
        a->standing[i].provider = advice_text(a, rows.at[i].provider);
    }
    memcpy(a->barred, barred, barred_n * sizeof *barred);
    free(rows.at);
    free(barred);
}
