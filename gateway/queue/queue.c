#include "gateway/queue/queue.h"

#include <assert.h>
#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/queue/internal.h"
#include "policies/route.h"

enum {
    SWEEP_MS = 60000,
    LAST_CHANCE_MS = 600000 /* for mail that expired while no process ran */
};

/* ---- what delivery is told ---- */

static void on_announce(struct loop_task *task)
{
    struct queue *q = CONTAINER_OF(task, struct queue, announce);
    struct list sites = LIST_INIT(sites);
    list_splice_back(&sites, &q->ready_sites);
    for (struct list *node; (node = list_pop_front(&sites));) {
        struct site *site = CONTAINER_OF(node, struct site, ready_link);
        if (site->backoff_until_ms <= loop_now_ms(q->env.loop) && site_ready(site))
            q->events.ready(q->events.arg, site);
    }
}

static void on_sweep(struct timer *timer)
{
    struct queue *q = CONTAINER_OF(timer, struct queue, sweep);
    site_sweep(q, false);
    timer_set(q->env.loop, timer, SWEEP_MS);
}

/* ---- life ---- */

struct queue *queue_new(const struct queue_env *env, const struct queue_events *events)
{
    struct queue *q = mem_zero(sizeof *q);
    q->env = *env;
    q->events = *events;
    policies_ref(q->env.policies);
    q->sites = map_new();
    q->lookups = map_new();
    list_init(&q->site_list);
    list_init(&q->ready_sites);
    list_init(&q->limbo_busy);
    list_init(&q->limbo_waiting);
    list_init(&q->limbo_held);
    loop_task_init(&q->announce, on_announce);
    place_wheel_init(q);
    timer_init(&q->sweep, on_sweep);
    timer_set(env->loop, &q->sweep, SWEEP_MS);
    route_fixed_build(q);
    clock_watch(q);
    return q;
}

static void free_items(struct queue *q, struct list *items)
{
    for (struct list *node; (node = list_pop_front(items));) {
        struct item *item = CONTAINER_OF(node, struct item, node);
        wheel_del(q->wheel, &item->wake);
        item_free(&item);
    }
}

static void free_site_items(struct queue *q, struct site *site)
{
    free_items(q, &site->busy_items);
    free_items(q, &site->waiting_items);
    free_items(q, &site->held_items);
    LIST_EACH (at, &site->flows) {
        struct list items = LIST_INIT(items);
        sched_drain(&CONTAINER_OF(at, struct flow, link)->order, &items);
        free_items(q, &items);
    }
}

void queue_free(struct queue **queue)
{
    struct queue *q = *queue;
    if (!q)
        return;
    timer_stop(q->env.loop, &q->wake);
    timer_stop(q->env.loop, &q->sweep);
    loop_task_cancel(&q->announce);
    loop_clock_unwatch(&q->clock);
    lookups_free(q);
    LIST_EACH (at, &q->site_list)
        free_site_items(q, CONTAINER_OF(at, struct site, link));
    free_items(q, &q->limbo_busy);
    free_items(q, &q->limbo_waiting);
    free_items(q, &q->limbo_held);
    site_sweep(q, true);
    wheel_free(&q->wheel);
    map_free(&q->sites, NULL);
    route_fixed_free(q);
    policies_unref(&q->env.policies);
    free(q);
    *queue = NULL;
}

const struct policies *queue_policies(const struct queue *queue)
{
    return queue->env.policies;
}

/* ---- coming in ---- */

/* Mail that is due when it was accepted does not wait, however the clock was set since. */
void queue_submit(struct queue *queue, struct item *item)
{
    if (item->due_ms <= item->accepted_ms || item->due_ms <= loop_wall_ms(queue->env.loop)) {
        route_item(queue, item);
        return;
    }
    item_drop_body(item);
    place_waiting(queue, item, item->due_ms);
}

/* Nobody tried what expired while the gateway was down: it gets one more chance; but for what is to
 * be returned when it is late. */
static void take_in(struct queue *q, struct item *item)
{
    int64_t now = loop_wall_ms(q->env.loop);
    clock_mend(q, item);
    if (item->expire_ms <= now && !item_returns_late(item, now))
        item->expire_ms = now + LAST_CHANCE_MS;
    if (item->deadline_returns && item->expire_ms > item->deadline_ms) /* as it was accepted */
        item->expire_ms = item->deadline_ms;
    if (item->due_ms == ITEM_DUE_HELD)
        place_held(q, item);
    else
        place_waiting(q, item, item->due_ms);
}

static void on_load(struct mail *mail)
{
    struct item *item = CONTAINER_OF(mail, struct item, travel.mail);
    struct queue *q = item->travel.to;
    list_init(&item->node);
    wheel_node_init(&item->wake);
    take_in(q, item);
}

void queue_load(struct queue *queue, struct item *item)
{
    struct queue *to = queue->env.all[owner_of(queue, item_key(item))];
    item->site = NULL;
    item->travel.to = to;
    item->travel.mail.fn = on_load;
    mailbox_post(loop_mailbox(to->env.loop), &item->travel.mail);
}

/* ---- coming back from delivery ---- */

/* A reload may turn a route with fixed hosts into one by MX, or the other way round. */
static bool same_kind(const struct conf_route *route, const struct site *site)
{
    return route && (route->hosts.n > 0) == (site->mx == NULL);
}

/* An operator's wish that came while the item was BUSY; true when it decided the item's fate. */
static bool follow_order(struct queue *q, struct item *item)
{
    enum item_order order = item->order;
    item->order = ORDER_NONE;
    switch (order) {
    case ORDER_NONE:
        return false;
    case ORDER_HOLD:
        hold_item(q, item);
        return true;
    case ORDER_DROP:
        place_trouble(q, item, TROUBLE_DROP, "dropped by the operator");
        return true;
    case ORDER_BOUNCE:
        place_trouble(q, item, TROUBLE_BOUNCE, "bounced by the operator");
        return true;
    }
    return false;
}

void queue_return(struct queue *queue, struct item *item)
{
    assert(item->state == ITEM_BUSY);
    if (follow_order(queue, item))
        return;
    if (!item->site) {
        route_item(queue, item);
        return;
    }
    const struct conf_route *route = policies_route_named(queue->env.policies, item_route(item));
    if (!same_kind(route, item->site) ||
        item->site->backoff_until_ms > loop_now_ms(queue->env.loop))
        route_item(queue, item);
    else
        place_ready(item, site_flow(item->site, route), true);
}

void queue_defer(struct queue *queue, struct item *item, int64_t due_ms)
{
    assert(item->state == ITEM_BUSY);
    item_drop_body(item);
    item->tried_n = 0;
    item->goes_on = due_ms <= loop_wall_ms(queue->env.loop);
    if (follow_order(queue, item))
        return;
    if (item->wants_egress) { /* one may have come back meanwhile */
        place_nowhere(queue, item);
        route_item(queue, item);
        return;
    }
    place_waiting(queue, item, due_ms);
}

void queue_finish(struct queue *queue, struct item **item)
{
    assert((*item)->state == ITEM_BUSY);
    place_nowhere(queue, *item);
    item_free(item);
}

/* ---- reload ---- */

/* Taken off the lane first: what belongs to this flow after all comes back to its end. */
static void reroute_flow(struct queue *q, struct flow *flow)
{
    struct list items = LIST_INIT(items);
    sched_drain(&flow->order, &items);
    while (!list_empty(&items))
        route_item(q, CONTAINER_OF(items.next, struct item, node));
}

/* A rule asks where it is, and none has before: none of its mail goes before that is known. */
static bool place_is_wanted(const struct queue *q, const struct site *site)
{
    return !site->place && policies_traffic_needs_place(q->env.policies);
}

static void take_policies(struct site *site, const struct policies *policies)
{
    LIST_EACH (node, &site->flows) {
        struct flow *flow = CONTAINER_OF(node, struct flow, link);
        flow->route = policies_route_named(policies, slice_of(flow->name));
    }
    site_reconfigure(site);
}

void queue_reconfigure(struct queue *queue, struct policies *policies)
{
    route_fixed_free(queue);
    policies_ref(policies);
    policies_unref(&queue->env.policies);
    queue->env.policies = policies;
    route_fixed_build(queue);
    LIST_EACH (at, &queue->site_list)
        take_policies(CONTAINER_OF(at, struct site, link), policies);
    LIST_EACH (at, &queue->site_list) {
        struct site *site = CONTAINER_OF(at, struct site, link);
        LIST_EACH (node, &site->flows) {
            struct flow *flow = CONTAINER_OF(node, struct flow, link);
            if (!same_kind(flow->route, site) || !site->mx || place_is_wanted(queue, site))
                reroute_flow(queue, flow);
        }
        if (site_ready(site))
            site_announce(site);
    }
}
