/*
 * delivery/target — delivery's part of a site: made for its first mail, freed with it
 */
#include <assert.h>
#include <stdlib.h>

#include "gateway/base/clock.h"
#include "gateway/delivery/crowd.h"
#include "gateway/delivery/parting.h"
#include "gateway/delivery/tolls.h"

static void on_look(struct timer *timer)
{
    target_run(CONTAINER_OF(timer, struct target, look));
}

void target_look_in(struct target *t, int64_t ms)
{
    struct loop *loop = t->delivery->loop;
    if (!timer_is_set(&t->look) || t->look.due_ms > loop_now_ms(loop) + ms)
        timer_set(loop, &t->look, ms);
}

struct target *target_of(struct delivery *d, struct site *site)
{
    struct target *t = site->delivery;
    if (t)
        return t;
    t = mem_zero(sizeof *t);
    t->delivery = d;
    t->site = site;
    t->at_once = TARGET_OPENS_FIRST;
    list_init(&t->idle);
    list_init(&t->others);
    list_init(&t->partings);
    list_init(&t->want);
    list_init(&t->crowds);
    list_init(&t->tolls);
    timer_init(&t->look, on_look);
    list_push_back(&d->targets, &t->link);
    site->delivery = t;
    return t;
}

void target_free(struct target *t)
{
    assert(list_empty(&t->idle) && list_empty(&t->others));
    assert(slots_held(&t->site->order.slots) == 0);
    timer_stop(t->delivery->loop, &t->look);
    partings_forget(t);
    crowds_free(t);
    tolls_forget(t);
    t->site->delivery = NULL;
    list_del(&t->want);
    list_del(&t->link);
    free(t);
}

/* ---- what its mail shows ---- */

static int64_t smoothed(int64_t before, int64_t took)
{
    return before ? (before * 7 + took) / 8 : took;
}

void target_note_times(struct session *s, struct attempt *a)
{
    struct target *t = s->target;
    int64_t now = clock_mono_us(), took = now - a->sent_us;
    t->busy_us = smoothed(t->busy_us, now - a->begun_us);
    t->final_us = smoothed(t->final_us, took);
    a->stage_us[STAGE_ENVELOPE] = a->data_us - a->begun_us;
    a->stage_us[STAGE_DATA] = a->sent_us - a->data_us;
    a->stage_us[STAGE_FINAL] = took;
    if (a->item->body_size <= FLIGHT_BODY_MAX) /* until begun_us it stood behind another */
        crowd_served(s, now - (a->sent_us > a->begun_us ? a->sent_us : a->begun_us));
}
