#include "gateway/delivery/gauge.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "gateway/base/mem.h"

enum { CHAINS = 4096 };

struct gauge {
    struct gauge *next;
    uint64_t key;
    uint32_t users;                  /* under the lock, as the next */
    struct rate rate[TRAFFIC_RATES]; /* as last told */
    struct bucket bucket[TRAFFIC_RATES];
    struct bucket pace[TRAFFIC_RATES];        /* of sessions opened for what they let go */
    _Atomic int64_t urgent_us[TRAFFIC_RATES]; /* until then urgent mail alone may take */
    _Atomic int64_t wanted_us;                /* until then somebody looks for a connection */
    _Atomic uint32_t connections, parting;    /* the latter are of the former */
};

struct gauges {
    pthread_mutex_t lock;
    struct gauge *chain[CHAINS];
};

struct gauges *gauges_new(void)
{
    struct gauges *g = mem_zero(sizeof *g);
    pthread_mutex_init(&g->lock, NULL);
    return g;
}

void gauges_free(struct gauges **gauges)
{
    struct gauges *all = *gauges;
    if (!all)
        return;
    for (size_t i = 0; i < CHAINS; i++)
        for (struct gauge *g = all->chain[i], *next; g; g = next) {
            next = g->next;
            assert(g->users == 0);
            free(g);
        }
    pthread_mutex_destroy(&all->lock);
    free(all);
    *gauges = NULL;
}

/* ---- finding ---- */

static bool owes(const struct gauge *g, int64_t now_us)
{
    for (size_t i = 0; i < TRAFFIC_RATES; i++)
        if (atomic_load_explicit(&g->bucket[i].due_ns, memory_order_relaxed) > now_us * 1000)
            return true;
    return false;
}

/* Of the same chain, those that nobody has and that owe nothing. */
static void tidy(struct gauge **at, int64_t now_us)
{
    while (*at) {
        struct gauge *g = *at;
        if (g->users || owes(g, now_us)) {
            at = &g->next;
            continue;
        }
        *at = g->next;
        free(g);
    }
}

static struct gauge *find_or_make(struct gauge **chain, uint64_t key, int64_t now_us)
{
    for (struct gauge *g = *chain; g; g = g->next)
        if (g->key == key)
            return g;
    tidy(chain, now_us);
    struct gauge *made = mem_zero(sizeof *made);
    made->key = key;
    made->next = *chain;
    *chain = made;
    return made;
}

/* A quarter faster than the rate: some sessions come to nothing. */
static struct rate pace_of(struct rate rate)
{
    return (struct rate){ rate.count * 5, rate.per_ms * 4 };
}

static void use_rate(struct gauge *g, size_t kind, struct rate rate, int64_t now_us)
{
    struct rate *was = &g->rate[kind];
    if (rate.count == 0 || (was->count == rate.count && was->per_ms == rate.per_ms))
        return;
    bucket_change(&g->bucket[kind], *was, rate, now_us);
    bucket_change(&g->pace[kind], pace_of(*was), pace_of(rate), now_us);
    *was = rate;
}

struct gauge *gauge_get(struct gauges *all, const struct traffic_toll *toll, int64_t now_us)
{
    pthread_mutex_lock(&all->lock);
    struct gauge *g = find_or_make(&all->chain[toll->key % CHAINS], toll->key, now_us);
    g->users++;
    for (size_t i = 0; i < TRAFFIC_RATES; i++)
        use_rate(g, i, toll->rate[i], now_us);
    pthread_mutex_unlock(&all->lock);
    return g;
}

void gauge_put(struct gauges *all, struct gauge **gauge)
{
    pthread_mutex_lock(&all->lock);
    assert((*gauge)->users > 0);
    (*gauge)->users--;
    pthread_mutex_unlock(&all->lock);
    *gauge = NULL;
}

/* ---- rates ---- */

static int64_t until(const _Atomic int64_t *at_us, int64_t now_us)
{
    return atomic_load_explicit(at_us, memory_order_relaxed) - now_us;
}

int64_t gauge_token_us(const struct gauge *g, enum traffic_rate kind, struct rate rate,
                       int64_t now_us)
{
    return bucket_wait_us(&g->bucket[kind], rate, now_us);
}

int64_t gauge_wait_us(struct gauge *g, enum traffic_rate kind, struct rate rate, enum lane lane,
                      int64_t now_us)
{
    int64_t wait = gauge_token_us(g, kind, rate, now_us);
    if (rate.count == 0)
        return 0;
    if (lane == LANE_URGENT) {
        int64_t first = wait ? now_us + wait + GAUGE_URGENT_US : 0;
        atomic_store_explicit(&g->urgent_us[kind], first, memory_order_relaxed);
        return wait;
    }
    int64_t urgent = until(&g->urgent_us[kind], now_us);
    return urgent > wait ? urgent : wait;
}

bool gauge_take(struct gauge *g, enum traffic_rate kind, struct rate rate, uint64_t n,
                int64_t now_us)
{
    return bucket_take(&g->bucket[kind], rate, n, now_us);
}

void gauge_give_back(struct gauge *g, enum traffic_rate kind, struct rate rate, uint64_t n)
{
    bucket_give_back(&g->bucket[kind], rate, n);
}

void gauge_charge(struct gauge *g, enum traffic_rate kind, struct rate rate, uint64_t n,
                  int64_t now_us)
{
    bucket_charge(&g->bucket[kind], rate, n, now_us);
}

int64_t gauge_pace_wait_us(const struct gauge *g, enum traffic_rate kind, struct rate rate,
                           int64_t now_us)
{
    return bucket_wait_us(&g->pace[kind], pace_of(rate), now_us);
}

void gauge_pace(struct gauge *g, enum traffic_rate kind, struct rate rate, uint64_t n,
                int64_t now_us)
{
    bucket_charge(&g->pace[kind], pace_of(rate), n, now_us);
}

void gauge_pace_back(struct gauge *g, enum traffic_rate kind, struct rate rate, uint64_t n)
{
    bucket_give_back(&g->pace[kind], pace_of(rate), n);
}

/* ---- connections ---- */

uint32_t gauge_connections(const struct gauge *g)
{
    return atomic_load_explicit(&g->connections, memory_order_relaxed);
}

/* Other workers change both meanwhile: one too many for a moment, never too few. */
uint32_t gauge_staying(const struct gauge *g)
{
    uint32_t parting = atomic_load(&g->parting), all = atomic_load(&g->connections);
    return all > parting ? all - parting : 0;
}

bool gauge_connect(struct gauge *g, uint64_t most, int64_t now_us)
{
    uint32_t n = gauge_connections(g);
    do {
        if (n >= most) {
            if (gauge_staying(g) >= most)
                gauge_want(g, now_us);
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&g->connections, &n, n + 1,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

void gauge_join(struct gauge *g)
{
    atomic_fetch_add_explicit(&g->connections, 1, memory_order_relaxed);
}

void gauge_disconnect(struct gauge *g)
{
    uint32_t before = atomic_fetch_sub_explicit(&g->connections, 1, memory_order_relaxed);
    assert(before > 0);
    (void)before;
}

void gauge_part(struct gauge *g)
{
    atomic_fetch_add(&g->parting, 1);
}

void gauge_parted(struct gauge *g)
{
    atomic_fetch_sub(&g->parting, 1);
    gauge_disconnect(g);
}

void gauge_want(struct gauge *g, int64_t now_us)
{
    atomic_store_explicit(&g->wanted_us, now_us + GAUGE_WANTED_US, memory_order_relaxed);
}

bool gauge_is_wanted(const struct gauge *g, int64_t now_us)
{
    return until(&g->wanted_us, now_us) > 0;
}
