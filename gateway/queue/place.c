/*
 * queue/place — every change of an item's state happens here (the table in item.h)
 *
 *   Each place_x() takes the item from wherever it is, so lists and counts cannot disagree.
 */
#include <assert.h>

#include "gateway/queue/internal.h"

enum { EARLY_MS = 10 }; /* the clocks are read one after the other */

static struct list *home(struct queue *q, const struct item *item, uint32_t **count_r)
{
    struct site *s = item->site;
    switch ((enum item_state)item->state) {
    case ITEM_BUSY:
        *count_r = s ? &s->busy : &q->limbo_busy_n;
        return s ? &s->busy_items : &q->limbo_busy;
    case ITEM_WAITING:
        *count_r = s ? &s->waiting : &q->limbo_waiting_n;
        return s ? &s->waiting_items : &q->limbo_waiting;
    case ITEM_HELD:
        *count_r = s ? &s->held : &q->limbo_held_n;
        return s ? &s->held_items : &q->limbo_held;
    case ITEM_ROUTING:
    case ITEM_READY:
        break;
    }
    *count_r = NULL;
    return NULL;
}

static void leave_lane(struct item *item)
{
    struct flow *flow = site_flow_named(item->site, item_route(item));
    assert(flow);
    sched_del(&item->site->order, &flow->order, &item->node);
}

void place_nowhere(struct queue *q, struct item *item)
{
    item->wants_egress = false;
    if (list_empty(&item->node))
        return;
    uint32_t *count;
    wheel_del(q->wheel, &item->wake);
    if (item->state == ITEM_READY)
        leave_lane(item);
    else if (home(q, item, &count))
        --*count;
    list_del(&item->node);
}

static void settle(struct queue *q, struct item *item, enum item_state state)
{
    uint32_t *count;
    place_nowhere(q, item);
    item->state = (uint8_t)state;
    list_push_back(home(q, item, &count), &item->node);
    ++*count;
}

void place_busy(struct queue *q, struct item *item)
{
    settle(q, item, ITEM_BUSY);
}

static void arm(struct queue *q)
{
    int64_t next = wheel_next_ms(q->wheel);
    if (next != INT64_MAX)
        timer_set(q->env.loop, &q->wake, next - loop_now_ms(q->env.loop));
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* When its sender is to be told that it has not left yet. What is READY is not put off: it waits
 * for its turn. */
static int64_t tell_ms(const struct queue *q, const struct item *item)
{
    const struct conf *conf = policies_conf(q->env.policies);
    int64_t notice = conf->rules.retry.lane[item->lane].delay_notice;
    if (item->state == ITEM_READY || item->delay_told || notice == 0)
        return item_late_ms(item);
    return sooner(item_late_ms(item), item_since_ms(item) + notice);
}

static void wake_then(struct queue *q, struct item *item, int64_t wall_ms)
{
    int64_t delay = wall_ms - loop_wall_ms(q->env.loop);
    wheel_add(q->wheel, &item->wake, loop_now_ms(q->env.loop) + (delay > 0 ? delay : 0));
    arm(q);
}

/* No later than its sender is to be told that it is late. */
static void wake_at(struct queue *q, struct item *item, int64_t wall_ms)
{
    wake_then(q, item, sooner(wall_ms, tell_ms(q, item)));
}

/* An operator stops its expiry, but not what its sender was promised for a deadline. */
void place_held(struct queue *q, struct item *item)
{
    item_drop_body(item);
    item->due_ms = ITEM_DUE_HELD;
    settle(q, item, ITEM_HELD);
    if (item->deadline_returns)
        wake_then(q, item, item->deadline_ms);
}

void place_waiting(struct queue *q, struct item *item, int64_t due_ms)
{
    item->due_ms = due_ms;
    settle(q, item, ITEM_WAITING);
    wake_at(q, item, sooner(due_ms, item->expire_ms));
}

void place_wake_anew(struct queue *q, struct item *item)
{
    wheel_del(q->wheel, &item->wake);
    wake_at(q, item, sooner(item->due_ms, item->expire_ms));
}

void place_put_off(struct queue *q, struct item *item, int64_t wait_ms)
{
    int64_t spread = (int64_t)rnd_below(q->env.rnd, (uint64_t)(wait_ms / 8 + 1));
    item_drop_body(item);
    place_waiting(q, item, loop_wall_ms(q->env.loop) + wait_ms + spread);
}

void place_ready(struct item *item, struct flow *flow, bool untried)
{
    struct site *site = flow->site;
    int64_t now = loop_now_ms(site->queue->env.loop);
    place_nowhere(site->queue, item);
    item->site = site;
    item->state = ITEM_READY;
    if (untried)
        sched_put_back(&site->order, &flow->order, &item->node, now);
    else if (item->goes_on)
        sched_add_first(&site->order, &flow->order, &item->node, now);
    else
        sched_add(&site->order, &flow->order, &item->node, now);
    if (item->deadline_ms && !item->deadline_told) /* kept however long nothing leaves */
        wake_at(site->queue, item, item->expire_ms);
    site_announce(site);
}

void place_trouble(struct queue *q, struct item *item, enum queue_trouble why, const char *text)
{
    bool wants_egress = item->wants_egress;
    place_busy(q, item);
    item->wants_egress = wants_egress; /* when this is settled it looks anew (queue_defer) */
    q->events.trouble(q->events.arg, item, why, text);
}

static const char *why_it_waits(const struct item *item)
{
    return item->site && item->site->last_error[0] ? item->site->last_error : "not sent yet";
}

static void wake(struct queue *q, struct item *item, int64_t wall_ms)
{
    bool ready = item->state == ITEM_READY, due = !ready && item->due_ms - wall_ms <= EARLY_MS;
    if (wall_ms >= item->expire_ms) {
        place_trouble(q, item, TROUBLE_EXPIRED, "waited too long");
    } else if (item->state == ITEM_HELD) {
        wake_then(q, item, item->deadline_ms);
    } else if (wall_ms >= item_late_ms(item)) {
        place_trouble(q, item, TROUBLE_LATE, "not delivered by the time asked for");
    } else if (due) {
        place_nowhere(q, item);
        item->site = NULL;
        route_item(q, item);
    } else if (wall_ms >= tell_ms(q, item)) {
        place_trouble(q, item, TROUBLE_LATE, why_it_waits(item));
    } else { /* it was up for being late, and is too early by a moment */
        wake_at(q, item, ready ? item->expire_ms : sooner(item->due_ms, item->expire_ms));
    }
}

static void on_wake(struct timer *timer)
{
    struct queue *q = CONTAINER_OF(timer, struct queue, wake);
    int64_t now = loop_now_ms(q->env.loop), wall_ms = loop_wall_ms(q->env.loop);
    for (struct wheel_node *node; (node = wheel_pop(q->wheel, now));)
        wake(q, CONTAINER_OF(node, struct item, wake), wall_ms);
    arm(q);
}

void place_wheel_init(struct queue *q)
{
    q->wheel = wheel_new(250, loop_now_ms(q->env.loop));
    timer_init(&q->wake, on_wake);
}
