/*
 * queue/clock — what becomes of waiting mail when the system's clock is set
 *
 *   Times of items are Unix time, since they outlive the process. When the clock is set while the
 *   process runs, the times of all items move along: what was to be tried in twenty minutes is
 *   tried in twenty minutes, what had four days left has four days left. Their records follow with
 *   the next deferral. Only the time that HOLDUNTIL named (RFC 4865) stays: it is one of the clock,
 *   not of a duration. A machine that was suspended counts as one whose clock was set.
 *
 *   At a start nobody knows what happened to the clock. Mail accepted "in the future" was accepted
 *   before the clock was set back: it counts as accepted now, with its whole time before it, and is
 *   tried now. No mail waits longer than a retry can be away. Mail that seems to have expired
 *   meanwhile gets one more try (queue.c).
 *
 *   An item on its way between two workers in that very moment is missed; it is corrected by its
 *   next deferral.
 */
#include "gateway/queue/inspect.h"
#include "gateway/queue/internal.h"

enum { CLOCKS_DIFFER_MS = 10000 }; /* less than that is nothing */

/* Of the clock: it was then_ms, and is now_ms. */
struct jump {
    struct queue *queue;
    int64_t then_ms, now_ms;
};

static bool move_each(void *arg, const struct item *seen)
{
    const struct jump *j = arg;
    struct item *item = (struct item *)(uintptr_t)seen;
    item_clock_set(item, j->then_ms, j->now_ms);
    if (item->release_fixed && item->state == ITEM_WAITING)
        place_wake_anew(j->queue, item);
    return true;
}

static void on_set(struct loop_clock *clock, int64_t by_ms)
{
    static const struct queue_filter all;
    struct queue *q = CONTAINER_OF(clock, struct queue, clock);
    int64_t now = loop_wall_ms(q->env.loop);
    struct jump j = { q, now - by_ms, now };
    queue_each(q, &all, move_each, &j);
}

void clock_watch(struct queue *q)
{
    q->clock.fn = on_set;
    loop_clock_watch(q->env.loop, &q->clock);
}

/* Twice the longest pause there is, since retries are spread. */
static int64_t longest_wait(const struct conf_retry *retry)
{
    const int64_t waits[] = { retry->first, retry->max,       retry->greylist,
                              retry->dns,   retry->throttled, retry->tls };
    int64_t longest = 0;
    for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++)
        longest = waits[i] > longest ? waits[i] : longest;
    return 2 * longest;
}

/* What waits for its release (RFC 4865) waits no longer than that. */
static int64_t latest_due(const struct queue *q, const struct item *item, int64_t now)
{
    const struct conf *conf = policies_conf(q->env.policies);
    int64_t latest = now + longest_wait(&conf->rules.retry.lane[item->lane]);
    return item->attempts == 0 && item->release_ms > latest ? item->release_ms : latest;
}

void clock_mend(struct queue *q, struct item *item)
{
    int64_t now = loop_wall_ms(q->env.loop), ahead = item->accepted_ms - now;
    if (ahead > CLOCKS_DIFFER_MS) {
        item_clock_set(item, item->accepted_ms, now);
        if (item->due_ms != ITEM_DUE_HELD)
            item->due_ms = item->release_ms > now ? item->release_ms : now;
    }
    int64_t latest = latest_due(q, item, now);
    if (item->due_ms > latest && item->due_ms != ITEM_DUE_HELD)
        item->due_ms = latest;
}
