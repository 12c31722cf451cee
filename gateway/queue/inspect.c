#include "gateway/queue/inspect.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/mail/address.h"
#include "gateway/mail/envelope.h"
#include "gateway/queue/internal.h"

/* ---- matching ---- */

/* `domain`: asked of the recipients, because the key does not hold one (fixed hosts). */
static bool addresses_match(const struct queue_filter *f, const struct item *item, bool domain)
{
    struct arena *arena = arena_new(1024);
    struct envelope env;
    bool to = !f->by_to && !domain, from = !f->by_from;
    if (envelope_unpack(item_envelope(item), arena, &env) == RC_OK) {
        from = from || pattern_match(&f->from, env.sender);
        for (size_t i = 0; !to && i < env.recipients_n; i++) {
            struct slice address = env.recipients[i].address;
            to = (!f->by_to || pattern_match(&f->to, address)) &&
                 (!domain || pattern_match(&f->domain, address_domain(address)));
        }
    }
    arena_free(&arena);
    return to && from;
}

static bool site_matches(const struct queue_filter *f, const struct site *site)
{
    return site && (pattern_match(&f->site, slice_of(site->name)) ||
                    pattern_match(&f->site, slice_of(site->key)));
}

static bool matches(const struct queue *q, const struct queue_filter *f, const struct item *item)
{
    if (f->by_id && spool_id_cmp(f->id, item->id) != 0)
        return false;
    if (f->by_lane && f->lane != item->lane)
        return false;
    if (f->age_min_ms && loop_wall_ms(q->env.loop) - item->accepted_ms < f->age_min_ms)
        return false;
    bool keyed = item_domain(item).n > 0;
    if (f->by_domain && keyed && !pattern_match(&f->domain, item_domain(item)))
        return false;
    if (f->by_site && !site_matches(f, item->site))
        return false;
    if (f->also && !f->also(f->also_arg, item))
        return false;
    bool domain = f->by_domain && !keyed;
    return (!f->by_to && !f->by_from && !domain) || addresses_match(f, item, domain);
}

/* ---- visiting ---- */

struct visit {
    struct queue *queue;
    const struct queue_filter *filter;
    bool (*fn)(void *arg, const struct item *item);
    void *arg;
};

static bool visit_list(void *arg, struct list *items)
{
    struct visit *v = arg;
    LIST_EACH (node, items) {
        struct item *item = CONTAINER_OF(node, struct item, node);
        if (matches(v->queue, v->filter, item) && !v->fn(v->arg, item))
            return false;
    }
    return true;
}

static bool visit_lookup(void *arg, struct slice domain, void *value)
{
    (void)domain;
    return visit_list(arg, lookup_items(value));
}

static bool visit_site(struct visit *v, struct site *site)
{
    LIST_EACH (at, &site->flows) {
        struct flow *flow = CONTAINER_OF(at, struct flow, link);
        if (!sched_each(&flow->order, visit_list, v))
            return false;
    }
    return visit_list(v, &site->busy_items) && visit_list(v, &site->waiting_items) &&
           visit_list(v, &site->held_items);
}

void queue_each(struct queue *queue, const struct queue_filter *filter,
                bool (*fn)(void *arg, const struct item *item), void *arg)
{
    struct visit v = { queue, filter, fn, arg };
    LIST_EACH (at, &queue->site_list)
        if (!visit_site(&v, CONTAINER_OF(at, struct site, link)))
            return;
    if (visit_list(&v, &queue->limbo_busy) && visit_list(&v, &queue->limbo_waiting) &&
        visit_list(&v, &queue->limbo_held))
        map_each(queue->lookups, visit_lookup, &v);
}

/* ---- the table of sites ---- */

enum { MINUTE_S = 60, ERROR_MAX = RECIPIENT_REPLY_MAX + 64 };

const int64_t queue_age_s[QUEUE_AGES - 1] = { MINUTE_S,       5 * MINUTE_S,   10 * MINUTE_S,
                                              20 * MINUTE_S,  40 * MINUTE_S,  80 * MINUTE_S,
                                              160 * MINUTE_S, 320 * MINUTE_S, 640 * MINUTE_S,
                                              1280 * MINUTE_S };

struct counting {
    struct queue_site_row *row;
    int64_t now_ms;
};

static bool note_age(void *arg, const struct item *item)
{
    struct counting *c = arg;
    int64_t age_ms = c->now_ms - item_since_ms(item);
    size_t at = 0;
    while (at < QUEUE_AGES - 1 && age_ms >= queue_age_s[at] * 1000)
        at++;
    c->row->ages[item->lane][at]++;
    if (c->row->oldest_ms == 0 || item->accepted_ms < c->row->oldest_ms)
        c->row->oldest_ms = item->accepted_ms;
    return true;
}

static bool count_item(void *arg, const struct item *item)
{
    ((struct counting *)arg)->row->waiting++;
    return note_age(arg, item);
}

static bool note_tried(void *arg, const struct item *item)
{
    if (item->attempts)
        *(const struct item **)arg = item;
    return true;
}

/* What waits was put off in the order of its list: the last that was tried knows the newest. */
static const struct item *last_tried_in_limbo(struct queue *q)
{
    static const struct queue_filter all;
    const struct item *last = NULL;
    struct visit v = { q, &all, note_tried, &last };
    visit_list(&v, &q->limbo_held);
    map_each(q->lookups, visit_lookup, &v);
    visit_list(&v, &q->limbo_waiting);
    return last;
}

/* What the recipients that still wait were told. */
static void put_told(struct buf *text, const struct item *item)
{
    struct arena *arena = arena_new(1024);
    struct envelope env;
    const struct recipient *told = NULL;
    if (envelope_unpack(item_envelope(item), arena, &env) == RC_OK)
        for (size_t i = 0; i < env.recipients_n; i++)
            if (env.recipients[i].state == RECIPIENT_PENDING && env.recipients[i].reply.n)
                told = &env.recipients[i];
    if (told)
        status_put_reply(text, told->code, told->status, told->reply);
    arena_free(&arena);
}

/* `error`: room for the text of the last one. */
static void limbo_row(struct queue *q, struct buf *error, struct queue_site_row *row)
{
    static const struct queue_filter all;
    struct counting counting = { row, loop_wall_ms(q->env.loop) };
    struct visit looked_up = { q, &all, count_item, &counting };
    struct visit rest = { q, &all, note_age, &counting };
    const struct item *tried = last_tried_in_limbo(q);
    if (tried)
        put_told(error, tried);
    buf_putc(error, '\0');
    *row = (struct queue_site_row){ .name = "", .key = "", .last_error = buf_slice(error).p };
    map_each(q->lookups, visit_lookup, &looked_up);
    row->busy = q->limbo_busy_n;
    row->waiting += q->limbo_waiting_n;
    row->held = q->limbo_held_n;
    visit_list(&rest, &q->limbo_busy);
    visit_list(&rest, &q->limbo_waiting);
    visit_list(&rest, &q->limbo_held);
}

static enum site_hold hold_of(const struct site *site, const struct queue_site_row *row)
{
    uint64_t ready = 0;
    for (int lane = 0; lane < LANE_COUNT; lane++)
        ready += row->ready[lane];
    if (ready == 0 && site->waiting == 0)
        return SITE_FREE;
    if (row->backoff_ms)
        return SITE_BACKOFF;
    if (site->no_egress)
        return SITE_NO_EGRESS;
    return ready ? (enum site_hold)site->hold : SITE_FREE;
}

static void site_row(struct site *site, struct queue_site_row *row)
{
    static const struct queue_filter all;
    struct counting counting = { row, loop_wall_ms(site->queue->env.loop) };
    struct visit v = { site->queue, &all, note_age, &counting };
    int64_t left = site->backoff_until_ms - loop_now_ms(site->queue->env.loop);
    *row = (struct queue_site_row){
        .name = site->name,
        .key = site->key,
        .last_error = site->last_error,
        .held_by = site->held_by,
        .busy = site->busy,
        .waiting = site->waiting,
        .held = site->held,
        .sessions = site->sessions,
        .backoff_ms = left > 0 ? left : 0,
        .failures = site->failures,
        .connections = site->limit.connections,
        .bears = site->bears,
    };
    LIST_EACH (at, &site->flows)
        for (int lane = 0; lane < LANE_COUNT; lane++)
            row->ready[lane] += CONTAINER_OF(at, struct flow, link)->order.ready[lane];
    row->hold = hold_of(site, row);
    visit_site(&v, site);
}

void queue_each_site(struct queue *queue, void (*fn)(void *arg, const struct queue_site_row *row),
                     void *arg)
{
    struct queue_site_row row;
    LIST_EACH (at, &queue->site_list) {
        site_row(CONTAINER_OF(at, struct site, link), &row);
        if (row.oldest_ms)
            fn(arg, &row);
    }
    struct buf error;
    buf_init(&error, ERROR_MAX);
    limbo_row(queue, &error, &row);
    if (row.oldest_ms)
        fn(arg, &row);
    buf_free(&error);
}

/* ---- acting ---- */

struct picked {
    struct item **at;
    size_t n, cap;
};

static bool pick(void *arg, const struct item *item)
{
    struct picked *p = arg;
    if (p->n == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 64;
        p->at = mem_grow(p->at, p->cap, sizeof(struct item *));
    }
    memcpy(&p->at[p->n++], &item, sizeof(struct item *));
    return true;
}

/* So that a restart keeps what the operator said. */
static void write_due(struct queue *q, struct item *item)
{
    struct spool_op op = { .kind = SPOOL_DEFER };
    item_record(item, &op.item);
    spool_apply(q->env.spool, &op, 1, NULL, NULL);
}

static bool retry(struct queue *q, struct item *item)
{
    if (item->state != ITEM_WAITING || item->release_ms > loop_wall_ms(q->env.loop))
        return false;
    if (item->site)
        site_succeeded(item->site);
    place_nowhere(q, item);
    route_item(q, item);
    return true;
}

void hold_item(struct queue *q, struct item *item)
{
    place_held(q, item);
    write_due(q, item);
    q->events.noted(q->events.arg, item, NOTE_HELD);
}

static bool hold(struct queue *q, struct item *item)
{
    if (item->state == ITEM_BUSY) {
        item->order = ORDER_HOLD;
        return true;
    }
    if (item->state == ITEM_HELD)
        return false;
    hold_item(q, item);
    return true;
}

static bool release(struct queue *q, struct item *item)
{
    if (item->state == ITEM_BUSY && item->order == ORDER_HOLD) { /* it was to be held after this */
        item->order = ORDER_NONE;
        return true;
    }
    if (item->state != ITEM_HELD)
        return false;
    int64_t now = loop_wall_ms(q->env.loop);
    item->due_ms = item->release_ms > now ? item->release_ms : now;
    write_due(q, item);
    q->events.noted(q->events.arg, item, NOTE_RELEASED);
    place_nowhere(q, item);
    if (item->due_ms > now)
        place_waiting(q, item, item->due_ms);
    else
        route_item(q, item);
    return true;
}

static bool end(struct queue *q, struct item *item, enum item_order order)
{
    if (item->state == ITEM_BUSY)
        item->order = (uint8_t)order;
    else if (order == ORDER_DROP)
        place_trouble(q, item, TROUBLE_DROP, "dropped by the operator");
    else
        place_trouble(q, item, TROUBLE_BOUNCE, "bounced by the operator");
    return true;
}

static bool act(struct queue *q, struct item *item, enum queue_action action)
{
    switch (action) {
    case QUEUE_RETRY:
        return retry(q, item);
    case QUEUE_HOLD:
        return hold(q, item);
    case QUEUE_RELEASE:
        return release(q, item);
    case QUEUE_DROP:
        return end(q, item, ORDER_DROP);
    case QUEUE_BOUNCE:
        return end(q, item, ORDER_BOUNCE);
    }
    return false;
}

/* Picked first, acted on after: acting moves items between the lists that are being walked. */
size_t queue_act(struct queue *queue, const struct queue_filter *filter, enum queue_action action)
{
    struct picked p = { NULL, 0, 0 };
    size_t changed = 0;
    queue_each(queue, filter, pick, &p);
    for (size_t i = 0; i < p.n; i++)
        changed += act(queue, p.at[i], action);
    free(p.at);
    return changed;
}
