#include "reputation/standing.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "reputation/standing_internal.h"

/* ---- texts and time ---- */

size_t standing_clean(struct slice text, char *out, size_t max)
{
    size_t n = text.n < max ? text.n : max;
    while (n < text.n && n > 0 && ((uint8_t)text.p[n] & 0xc0) == 0x80)
        n--; /* not in the middle of a character */
    for (size_t i = 0; i < n; i++) {
        uint8_t c = (uint8_t)text.p[i];
        out[i] = c < 0x20 || c == 0x7f ? ' ' : text.p[i];
    }
    return n;
}

char *standing_text(struct slice text, size_t max)
{
    char *copy = mem_zero(max + 1);
    (void)standing_clean(text, copy, max);
    return copy;
}

void standing_retext(char **text, const char *fresh)
{
    char *copy = mem_strdup(fresh); /* `fresh` may be part of the old one */
    free(*text);
    *text = copy;
}

void standing_advance(struct standing *s, int64_t now_ms)
{
    s->now_ms = standing_at(s, now_ms);
    s->wall_ms = now_ms < 0 ? 0 : now_ms < STANDING_TIME_MOST ? now_ms : STANDING_TIME_MOST;
}

int64_t standing_at(const struct standing *s, int64_t wall_ms)
{
    int64_t wall = wall_ms < STANDING_TIME_MOST ? wall_ms : STANDING_TIME_MOST;
    return s->now_ms + (wall > s->wall_ms ? wall - s->wall_ms : 0);
}

/* ---- members ---- */

struct member *member_new(struct slice egress, const struct addr *address)
{
    struct member *m = mem_zero(sizeof *m);
    m->egress = standing_text(egress, STANDING_NAME_MAX);
    m->reason = mem_strdup("");
    m->address = *address;
    m->address.port = 0;
    m->state = STANDING_CLEAN;
    m->ramp = 1;
    m->sessions = UINT32_MAX; /* unknown */
    return m;
}

void member_free(struct member *m)
{
    member_forget(m);
    for (uint32_t i = 0; i < m->cell_n; i++)
        cell_free(m->cell[i]);
    free(m->cell);
    free(m->egress);
    free(m->reason);
    free(m);
}

struct member *standing_member(const struct standing *s, int index)
{
    return index >= 0 && (uint32_t)index < s->conf_n ? s->member[index] : NULL;
}

static int find_among(const struct standing *s, uint32_t from, uint32_t to, struct slice egress,
                      const struct addr *address)
{
    char name[STANDING_NAME_MAX];
    struct slice key = { name, standing_clean(egress, name, sizeof name) };
    for (uint32_t i = from; i < to; i++)
        if (slice_eq_str(key, s->member[i]->egress) &&
            addr_same_host(address, &s->member[i]->address))
            return (int)i;
    return STANDING_NONE;
}

int standing_find(const struct standing *s, struct slice egress, const struct addr *address)
{
    return find_among(s, 0, s->conf_n, egress, address);
}

/* ---- life ---- */

struct standing *standing_new(const struct standing_hooks *hooks, int64_t now_ms)
{
    struct standing *s = mem_zero(sizeof *s);
    s->hooks = *hooks;
    s->now_ms = 1; /* 0 means never */
    standing_advance(s, now_ms);
    return s;
}

void standing_free(struct standing **standing)
{
    struct standing *s = *standing;
    if (!s)
        return;
    for (uint32_t i = 0; i < s->n; i++)
        member_free(s->member[i]);
    free(s->member);
    free(s->pool);
    free(s);
    *standing = NULL;
}

uint64_t standing_version(const struct standing *s)
{
    return s->version;
}

void standing_touched(struct standing *s, struct member *m)
{
    m->due_ms = 0;
    if (m->state != STANDING_DISABLED)
        member_settle(s, m);
    pools_check(s);
}

static void member_tick(struct standing *s, struct member *m)
{
    if (m->state != STANDING_DISABLED) {
        member_prove_anew(s, m);
        member_ramp_tick(s, m);
        member_settle(s, m);
    }
    if (s->now_ms >= m->due_ms)
        cells_tick(s, m);
}

static void forget_parked(struct standing *s)
{
    uint32_t kept = s->conf_n;
    for (uint32_t i = s->conf_n; i < s->n; i++) {
        struct member *m = s->member[i];
        if (s->now_ms - m->parked_ms < COLD_DAYS * (int64_t)DAY_MS)
            s->member[kept++] = m;
        else
            member_free(m);
    }
    s->n = kept;
}

void standing_tick(struct standing *s, int64_t now_ms)
{
    standing_advance(s, now_ms);
    for (uint32_t i = 0; i < s->conf_n; i++)
        member_tick(s, s->member[i]);
    forget_parked(s);
    pools_check(s);
}

/* ---- configuration ---- */

/* A new date means that the address is to be warmed up again. */
static void set_warmup(struct standing *s, struct member *m, int64_t warmup_ms)
{
    bool disabled = m->state == STANDING_DISABLED;
    uint8_t state = disabled ? m->before : m->state, to = state;
    if (m->warmup_ms == warmup_ms)
        return;
    m->warmup_ms = warmup_ms;
    m->begun = warmup_ms == 0;
    m->accepted = m->refused = 0;
    m->proving_ms = 0;
    s->dirty = true;
    s->version++;
    cells_rewarm(s, m, warmup_ms == 0);
    if (warmup_ms && (state == STANDING_CLEAN || state == STANDING_SUSPECT))
        to = STANDING_PROBATION;
    else if (!warmup_ms && state == STANDING_PROBATION && m->ramp >= 1)
        to = STANDING_CLEAN;
    if (disabled)
        m->before = to;
    else if (to != state)
        standing_move(s, m, NULL, to, "its warm-up was changed in the configuration");
}

static struct member *begin_member(struct standing *s, const struct standing_member *c)
{
    struct member *m = member_new(c->egress, &c->address);
    m->warmup_ms = c->warmup_ms > 0 ? c->warmup_ms : 0;
    m->state = m->warmup_ms ? STANDING_PROBATION : STANDING_CLEAN;
    m->begun = m->warmup_ms == 0;
    m->since_ms = s->now_ms;
    if (s->doubt && m->state == STANDING_CLEAN) {
        m->state = STANDING_SUSPECT;
        standing_retext(&m->reason, "what was known of it is lost");
    }
    return m;
}

void standing_doubt(struct standing *s)
{
    s->doubt = true;
}

static bool has_source(const struct standing_config *config, const char *source)
{
    for (uint32_t i = 0; i < config->source_n; i++)
        if (slice_eq_str(config->source[i], source))
            return true;
    return false;
}

static void drop_foreign(struct standing *s, struct member *m, const struct standing_config *config)
{
    for (uint32_t i = m->listing_n; config->source && i-- > 0;)
        if (!has_source(config, m->listing[i].source))
            listing_drop(s, m, i);
}

static bool is_wanted(const struct standing_config *config, const struct member *m)
{
    for (uint32_t i = 0; i < config->member_n && i < STANDING_MEMBERS_MAX; i++)
        if (slice_eq_str(config->member[i].egress, m->egress) &&
            addr_same_host(&config->member[i].address, &m->address))
            return true;
    return false;
}

/* An address that is another egress's now is the same address to receivers and lists: what is known
 * of it, and ordered, goes with it. The one that left last. */
static int find_moved(const struct standing *s, uint32_t from, const struct standing_config *config,
                      const struct standing_member *c)
{
    int best = STANDING_NONE;
    for (uint32_t i = from; i < s->n && c->address.family != ADDR_NONE; i++) {
        const struct member *m = s->member[i];
        if (addr_same_host(&c->address, &m->address) && !is_wanted(config, m) &&
            (best == STANDING_NONE || m->parked_ms > s->member[best]->parked_ms))
            best = (int)i;
    }
    if (best != STANDING_NONE) {
        struct member *m = s->member[best];
        free(m->egress);
        m->egress = standing_text(c->egress, STANDING_NAME_MAX);
    }
    return best;
}

/* Puts the configured ones in front, in their order; the rest is parked. What is named twice is
 * two members. */
static void arrange(struct standing *s, const struct standing_config *config)
{
    uint32_t want = config->member_n, filled = 0;
    want = want < STANDING_MEMBERS_MAX ? want : STANDING_MEMBERS_MAX;
    for (uint32_t i = 0; i < s->conf_n; i++)
        s->member[i]->parked_ms = s->now_ms;
    s->member = mem_grow(s->member, (size_t)s->n + want + 1, sizeof(void *));
    for (; filled < want; filled++) {
        const struct standing_member *c = &config->member[filled];
        int at = find_among(s, filled, s->n, c->egress, &c->address);
        if (at == STANDING_NONE)
            at = find_moved(s, filled, config, c);
        if (at == STANDING_NONE) {
            at = (int)s->n++;
            s->member[at] = begin_member(s, c);
        }
        struct member *m = s->member[at];
        memmove(s->member + filled + 1, s->member + filled, ((size_t)at - filled) * sizeof(void *));
        s->member[filled] = m;
    }
    s->conf_n = filled;
    while (s->n > s->conf_n + STANDING_MEMBERS_MAX)
        member_free(s->member[--s->n]);
}

static void apply(struct standing *s, struct member *m, const struct standing_config *config)
{
    const struct standing_member *c = &config->member[m->index];
    m->parked_ms = 0;
    drop_foreign(s, m, config);
    set_warmup(s, m, c->warmup_ms > 0 ? c->warmup_ms : 0);
    if (c->disabled != ((m->holds & HOLD_CONFIG) != 0))
        member_hold(s, m, HOLD_CONFIG, c->disabled,
                    c->disabled ? "disabled in the configuration" : "no longer disabled");
}

void standing_configure(struct standing *s, const struct standing_config *config, int64_t now_ms)
{
    standing_advance(s, now_ms);
    arrange(s, config);
    s->pool_n = config->pool_n < STANDING_POOLS_MAX ? config->pool_n : STANDING_POOLS_MAX;
    free(s->pool);
    s->pool = s->pool_n ? mem_copy(config->pool, s->pool_n * sizeof *s->pool) : NULL;
    s->min_active = config->min_active;
    s->acknowledge = config->acknowledge;
    s->send = config->last_resort == STANDING_SEND;
    s->dirty = true;
    s->doubt = false;
    s->version++;
    for (uint32_t i = 0; i < s->conf_n; i++)
        s->member[i]->index = i;
    for (uint32_t i = 0; i < s->conf_n; i++)
        apply(s, s->member[i], config);
    for (uint32_t i = 0; i < s->conf_n; i++)
        standing_touched(s, s->member[i]);
    pools_check(s);
}
