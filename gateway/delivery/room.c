/*
 * delivery/room — sessions of a worker, all together (delivery.connections_total)
 *
 *   As many are kept for the lanes above as of a site's connections. Connections that are being
 *   closed count. Who finds no room stands in line, for each lane its own: urgent mail first, those
 *   below in turn.
 */
#include "gateway/delivery/relay.h"
#include "gateway/delivery/session.h"
#include "gateway/queue/slots.h"

bool delivery_has_room(const struct delivery *d, enum lane lane)
{
    return d->sessions + d->parting + slots_kept(d->sessions_max, lane) < d->sessions_max;
}

/* Do more stand in line than connections are being closed? */
static bool more_is_wanted(const struct delivery *d)
{
    uint32_t n = 0;
    for (enum lane lane = LANE_URGENT; lane < LANE_COUNT; lane++)
        LIST_EACH (at, &d->wanting[lane])
            if (n++ == d->parting)
                return true;
    return false;
}

/* By the most urgent mail that it has asked for. */
static void stand_in_line(struct target *t, enum lane lane)
{
    if (!list_empty(&t->want) && t->want_lane <= lane)
        return;
    list_del(&t->want);
    t->want_lane = lane;
    list_push_back(&t->delivery->wanting[lane], &t->want);
}

static bool one_may_make_way(const struct delivery *d)
{
    return !list_empty(&d->idle) && more_is_wanted(d);
}

/* At the limit of all sessions together a target stands in line; nothing of its own may ever
 * happen that would make it look again. The one of all idle sessions that was used least recently
 * makes room: there is some when its connection is closed. */
bool delivery_find_room(struct target *t, enum lane lane)
{
    struct delivery *d = t->delivery;
    if (delivery_has_room(d, lane))
        return true;
    stand_in_line(t, lane);
    if (one_may_make_way(d))
        session_quit(CONTAINER_OF(d->idle.prev, struct session, lru));
    return false;
}

void delivery_room(struct delivery *d)
{
    bool any = false;
    for (enum lane lane = LANE_URGENT; lane < LANE_COUNT; lane++)
        any = any || !list_empty(&d->wanting[lane]);
    if (any)
        loop_task_schedule(d->loop, &d->room);
}

/* The first in line may have nothing left to send: then the room is the next one's. Each looks
 * once: one that finds nothing stands in line again, behind those that have not. */
static void let_in(struct delivery *d, enum lane lane)
{
    struct list *line = &d->wanting[lane];
    uint32_t n = 0;
    for (const struct list *at = line->next; at != line; at = at->next)
        n++;
    while (n-- && !list_empty(line) && (delivery_has_room(d, lane) || one_may_make_way(d)))
        target_run(CONTAINER_OF(list_pop_front(line), struct target, want));
}

void delivery_let_in(struct loop_task *task)
{
    struct delivery *d = CONTAINER_OF(task, struct delivery, room);
    relay_let_in(d);
    let_in(d, LANE_URGENT);
    d->turn++;
    for (unsigned i = 0; i < LANE_COUNT - LANE_HIGH; i++) /* none waits for ever for another */
        let_in(d, (enum lane)(LANE_HIGH + (d->turn + i) % (LANE_COUNT - LANE_HIGH)));
}
