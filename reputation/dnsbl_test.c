/*
 * reputation/dnsbl_test — which resolver may be believed about a list (RFC 5782 section 5)
 *
 *   A list that answers right has an entry for 127.0.0.2 and none for 127.0.0.1 (in IPv6 for the
 *   mapped addresses). One that was closed and lists everybody, a resolver that rewrites what does
 *   not exist or that the list does not serve: each fails one of the two.
 */
#include "reputation/dnsbl_internal.h"

enum family dnsbl_family(const struct cell *c)
{
    return c->address.family == ADDR_V6 ? FAMILY_V6 : FAMILY_V4;
}

static void begin(struct dnsbl *d, size_t list, unsigned resolver, enum family family)
{
    struct gate *g = &d->lists[list].gates[resolver][family];
    static const struct dnsbl_finding nothing = { LIST_UNKNOWN, "no answer", NULL, 0 };
    g->asked = true;
    g->must = g->must_not = nothing;
    dnsbl_ask_test(d, list, resolver, family);
}

bool dnsbl_tests_begin(struct dnsbl *d, size_t list, int64_t now_ms)
{
    struct list_watch *l = &d->lists[list];
    bool any = false;
    for (unsigned r = 0; r < l->conf.resolver_n; r++) {
        for (unsigned f = 0; f < FAMILIES; f++) {
            if (!l->gates[r][f].used || l->gates[r][f].next_ms > now_ms)
                continue;
            begin(d, list, r, (enum family)f);
            any = true;
        }
    }
    return any;
}

/* The word that makes a difference to the cell. */
static bool counts(const struct cell *c, unsigned resolver)
{
    enum listing_state says = c->votes[resolver].state;
    return c->swept && c->asked[resolver] &&
           ((c->candidate && says == LIST_LISTED) || (c->leaves && says == LIST_CLEAR));
}

void dnsbl_tests_verify(struct dnsbl *d, size_t list)
{
    struct list_watch *l = &d->lists[list];
    for (size_t i = 0; i < l->cell_n; i++) {
        const struct cell *c = &l->cells[i];
        enum family f = dnsbl_family(c);
        for (unsigned r = 0; r < l->conf.resolver_n; r++) {
            const struct gate *g = &l->gates[r][f];
            if (counts(c, r) && !g->asked && g->tested_ms < l->sweep_ms)
                begin(d, list, r, f);
        }
    }
}

/* Why the list or the resolver is not to be believed; NULL: it is. */
static const char *fault_of(const struct gate *g)
{
    if (g->must_not.state == LIST_LISTED)
        return "it lists 127.0.0.1: the list, or the resolver, lists everything";
    if (g->must.state == LIST_CLEAR)
        return "it does not list its test entry 127.0.0.2";
    if (g->must.state == LIST_UNKNOWN)
        return g->must.why;
    return g->must_not.state == LIST_UNKNOWN ? g->must_not.why : NULL;
}

static void end(struct gate *g, int64_t now_ms, struct rnd *rnd)
{
    g->asked = false;
    g->why = fault_of(g);
    g->passed = !g->why;
    g->tested_ms = now_ms;
    if (g->passed) {
        g->failures = 0;
        g->next_ms = now_ms + TEST_MS - (int64_t)rnd_below(rnd, TEST_MS / 10);
    } else {
        g->next_ms = now_ms + ((int64_t)TEST_AGAIN_MS << g->failures);
        g->failures += g->failures < TEST_DOUBLINGS;
    }
}

void dnsbl_tests_end(struct list_watch *l, int64_t now_ms, struct rnd *rnd)
{
    for (unsigned r = 0; r < l->conf.resolver_n; r++)
        for (unsigned f = 0; f < FAMILIES; f++)
            if (l->gates[r][f].asked)
                end(&l->gates[r][f], now_ms, rnd);
}
