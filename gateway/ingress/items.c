/*
 * ingress/items — the recipients of a message, split into what is scheduled
 *
 *   Recipients with the same destination key, lane and times share an item. The key is
 *   "route/domain", or the route alone when the route has fixed hosts (queue/item); when the route
 *   depends on where the destination is, what is left of the choice stands for it (policies/route).
 *   One pass over the recipients with a hash table in the transaction's arena, so ten thousand of
 *   them cost no more than each by itself.
 */
#include <assert.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/ingress/transaction.h"
#include "policies/retry.h"

struct group {
    struct group *next;             /* in order of their first recipient */
    const struct conf_route *route; /* NULL: `open` */
    struct slice open;              /* of policies_route_put_open() */
    enum lane lane;
    enum lane_source by;
    const struct conf_priority *times; /* the rule that gives it some; NULL: none does */
    struct tx_recipient *first, **last;
    size_t n;
};

struct grouping {
    struct group **slots;
    size_t mask;
    struct group *first, **last;
    size_t n;
};

static struct fact_header *header_facts(const struct transaction *tx, size_t *n_r)
{
    *n_r = 0;
    if (!tx->rules->headers_n)
        return NULL;
    struct fact_header *facts = arena_alloc(tx->arena, tx->rules->headers_n * sizeof *facts);
    for (size_t i = 0; i < tx->rules->headers_n; i++) {
        struct fact_header *f = &facts[*n_r];
        f->name = tx->rules->headers[i];
        *n_r += header_scan_value(&tx->header, i, &f->value);
    }
    return facts;
}

/* What is known of the message; where its recipients are is not, and is not waited for. */
static void message_facts(const struct transaction *tx, struct facts *f)
{
    *f = (struct facts){ .size = tx->envelope.size };
    transaction_facts(tx, tx->envelope.received_ms, f);
    f->headers = header_facts(tx, &f->header_count);
    f->known |= FACT_BIT(WHEN_HEADER) | FACT_BIT(WHEN_SIZE);
}

static bool has_hosts(const struct conf_route *route)
{
    return route && route->hosts.n;
}

static bool same_group(const struct group *g, const struct group *wanted, struct slice domain)
{
    return g->route == wanted->route && g->lane == wanted->lane && g->times == wanted->times &&
           (has_hosts(g->route) || slice_eq(g->first->domain, domain)) &&
           slice_eq(g->open, wanted->open);
}

/* The slot of the group, or the empty one where it belongs. */
static struct group **find_slot(struct grouping *g, const struct group *wanted, struct slice domain)
{
    uint64_t hash = (uint64_t)(uintptr_t)wanted->route / sizeof *wanted->route;
    hash += (uint64_t)wanted->lane;
    if (!has_hosts(wanted->route))
        hash += slice_hash(domain);
    size_t i = hash & g->mask;
    while (g->slots[i] && !same_group(g->slots[i], wanted, domain))
        i = (i + 1) & g->mask;
    return &g->slots[i];
}

static void choose_route(struct transaction *tx, const struct facts *f, struct group *group)
{
    struct route_choice choice = policies_route(tx->rules->policies, f);
    if (!choice.undecided) {
        group->route = choice.route;
        return;
    }
    struct buf open;
    buf_init(&open, ROUTE_OPEN_MAX);
    policies_route_put_open(tx->rules->policies, f, &open);
    struct slice s = buf_slice(&open);
    group->open = (struct slice){ arena_strndup(tx->arena, s.p, s.n), s.n };
    buf_free(&open);
}

/* One place for the message, whatever the number of its recipients. */
static bool may_be_urgent(struct transaction *tx)
{
    const struct session *s = tx->session;
    if (tx->urgent == URGENT_NOT_ASKED) {
        bool granted = ruleset_take_urgent(tx->rules, s->client, s->user,
                                           loop_now_ms(tx->in->env.loop), &tx->place);
        tx->urgent = granted ? URGENT_GRANTED : URGENT_OVER_QUOTA;
        if (!granted)
            counter_add(tx->in->counters, COUNTER_URGENT_LOWERED, 1);
    }
    return tx->urgent == URGENT_GRANTED;
}

static void choose_lane(struct transaction *tx, const struct facts *f, struct group *group)
{
    struct lane_choice choice = policies_lane(tx->rules->policies, f, tx->priority);
    group->lane = choice.lane;
    group->by = choice.source;
    if (choice.rule && (choice.rule->deliver_by || choice.rule->hold_for))
        group->times = choice.rule;
    if (group->lane == LANE_URGENT && !may_be_urgent(tx)) {
        group->lane = (enum lane)LANE_OVER_QUOTA;
        group->by = LANE_BY_QUOTA;
    }
}

static void group_add(struct transaction *tx, struct grouping *g, struct facts *f,
                      struct tx_recipient *r)
{
    facts_set_recipient(f, r->as.address);
    f->recipient_domain = r->domain;
    struct group wanted = { .lane = LANE_NORMAL };
    choose_lane(tx, f, &wanted);
    f->lane = wanted.lane;
    f->known |= FACT_BIT(WHEN_PRIORITY);
    choose_route(tx, f, &wanted);
    struct group **slot = find_slot(g, &wanted, r->domain), *group = *slot;
    f->known &= ~FACT_BIT(WHEN_PRIORITY);
    if (!group || group->n == ITEM_RECIPIENTS_MAX) {
        group = *slot = arena_alloc(tx->arena, sizeof *group);
        *group = wanted;
        group->last = &group->first;
        *g->last = group;
        g->last = &group->next;
        g->n++;
    }
    *group->last = r;
    group->last = &r->peer;
    group->n++;
}

static void make_groups(struct transaction *tx, struct grouping *g)
{
    size_t slots = 4;
    while (slots < tx->recipients_n * 2)
        slots *= 2;
    *g = (struct grouping){ .mask = slots - 1 };
    g->slots = arena_alloc(tx->arena, slots * sizeof(struct group *));
    g->last = &g->first;
    struct facts facts;
    message_facts(tx, &facts);
    for (struct tx_recipient *r = tx->first; r; r = r->next)
        group_add(tx, g, &facts, r);
}

static struct slice group_key(struct transaction *tx, const struct group *group)
{
    assert(group->first); /* made for its first recipient */
    struct slice route = group->route ? group->route->name : group->open;
    struct slice domain = group->first->domain;
    if (has_hosts(group->route))
        return route;
    char *key = arena_alloc(tx->arena, route.n + 1 + domain.n);
    memcpy(key, route.p, route.n);
    key[route.n] = '/';
    memcpy(key + route.n + 1, domain.p, domain.n);
    return (struct slice){ key, route.n + 1 + domain.n };
}

/* What the next hop is told: the number the client gave as far as it holds, or what a rule says. */
static int set_priority(const struct transaction *tx, const struct group *group, struct envelope *e)
{
    int told = mt_priority_in_lane(e->mt_priority, group->lane);
    e->mt_priority = (int8_t)told;
    e->mt_priority_given = tx->priority.given || told != 0;
    return told;
}

/* When it may leave for the first time: item_since_ms() of the item it becomes. */
static int64_t leaves_ms(const struct envelope *e)
{
    return e->hold.until_ms > e->received_ms ? e->hold.until_ms : e->received_ms;
}

/* The client's own times win over a rule's. */
static void set_times(const struct group *group, struct envelope *e)
{
    const struct conf_priority *rule = group->times;
    if (!rule)
        return;
    if (rule->hold_for && !e->hold.until_ms)
        e->hold = (struct mail_hold){ e->received_ms + rule->hold_for,
                                      (uint32_t)(rule->hold_for / 1000) };
    if (!rule->deliver_by || e->by.mode != BY_NONE)
        return;
    e->by = (struct deliver_by){ .mode = rule->late == CONF_LATE_RETURN ? BY_RETURN : BY_NOTIFY,
                                 .ours = true,
                                 .at_ms = leaves_ms(e) + rule->deliver_by };
}

/* Mail that is held has its whole time after that; a deadline does not add to it. */
static int64_t expiry_of(const struct transaction *tx, const struct group *group,
                         const struct envelope *e)
{
    const struct conf_retry *retry = &tx->rules->conf->rules.retry.lane[group->lane];
    int64_t expiry = retry_expiry(retry, leaves_ms(e));
    return e->by.mode == BY_RETURN && e->by.at_ms < expiry ? e->by.at_ms : expiry;
}

static struct item *make_item(struct transaction *tx, const struct group *group, unsigned sub,
                              unsigned count)
{
    struct envelope e = tx->envelope;
    int told = set_priority(tx, group, &e);
    set_times(group, &e);
    if (sub == 0)
        tx->final_priority = told;
    e.recipients_n = group->n;
    e.recipients = arena_alloc(tx->arena, group->n * sizeof *e.recipients);
    struct recipient *at = e.recipients;
    for (const struct tx_recipient *r = group->first; r; r = r->peer)
        *at++ = r->as;
    struct buf *packed = &tx->in->scratch;
    buf_clear(packed);
    envelope_pack(&e, packed);
    struct spool_item record = {
        .id = tx->id,
        .sub = (uint16_t)sub,
        .count = (uint16_t)count,
        .lane = (uint8_t)group->lane,
        .accepted_ms = e.received_ms,
        .due_ms = leaves_ms(&e),
        .expire_ms = expiry_of(tx, group, &e),
        .body_size = e.size,
        .dest = group_key(tx, group),
        .env = buf_slice(packed),
    };
    return packed->full ? NULL : item_new(&record);
}

enum rc items_make(struct transaction *tx)
{
    struct grouping g;
    make_groups(tx, &g);
    if (g.n > SPOOL_ITEMS_MAX)
        return RC_LIMIT;
    tx->items = arena_alloc(tx->arena, g.n * sizeof(struct item *));
    assert(g.first); /* there is a recipient */
    tx->by = g.first->by;
    tx->route = g.first->route ? g.first->route->name : SLICE_LIT("*");
    for (const struct group *group = g.first; group; group = group->next) {
        struct item *item = make_item(tx, group, tx->items_n, (unsigned)g.n);
        if (!item)
            return RC_LIMIT;
        tx->items[tx->items_n++] = item;
    }
    return RC_OK;
}
