/*
 * reputation/dnsbl_decide — from the answers of one sweep to verdicts
 */
#include <string.h>

#include "reputation/dnsbl_internal.h"

enum outcome { ROUND_NOTHING, ROUND_CLEAR, ROUND_LISTED, ROUND_ALONE };

struct tally {
    unsigned listed, clear, believed; /* of so many that may be believed */
    int by;                           /* a resolver that lists it; -1: none */
    const char *why;                  /* of one without an answer */
};

static struct tally count(const struct list_watch *l, const struct cell *c)
{
    struct tally t = { .by = -1 };
    for (unsigned r = 0; r < l->conf.resolver_n; r++) {
        const struct gate *g = &l->gates[r][dnsbl_family(c)];
        const struct dnsbl_finding *vote = &c->votes[r];
        t.believed += g->passed;
        if (!g->passed || (c->asked[r] && vote->state == LIST_UNKNOWN)) {
            t.why = g->passed ? vote->why : g->why;
        } else if (c->asked[r]) {
            t.listed += vote->state == LIST_LISTED;
            t.clear += vote->state == LIST_CLEAR;
            if (vote->state == LIST_LISTED)
                t.by = (int)r;
        }
    }
    return t;
}

/* What the round says: two that agree and are more than those who do not, or the only one. One that
 * lists it while the others say nothing is remembered. */
static enum outcome outcome_of(struct tally t)
{
    if (t.listed >= 2 && t.listed > t.clear)
        return ROUND_LISTED;
    if (t.clear && t.clear > t.listed && (t.clear >= 2 || t.believed == 1))
        return ROUND_CLEAR;
    return t.listed && !t.clear ? ROUND_ALONE : ROUND_NOTHING;
}

/* The same resolver again after a while, or meanwhile another one. */
static bool confirmed(const struct cell *c, int by, int64_t now_ms)
{
    return c->alone_by >= 0 && (c->alone_by != by || now_ms - c->alone_ms >= CONFIRM_MS);
}

/* ROUND_ALONE becomes ROUND_LISTED by confirmation. Changes nothing. */
static enum outcome read_round(const struct list_watch *l, const struct cell *c, int64_t now_ms,
                               struct tally *tally_r)
{
    *tally_r = count(l, c);
    enum outcome o = outcome_of(*tally_r);
    return o == ROUND_ALONE && confirmed(c, tally_r->by, now_ms) ? ROUND_LISTED : o;
}

/* When a resolver that may be believed was last put to the test, the one longest ago. */
static int64_t tested_ms(const struct list_watch *l, const struct cell *c)
{
    int64_t oldest = INT64_MAX;
    for (unsigned r = 0; r < l->conf.resolver_n; r++) {
        const struct gate *g = &l->gates[r][dnsbl_family(c)];
        if (c->asked[r] && g->passed && g->tested_ms < oldest)
            oldest = g->tested_ms;
    }
    return oldest;
}

/* Whether this clear round frees an address: of the list, or of what others remember of it. */
static bool frees(const struct list_watch *l, const struct cell *c, int64_t now_ms)
{
    if (c->state == LIST_LISTED)
        return c->clear_rounds + 1 >= CLEAR_ROUNDS;
    return c->suspect && now_ms - tested_ms(l, c) >= TEST_FRESH_MS;
}

bool dnsbl_candidates(struct list_watch *l, int64_t now_ms)
{
    bool any = false;
    l->borne_out = false;
    for (size_t i = 0; i < l->cell_n; i++) {
        struct cell *c = &l->cells[i];
        struct tally t;
        if (!c->swept)
            continue;
        enum outcome o = read_round(l, c, now_ms, &t);
        if (o != ROUND_NOTHING || !l->hold_until_ms) /* no answer ends no suspicion */
            c->candidate = o == ROUND_LISTED && c->state != LIST_LISTED;
        l->borne_out = l->borne_out || (o == ROUND_LISTED && c->candidate);
        c->leaves = o == ROUND_CLEAR && frees(l, c, now_ms);
        any = any || c->candidate || c->leaves;
    }
    return any;
}

/* ---- verdicts ---- */

void dnsbl_listing_of(const struct list_watch *l, const struct cell *c, struct buf *link,
                      struct listing *verdict_r)
{
    bool listed = c->state == LIST_LISTED;
    buf_clear(link);
    zone_put_link(listed ? l->conf.link : "", &c->address, link);
    buf_putc(link, '\0');
    *verdict_r = (struct listing){ .source = l->conf.zone,
                                   .address = c->address,
                                   .state = c->state,
                                   .was = c->state,
                                   .since_ms = c->since_ms,
                                   .checked_ms = c->checked_ms,
                                   .problem = c->problem,
                                   .dead = c->dead,
                                   .what = "",
                                   .text = "",
                                   .link = buf_slice(link).p };
    if (!listed)
        return;
    verdict_r->answer = c->answer;
    verdict_r->points = c->code->points;
    verdict_r->many = c->many;
    verdict_r->kind = c->many && c->code->kind == ZONE_HARD ? ZONE_SOFT : c->code->kind;
    verdict_r->what = c->code->text;
    verdict_r->text = c->text;
    verdict_r->expires = l->conf.expires;
}

static void tell(const struct dnsbl *d, const struct list_watch *l, const struct cell *c,
                 enum listing_state was, bool changed)
{
    struct listing verdict;
    struct buf link;
    buf_init(&link, 1024);
    dnsbl_listing_of(l, c, &link, &verdict);
    verdict.was = was;
    verdict.changed = changed;
    d->hooks.verdict(d->hooks.arg, &verdict);
    buf_free(&link);
}

static void change(const struct dnsbl *d, const struct list_watch *l, struct cell *c,
                   enum listing_state state, int64_t now_ms)
{
    enum listing_state was = c->state;
    if (was != state)
        c->since_ms = now_ms;
    if (was != state && !c->before)
        c->many = state == LIST_LISTED && l->fault == LIST_MANY;
    c->state = state;
    c->clear_rounds = 0;
    c->alone_by = -1;
    c->candidate = false;
    if (state != LIST_LISTED) {
        c->before = c->many = false;
        c->code = NULL;
        c->text[0] = '\0';
    }
    tell(d, l, c, was, true);
}

static const struct dnsbl_finding *gravest(const struct list_watch *l, const struct cell *c)
{
    const struct dnsbl_finding *best = NULL;
    for (unsigned r = 0; r < l->conf.resolver_n; r++) {
        const struct dnsbl_finding *f = &c->votes[r];
        if (c->asked[r] && l->gates[r][dnsbl_family(c)].passed && f->state == LIST_LISTED &&
            (!best || f->code->points > best->code->points))
            best = f;
    }
    return best;
}

static void list(const struct dnsbl *d, const struct list_watch *l, struct cell *c, int64_t now_ms)
{
    const struct dnsbl_finding *f = gravest(l, c);
    c->clear_rounds = 0;
    if (c->state == LIST_LISTED && (!f || c->code == f->code)) {
        tell(d, l, c, c->state, false);
        return;
    }
    if (!f)
        return;
    c->code = f->code;
    c->answer = f->answer;
    change(d, l, c, LIST_LISTED, now_ms);
}

static void clear(const struct dnsbl *d, const struct list_watch *l, struct cell *c, int64_t now_ms)
{
    c->alone_by = -1;
    c->clear_rounds++;
    if (c->state == LIST_UNKNOWN || (c->state == LIST_LISTED && c->clear_rounds >= CLEAR_ROUNDS))
        change(d, l, c, LIST_CLEAR, now_ms);
    else if (c->state == LIST_CLEAR)
        tell(d, l, c, c->state, false);
}

/* ---- when again ---- */

static void wait_again(struct cell *c, const struct list_watch *l, int64_t now_ms)
{
    int64_t wait = (int64_t)AGAIN_MS << (c->failures < 10 ? c->failures : 10);
    c->failures++;
    c->due_ms = now_ms + (wait < l->conf.interval_ms ? wait : l->conf.interval_ms);
}

/* The shortest TTL that was told, in ms; an hour at most. */
static int64_t ttl_of(const struct list_watch *l, const struct cell *c)
{
    int64_t shortest = HOUR_MS;
    bool any = false;
    for (unsigned r = 0; r < l->conf.resolver_n; r++) {
        if (!c->asked[r] || c->ttl_s[r] == 0)
            continue;
        int64_t ttl = (int64_t)c->ttl_s[r] * SECOND_MS;
        shortest = ttl < shortest ? ttl : shortest;
        any = true;
    }
    return any ? shortest : 0;
}

static void wait_interval(struct cell *c, const struct list_watch *l)
{
    int64_t wait = l->wait_ms, ttl = ttl_of(l, c);
    wait = ttl > wait ? ttl : wait;
    if (c->suspect && wait > SUSPECT_MS)
        wait = SUSPECT_MS;
    c->failures = 0;
    c->due_ms = l->sweep_ms + wait;
}

/* ---- the end of a sweep ---- */

/* Who gave no answer is tested now, and all when they contradict each other: one may have turned
 * bad since its last test, and then the others decide. */
static void doubt(struct list_watch *l, const struct cell *c, int64_t now_ms)
{
    struct tally t = count(l, c);
    bool all = t.listed && t.clear;
    for (unsigned r = 0; r < l->conf.resolver_n; r++) {
        struct gate *g = &l->gates[r][dnsbl_family(c)];
        bool doubtful = all || c->votes[r].state == LIST_UNKNOWN;
        if (c->asked[r] && g->passed && doubtful && g->next_ms > now_ms)
            g->next_ms = now_ms;
    }
}

static void settle(const struct dnsbl *d, const struct list_watch *l, struct cell *c,
                   int64_t now_ms)
{
    bool held = l->fault == LIST_HELD && !c->before;
    struct tally t;
    enum outcome o = read_round(l, c, now_ms, &t);
    if (o == ROUND_NOTHING) {
        c->problem = t.listed ? "the resolvers do not agree" : t.why ? t.why : "no resolver";
        wait_again(c, l, now_ms);
        return;
    }
    c->problem = NULL;
    c->checked_ms = c->known_ms = now_ms;
    c->dead = false;
    wait_interval(c, l);
    if (o == ROUND_CLEAR) {
        clear(d, l, c, now_ms);
    } else if (o == ROUND_ALONE && c->state != LIST_LISTED) {
        c->clear_rounds = 0;
        if (c->alone_by < 0) {
            c->alone_by = t.by;
            c->alone_ms = now_ms;
        }
        c->due_ms = c->alone_ms + CONFIRM_MS;
    } else if (o == ROUND_LISTED && held && c->state != LIST_LISTED) {
        if (c->due_ms > l->hold_until_ms)
            c->due_ms = l->hold_until_ms;
    } else {
        list(d, l, c, now_ms);
    }
}

void dnsbl_decide(struct dnsbl *d, struct list_watch *l, int64_t now_ms, struct rnd *rnd)
{
    dnsbl_candidates(l, now_ms);
    dnsbl_weigh(l, now_ms);
    /* The same for all: addresses are to be asked for together, so that their share means much. */
    l->wait_ms =
        l->conf.interval_ms - (int64_t)rnd_below(rnd, (uint64_t)l->conf.interval_ms / 10 + 1);
    for (size_t i = 0; i < l->cell_n; i++) {
        struct cell *c = &l->cells[i];
        if (!c->swept)
            continue;
        doubt(l, c, now_ms);
        settle(d, l, c, now_ms);
        c->swept = false;
    }
    dnsbl_look(d, l, now_ms);
}

void dnsbl_look(struct dnsbl *d, struct list_watch *l, int64_t now_ms)
{
    const struct cell *worst = NULL;
    l->look_ms = now_ms + MINUTE_MS;
    for (size_t i = 0; i < l->cell_n; i++) {
        struct cell *c = &l->cells[i];
        c->dead = now_ms - c->known_ms >= UNKNOWN_MS;
        if (!c->dead)
            continue;
        tell(d, l, c, c->state, false);
        if (!worst || c->known_ms < worst->known_ms)
            worst = c;
    }
    dnsbl_tell_fault(d, l, worst);
}
