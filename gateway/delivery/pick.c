#include "gateway/delivery/pick.h"

#include "gateway/base/clock.h"
#include "gateway/delivery/domains.h"
#include "gateway/delivery/egress.h"
#include "gateway/delivery/repute.h"

enum {
    LOOK_AT_MAX = 64,    /* sessions looked at for one mail */
    AT_ONCE_US = 200000, /* final replies that take no longer keep nobody waiting */
    LATE_US = 20000      /* timers are that late at most */
};

bool pick_is_sticky(const struct delivery *d, const struct item *item)
{
    return loop_now_ms(d->loop) < item->sticky_until_ms;
}

static bool usable_by(const struct session *s, const struct need *need)
{
    if (session_is_spent(s) || !session_suits(s, need->route) ||
        !domains_allow_item(s, need->item) ||
        paths_barred(s->delivery->paths, s->egress, &s->source) || !repute_suits(s, need->item))
        return false;
    if (!need->any || pick_is_sticky(s->delivery, need->item))
        return s->egress == need->way.egress;
    return paths_is_able(&need->way, s->egress) &&
           egress_allowed(s->delivery->egress, need->route, s->egress);
}

struct session *pick_idle(struct target *t, const struct need *need)
{
    unsigned looked = 0;
    LIST_EACH (at, &t->idle) {
        struct session *s = CONTAINER_OF(at, struct session, link);
        if (usable_by(s, need))
            return s;
        if (++looked == LOOK_AT_MAX)
            break;
    }
    return NULL;
}

/* The slot of the mail in front will be its own: it must be one that it may have. Large mail waits
 * for a slot of large mail. */
static bool may_follow(const struct target *t, const struct attempt *front, const struct item *item)
{
    uint32_t all = t->site->order.slots.all;
    return !sched_is_large(item->body_size) &&
           slots_kept(all, (enum lane)front->lane) >= slots_kept(all, (enum lane)item->lane);
}

/* Mail that stands behind another has had its turn, and what comes meanwhile does not overtake it.
 * So where there is no other way it goes there no earlier than its envelope needs to be answered
 * when the reply is due; 0 and less: now. */
static int64_t too_early_us(const struct session *s)
{
    int64_t final_us = s->target->final_us;
    if (final_us <= AT_ONCE_US || !s->app_rtt_us)
        return 0;
    return s->front->sent_us + final_us - 2 * s->app_rtt_us - LATE_US - clock_mono_us();
}

struct session *pick_behind(struct target *t, const struct need *need, bool late)
{
    unsigned looked = 0;
    int64_t next_us = INT64_MAX;
    LIST_EACH (at, &t->others) {
        struct session *s = CONTAINER_OF(at, struct session, link);
        if (session_takes_more(s) && may_follow(t, s->front, need->item) && usable_by(s, need)) {
            int64_t wait_us = late ? too_early_us(s) : 0;
            if (wait_us <= 0)
                return s;
            next_us = wait_us < next_us ? wait_us : next_us;
        }
        if (++looked == LOOK_AT_MAX)
            break;
    }
    if (next_us != INT64_MAX)
        target_look_in(t, (next_us + 999) / 1000);
    return NULL;
}
