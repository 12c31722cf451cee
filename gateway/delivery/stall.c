#include "gateway/delivery/stall.h"

#include "gateway/base/clock.h"
#include "gateway/delivery/detour.h"
#include "gateway/delivery/sense.h"

enum { SENT_AGAIN = 2 }; /* times in a row: once may be a lost segment */

void stall_watch(struct delivery *d)
{
    if (!timer_is_set(&d->stall_tick))
        timer_set(d->loop, &d->stall_tick, STALL_LOOK_MS);
}

/* Since when has the peer been silent? */
static int64_t waiting_us(const struct session *s)
{
    const struct attempt *a = s->front;
    int64_t last = a->begun_us;
    if (a->data_us > last)
        last = a->data_us;
    if (a->sent_us > last)
        last = a->sent_us;
    return clock_mono_us() - last;
}

static void look_at(struct session *s, int64_t now_ms)
{
    struct stream_tcp_info tcp;
    if (s->state != SESSION_WORKING || !s->front || !s->front->begun_us ||
        waiting_us(s) < STALL_MS * 1000 || !stream_tcp_info(s->stream, &tcp))
        return;
    if (tcp.sent_again < SENT_AGAIN) {
        s->stalled_ms = 0;
        return;
    }
    if (!s->stalled_ms) {
        s->stalled_ms = now_ms;
        sense_stalled(s);
    } else if (now_ms - s->stalled_ms >= STALL_CUT_MS && detour_stalled(s)) {
        session_kill(s, NULL);
    }
}

void stall_on_tick(struct timer *timer)
{
    struct delivery *d = CONTAINER_OF(timer, struct delivery, stall_tick);
    int64_t now_ms = loop_now_ms(d->loop);
    if (d->sessions == d->idle_n)
        return;
    timer_set(d->loop, timer, STALL_LOOK_MS);
    LIST_EACH (at, &d->targets) {
        struct target *t = CONTAINER_OF(at, struct target, link);
        LIST_EACH (node, &t->others)
            look_at(CONTAINER_OF(node, struct session, link), now_ms);
        if (t->again)
            queue_kick(d->queue, t->site);
    }
}
