/*
 * reputation/standing_cell — one address at one provider: quota, warm-up, and when it is forgotten
 *
 *   A day of warm-up is 24 hours that begin with mail. Only days with mail count; each that passes
 *   its gate makes the quota 1.4 times as large, each that fails takes one step back.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "reputation/standing_internal.h"

struct cell cell_fresh(const struct member *m, int64_t now_ms)
{
    bool warm = m->warmup_ms == 0;
    return (struct cell){ .warm = warm,
                          .state = warm ? STANDING_CLEAN : STANDING_PROBATION,
                          .since_ms = now_ms,
                          .used_ms = now_ms,
                          .rate = 1 };
}

struct cell *cell_new(const struct member *m, struct slice provider, int64_t now_ms)
{
    struct cell *c = mem_zero(sizeof *c);
    *c = cell_fresh(m, now_ms);
    c->provider = mem_strndup(provider.p, provider.n);
    c->reason = mem_strdup("");
    return c;
}

void cell_free(struct cell *c)
{
    free(c->provider);
    free(c->reason);
    free(c);
}

enum standing_state cell_base(const struct cell *c)
{
    return c->warm ? STANDING_CLEAN : STANDING_PROBATION;
}

/* ---- finding and making room ---- */

static int name_cmp(struct slice a, const char *b)
{
    size_t n = strlen(b), shorter = a.n < n ? a.n : n;
    int order = memcmp(a.p, b, shorter);
    return order ? order : (a.n > n) - (a.n < n);
}

static uint32_t place_of(const struct member *m, struct slice name, bool *there_r)
{
    uint32_t low = 0, high = m->cell_n;
    *there_r = false;
    while (low < high && !*there_r) {
        uint32_t mid = low + (high - low) / 2;
        int order = name_cmp(name, m->cell[mid]->provider);
        *there_r = order == 0;
        if (order < 0)
            high = mid;
        else
            low = *there_r ? mid : mid + 1;
    }
    return low;
}

static struct slice key_of(struct slice provider, char key[STANDING_NAME_MAX])
{
    size_t n = standing_clean(provider, key, STANDING_NAME_MAX);
    return n ? (struct slice){ key, n } : slice_of("other");
}

struct cell *cell_find(const struct member *m, struct slice provider)
{
    char key[STANDING_NAME_MAX];
    bool there = false;
    uint32_t at = place_of(m, key_of(provider, key), &there);
    return there ? m->cell[at] : NULL;
}

/* It would begin anew: warm, or cold again. */
static void cell_drop(struct standing *s, struct member *m, uint32_t index, const char *reason)
{
    struct cell *c = m->cell[index];
    enum standing_state anew = m->warmup_ms ? STANDING_PROBATION : STANDING_CLEAN;
    if (c->state != anew)
        standing_move(s, m, c, anew, reason);
    cell_free(c);
    memmove(m->cell + index, m->cell + index + 1, (--m->cell_n - index) * sizeof(void *));
}

/* The higher, the more would be lost with it. */
static int worth(const struct cell *c)
{
    return c->state == STANDING_BLOCKED ? 2 : c->state == STANDING_CLEAN ? 0 : 1;
}

static void make_room(struct standing *s, struct member *m)
{
    uint32_t equal = STANDING_PROVIDERS_ALL / s->conf_n;
    uint32_t limit = equal < STANDING_PROVIDERS_MAX ? equal : STANDING_PROVIDERS_MAX;
    while (m->cell_n >= limit) {
        uint32_t least = 0;
        for (uint32_t i = 1; i < m->cell_n; i++) {
            const struct cell *c = m->cell[i], *l = m->cell[least];
            if (worth(c) < worth(l) || (worth(c) == worth(l) && c->used_ms < l->used_ms))
                least = i;
        }
        cell_drop(s, m, least, "too many providers");
    }
}

struct cell *cell_get(struct standing *s, struct member *m, struct slice provider)
{
    char key[STANDING_NAME_MAX];
    struct slice name = key_of(provider, key);
    bool there = false;
    uint32_t at = place_of(m, name, &there);
    if (!there) {
        make_room(s, m);
        at = place_of(m, name, &there);
        if (m->cell_n == m->cell_cap) {
            m->cell_cap = m->cell_cap ? 2 * m->cell_cap : 8;
            m->cell = mem_grow(m->cell, m->cell_cap, sizeof(void *));
        }
        memmove(m->cell + at + 1, m->cell + at, (m->cell_n - at) * sizeof(void *));
        m->cell[at] = cell_new(m, name, s->now_ms);
        m->cell_n++;
    }
    m->cell[at]->used_ms = s->now_ms;
    m->due_ms = 0;
    return m->cell[at];
}

/* ---- how much ---- */

double cell_quota(const struct member *m, const struct cell *c)
{
    double quota = HUGE_VAL;
    if (!c->warm)
        quota = WARM_PER_HOUR * pow(WARM_GROWTH, c->step);
    if (m->ramp < 1)
        quota = fmin(quota, fmax(WARM_PER_HOUR, m->ramp * c->former));
    if (c->state == STANDING_THROTTLED || c->resort)
        quota = fmin(quota, fmax(1, (c->resort ? RATE_LEAST : c->rate) * c->cap));
    return isinf(quota) ? -1 : quota;
}

double cell_tokens(const struct member *m, const struct cell *c, int64_t at_ms)
{
    double quota = cell_quota(m, c), burst = fmax(1, quota / BURST_OF_HOUR);
    if (quota < 0)
        return 0;
    if (!c->tokens_ms)
        return burst;
    return fmin(burst, c->tokens + quota * (double)(at_ms - c->tokens_ms) / HOUR_MS);
}

bool cell_canary(const struct cell *c, int64_t at_ms)
{
    return c->state == STANDING_BLOCKED && !c->resort && at_ms >= c->until_ms &&
           (!c->canary_ms || at_ms - c->canary_ms >= CANARY_MS);
}

/* Mail a throttled address may not send yet waits for it, at least in part: going round the limits
 * of a provider by other addresses makes things worse. */
double cell_share(const struct cell *c)
{
    return c->resort                        ? 0.5
           : c->state == STANDING_BLOCKED   ? 0
           : c->state == STANDING_THROTTLED ? fmax(0.5, c->rate)
                                            : 1;
}

uint32_t standing_take(struct standing *s, int member, struct slice provider, uint32_t want,
                       int64_t now_ms)
{
    struct member *m = standing_member(s, member);
    standing_advance(s, now_ms);
    if (!m || !want || !member_carries(m))
        return 0;
    struct cell *c = cell_get(s, m, provider);
    if (c->state == STANDING_BLOCKED && !c->resort) {
        if (!cell_canary(c, s->now_ms))
            return 0;
        c->canary_ms = s->now_ms;
        return 1;
    }
    if (cell_quota(m, c) < 0)
        return want;
    c->tokens = cell_tokens(m, c, s->now_ms);
    c->tokens_ms = s->now_ms;
    uint32_t given = c->tokens < want ? (uint32_t)c->tokens : want;
    c->tokens -= given;
    c->day_pressed = c->day_pressed || given < want;
    return given;
}

void standing_give_back(struct standing *s, int member, struct slice provider, uint32_t unused,
                        int64_t now_ms)
{
    struct member *m = standing_member(s, member);
    standing_advance(s, now_ms);
    struct cell *c = m ? cell_find(m, provider) : NULL;
    if (!c || !unused)
        return;
    if (c->state == STANDING_BLOCKED && !c->resort) {
        c->canary_ms = 0;
    } else if (c->tokens_ms) {
        c->tokens = cell_tokens(m, c, s->now_ms) + unused;
        c->tokens_ms = s->now_ms;
        c->tokens = fmin(c->tokens, fmax(1, cell_quota(m, c) / BURST_OF_HOUR));
    }
}

/* ---- warm-up ---- */

/* When it was refused too often to outweigh that soon, it begins to prove itself anew. */
static bool cell_proven(struct cell *c, int64_t now_ms)
{
    if (!c->first_ms || now_ms - c->first_ms < PROVEN_MS || c->accepted < PROVEN_MAILS)
        return false;
    uint64_t all = (uint64_t)c->accepted + c->refused, most = (uint64_t)c->refused * PROVEN_OF;
    if (most > all + PROVEN_MAILS) {
        c->accepted = c->refused = 0;
        c->first_ms = now_ms;
        return false;
    }
    return most < all;
}

static void warm_day(struct standing *s, struct member *m, struct cell *c)
{
    bool failed =
        c->day_bad || m->listed_ms >= c->day_ms ||
        (c->day_temporary >= GATE_LEAST && (uint64_t)c->day_temporary * GATE_OF >= c->day_sent);
    bool grows = (m->state == STANDING_PROBATION || m->state == STANDING_CLEAN) && !m->capped &&
                 member_points(m, s->now_ms) < standing_weights.suspect;
    uint32_t step = c->step;
    if (failed)
        c->step -= c->step > 0;
    else if (grows && c->step < WARM_STEPS)
        c->step++;
    s->version += step != c->step;
    if (!cell_proven(c, s->now_ms) || failed || !grows || c->day_pressed)
        return;
    c->warm = true;
    if (c->state == STANDING_PROBATION)
        standing_move(s, m, c, STANDING_CLEAN, "it has proved itself and its quota sufficed");
}

static void day_check(struct standing *s, struct member *m, struct cell *c)
{
    if (!c->day_ms || s->now_ms - c->day_ms < DAY_MS)
        return;
    if (!c->warm)
        warm_day(s, m, c);
    c->day_ms = 0; /* the next begins with the next mail */
    c->day_sent = c->day_temporary = 0;
    c->day_bad = c->day_pressed = false;
}

void cells_rewarm(struct standing *s, struct member *m, bool warm)
{
    for (uint32_t i = 0; i < m->cell_n; i++) {
        struct cell *c = m->cell[i];
        c->warm = warm;
        c->step = c->accepted = c->refused = 0;
        c->first_ms = c->day_ms;
        if ((c->state == STANDING_CLEAN || c->state == STANDING_PROBATION) &&
            c->state != cell_base(c))
            standing_move(s, m, c, cell_base(c), "its warm-up was changed in the configuration");
    }
}

/* ---- time ---- */

static bool cold(const struct cell *c, int64_t now_ms)
{
    return now_ms - c->used_ms >= COLD_DAYS * (int64_t)DAY_MS && now_ms >= c->until_ms;
}

static int64_t next_due(const struct cell *c, int64_t now_ms)
{
    int64_t due = c->used_ms + COLD_DAYS * (int64_t)DAY_MS;
    if (c->day_ms && c->day_ms + DAY_MS < due)
        due = c->day_ms + DAY_MS;
    if (c->until_ms > now_ms && c->until_ms < due)
        due = c->until_ms;
    return due;
}

void cells_tick(struct standing *s, struct member *m)
{
    int64_t due = INT64_MAX;
    for (uint32_t i = m->cell_n; i-- > 0;) {
        struct cell *c = m->cell[i];
        day_check(s, m, c);
        if (cold(c, s->now_ms)) {
            cell_drop(s, m, i, "idle for 30 days");
            continue;
        }
        s->version += c->state == STANDING_BLOCKED && c->until_ms > m->checked_ms &&
                      c->until_ms <= s->now_ms; /* the canary may fly */
        int64_t next = next_due(c, s->now_ms);
        due = next < due ? next : due;
    }
    m->checked_ms = s->now_ms;
    m->due_ms = due;
}
