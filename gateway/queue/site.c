#include "gateway/queue/site.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/mail/envelope.h"
#include "gateway/queue/internal.h"

enum {
    BACKOFF_FIRST_MS = 15000,
    BACKOFF_MAX_MS = 600000,
    UNUSED_MS = 600000, /* a site without mail or sessions is forgotten after this */
    SLOTS_MOST = 1000000
};

uint32_t flow_ready(const struct flow *flow)
{
    uint32_t n = 0;
    for (int lane = 0; lane < LANE_COUNT; lane++)
        n += flow->order.ready[lane];
    return n;
}

uint32_t site_ready(const struct site *site)
{
    uint32_t n = 0;
    for (int lane = 0; lane < LANE_COUNT; lane++)
        n += site_ready_in(site, (enum lane)lane);
    return n;
}

uint32_t site_ready_in(const struct site *site, enum lane lane)
{
    return site->order.ready[SCHED_SMALL_MAIL][lane] + site->order.ready[SCHED_LARGE_MAIL][lane];
}

/* ---- the order ---- */

static void look_at(struct list *node, struct sched_mail *mail_r)
{
    const struct item *item = CONTAINER_OF(node, struct item, node);
    *mail_r = (struct sched_mail){ .lane = (enum lane)item->lane,
                                   .client = item->client,
                                   .bytes = item->body_size };
}

struct item *site_front(struct site *site, struct flow *only, enum sched_for what,
                        struct flow **flow_r)
{
    struct queue *q = site->queue;
    struct sched_flow *from = only ? &only->order : NULL, *at;
    for (struct list *node;
         (node = sched_next(&site->order, from, what, loop_now_ms(q->env.loop), &at));) {
        struct item *item = CONTAINER_OF(node, struct item, node);
        *flow_r = CONTAINER_OF(at, struct flow, order);
        if (loop_wall_ms(q->env.loop) < item->expire_ms)
            return item;
        place_trouble(q, item, TROUBLE_EXPIRED, "waited too long");
    }
    return NULL;
}

void site_take(struct site *site, struct flow *flow, struct item *item, enum sched_for what)
{
    struct queue *q = site->queue;
    site->no_egress = false;
    sched_charge(&site->order, &flow->order, &item->node, what, loop_now_ms(q->env.loop));
    place_busy(q, item);
}

void site_charge_again(struct item *item)
{
    struct flow *flow = site_flow_named(item->site, item_route(item));
    if (flow)
        sched_charge_again(&item->site->order, &flow->order, &item->node,
                           loop_now_ms(item->site->queue->env.loop));
}

static int64_t shorter(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* All that is ready. */
static void put_off(struct flow *flow, int64_t wait_ms, bool wants_egress)
{
    struct list items = LIST_INIT(items);
    sched_drain(&flow->order, &items);
    LIST_EACH (node, &items) {
        struct item *item = CONTAINER_OF(node, struct item, node);
        place_put_off(flow->site->queue, item, wait_ms);
        item->wants_egress = wants_egress;
    }
}

static void note_error(struct site *site, const char *reason)
{
    snprintf(site->last_error, sizeof site->last_error, "%s", reason);
}

static int64_t first_wait(const struct site *site)
{
    const struct conf_retry *retry = &policies_conf(site->queue->env.policies)->rules.retry.all;
    return shorter(BACKOFF_FIRST_MS, retry->first);
}

void flow_failed(struct flow *flow, const char *reason)
{
    note_error(flow->site, reason);
    flow->site->no_egress = true;
    put_off(flow, first_wait(flow->site), true);
}

void flow_put_off(struct flow *flow, struct item *item, const char *reason)
{
    note_error(flow->site, reason);
    flow->site->no_egress = true;
    place_put_off(flow->site->queue, item, first_wait(flow->site));
    item->wants_egress = true;
}

void site_failed(struct site *site, const char *reason)
{
    struct queue *q = site->queue;
    const struct conf_retry *retry = &policies_conf(q->env.policies)->rules.retry.all;
    int64_t wait = first_wait(site);
    int64_t most = shorter(BACKOFF_MAX_MS, retry->max);
    for (uint32_t i = 0; i < site->failures && wait < most; i++)
        wait *= 2;
    site->failures++;
    wait = rnd_jitter(q->env.rnd, shorter(wait, most), 20);
    site->backoff_until_ms = loop_now_ms(q->env.loop) + wait;
    note_error(site, reason);
    LIST_EACH (at, &site->flows)
        put_off(CONTAINER_OF(at, struct flow, link), wait, false);
}

void site_succeeded(struct site *site)
{
    site->failures = 0;
    site->backoff_until_ms = 0;
}

/* ---- slots ---- */

void site_share_slots(struct site *site)
{
    uint64_t most = site->limit.connections ? site->limit.connections : SLOTS_MOST;
    most = most < SLOTS_MOST ? most : SLOTS_MOST;
    site->order.slots.all = site->bears ? slots_for((uint32_t)most, site->bears) : (uint32_t)most;
}

void site_bears(struct site *site, uint64_t sessions)
{
    uint32_t bears = (uint32_t)(sessions < SLOTS_MOST ? sessions : SLOTS_MOST);
    if (bears == site->bears)
        return;
    site->bears = bears;
    site_share_slots(site);
}

/* ---- making and finding ---- */

struct flow *site_flow_named(struct site *site, struct slice name)
{
    LIST_EACH (at, &site->flows) {
        struct flow *flow = CONTAINER_OF(at, struct flow, link);
        if (slice_eq_str(name, flow->name))
            return flow;
    }
    return NULL;
}

struct flow *site_flow(struct site *site, const struct conf_route *route)
{
    struct flow *flow = site_flow_named(site, route->name);
    if (flow)
        return flow;
    flow = mem_zero(sizeof *flow + route->name.n + 1);
    memcpy(flow->name, route->name.p, route->name.n);
    flow->site = site;
    flow->route = route;
    sched_flow_init(&site->order, &flow->order);
    list_push_back(&site->flows, &flow->link);
    return flow;
}

struct site *site_get(struct queue *q, struct slice key, struct mx_set *mx,
                      const struct geo_group *place, const struct conf_route *route,
                      struct item *first)
{
    struct site *site = map_get(q->sites, key);
    if (!site) {
        struct slice name = item_domain(first).n && mx ? item_domain(first) : item_route(first);
        site = mem_zero(sizeof *site);
        site->queue = q;
        site->key = mem_strndup(key.p, key.n);
        site->name = mem_strndup(name.p, name.n);
        list_init(&site->ready_link);
        list_init(&site->flows);
        sched_init(&site->order, look_at);
        list_init(&site->busy_items);
        list_init(&site->waiting_items);
        list_init(&site->held_items);
        site->mx = mx ? mx_set_ref(mx) : NULL;
        site->place = place;
        site_flow(site, route);
        site_reconfigure(site);
        list_push_back(&q->site_list, &site->link);
        map_put(q->sites, key, site);
    } else if (mx && site->mx != mx) {
        mx_set_unref(&site->mx);
        site->mx = mx_set_ref(mx);
    }
    if (place && place != site->place) {
        site->place = place;
        site_set_limits(site);
    }
    site->last_used_ms = loop_now_ms(q->env.loop);
    return site;
}

static void site_free(struct site *site)
{
    struct queue *q = site->queue;
    q->events.site_gone(q->events.arg, site);
    LIST_EACH (at, &site->flows) {
        struct flow *flow = CONTAINER_OF(at, struct flow, link);
        sched_flow_end(&flow->order);
        free(flow);
    }
    map_del(q->sites, slice_of(site->key));
    list_del(&site->link);
    list_del(&site->ready_link);
    mx_set_unref(&site->mx);
    free(site->by_domain);
    free(site->key);
    free(site->name);
    free(site);
}

void site_sweep(struct queue *q, bool all)
{
    int64_t now = loop_now_ms(q->env.loop);
    LIST_EACH (at, &q->site_list) {
        struct site *site = CONTAINER_OF(at, struct site, link);
        bool unused = !site->sessions && !site->busy && !site->waiting && !site->held &&
                      !site_ready(site) && now - site->last_used_ms > UNUSED_MS &&
                      now > site->backoff_until_ms;
        if (all || unused)
            site_free(site);
        else
            LIST_EACH (flow, &site->flows)
                sched_flow_trim(&CONTAINER_OF(flow, struct flow, link)->order);
    }
}

/* ---- telling delivery ---- */

void site_announce(struct site *site)
{
    struct queue *q = site->queue;
    if (!list_empty(&site->ready_link))
        return;
    list_push_back(&q->ready_sites, &site->ready_link);
    loop_task_schedule(q->env.loop, &q->announce);
}

void queue_wake(struct queue *queue, struct site *site)
{
    LIST_EACH (node, &site->waiting_items) {
        struct item *item = CONTAINER_OF(node, struct item, node);
        if (!item->wants_egress)
            continue;
        place_nowhere(queue, item);
        route_item(queue, item);
    }
    queue_kick(queue, site);
}

void queue_kick(struct queue *queue, struct site *site)
{
    (void)queue;
    if (site_ready(site))
        site_announce(site);
}
