#include "policies/bucket.h"

enum { SLACK_PART = 100, SLACK_MOST_US = 250000 };

__extension__ typedef __int128 wide;

static const int64_t MOST = INT64_MAX / 4; /* ns that a take can cost, or that are owed: 73 years */

static int64_t slack_us(struct rate rate)
{
    int64_t slack = rate.per_ms * 1000 / SLACK_PART;
    return slack < SLACK_MOST_US ? slack : SLACK_MOST_US;
}

/* In span = per + slack come `count` tokens. Takes that begin when all before is paid for, or will
 * be within half of the slack, are then fewer than count + 1 in any half-open stretch of `per` and
 * the other half of it. */
static int64_t span_ns(struct rate rate)
{
    return (rate.per_ms * 1000 + slack_us(rate)) * 1000;
}

static int64_t caught_up_us(struct rate rate)
{
    return slack_us(rate) / 2;
}

static int64_t bounded(wide ns)
{
    return ns < MOST ? (int64_t)ns : MOST;
}

static int64_t cost_ns(struct rate rate, uint64_t n)
{
    wide count = (wide)rate.count;
    return bounded(((wide)n * span_ns(rate) + count - 1) / count);
}

static int64_t after(int64_t due_ns, int64_t now_ns, int64_t cost)
{
    int64_t from = due_ns > now_ns ? due_ns : now_ns;
    return from < MOST ? from + cost : from;
}

/* False: what went before is not paid for by `latest_ns`. */
static bool take(struct bucket *b, struct rate rate, uint64_t n, int64_t now_ns, int64_t latest_ns)
{
    int64_t cost = cost_ns(rate, n), due = atomic_load_explicit(&b->due_ns, memory_order_relaxed);
    do {
        if (due > latest_ns)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&b->due_ns, &due, after(due, now_ns, cost),
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

bool bucket_take(struct bucket *b, struct rate rate, uint64_t n, int64_t now_us)
{
    return rate.count == 0 || take(b, rate, n, now_us * 1000, (now_us + caught_up_us(rate)) * 1000);
}

void bucket_charge(struct bucket *b, struct rate rate, uint64_t n, int64_t now_us)
{
    if (rate.count)
        (void)take(b, rate, n, now_us * 1000, INT64_MAX);
}

void bucket_give_back(struct bucket *b, struct rate rate, uint64_t n)
{
    if (rate.count)
        atomic_fetch_sub_explicit(&b->due_ns, cost_ns(rate, n), memory_order_relaxed);
}

int64_t bucket_wait_us(const struct bucket *b, struct rate rate, int64_t now_us)
{
    if (rate.count == 0)
        return 0;
    int64_t due = atomic_load_explicit(&b->due_ns, memory_order_relaxed);
    int64_t lacks = due - (now_us + caught_up_us(rate)) * 1000;
    return lacks > 0 ? (lacks + 999) / 1000 : 0;
}

void bucket_change(struct bucket *b, struct rate from, struct rate to, int64_t now_us)
{
    int64_t now = now_us * 1000, next;
    int64_t due = atomic_load_explicit(&b->due_ns, memory_order_relaxed);
    double scale = to.count ? (double)from.count / (double)to.count : 0;
    scale *= (double)span_ns(to) / (double)(from.count ? span_ns(from) : 1);
    do {
        if (due <= now)
            return;
        double owed = (double)(due - now) * scale;
        next = owed < (double)MOST ? now + (int64_t)owed : now + MOST;
    } while (!atomic_compare_exchange_weak_explicit(&b->due_ns, &due, next, memory_order_relaxed,
                                                    memory_order_relaxed));
}
