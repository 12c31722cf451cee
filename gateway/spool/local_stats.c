/*
 * spool/local_stats — figures of the engine, readable from any thread
 */
#include <stdlib.h>

#include "gateway/spool/local.h"

static int compare_us(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static uint64_t load(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

void local_get_fill(const struct spool *spool, struct spool_fill *fill_r)
{
    const struct local *local = (const struct local *)spool;
    *fill_r = (struct spool_fill){ .waiting_bytes = load(&local->waiting_bytes),
                                   .waiting_most = local->mem_max,
                                   .free_bytes = load(&local->free_bytes),
                                   .min_free = local->min_free };
}

void local_get_stats(const struct spool *spool, struct spool_stats *stats_r)
{
    const struct local *local = (const struct local *)spool;
    uint32_t us[FLUSH_SAMPLES];
    stats_r->commits = load(&local->commits);
    stats_r->groups = load(&local->groups);
    stats_r->writes = load(&local->writes);
    stats_r->syncs = load(&local->syncs);
    stats_r->bytes = load(&local->bytes);
    stats_r->waiting = load(&local->waiting);
    stats_r->waiting_bytes = load(&local->waiting_bytes);
    stats_r->corrupt = load(&local->corrupt);
    stats_r->free_bytes = load(&local->free_bytes);
    if (stats_r->writes)
        stats_r->batch_mean =
            (double)(stats_r->commits + stats_r->groups) / (double)stats_r->writes;
    size_t n = stats_r->syncs < FLUSH_SAMPLES ? (size_t)stats_r->syncs : FLUSH_SAMPLES;
    if (n == 0)
        return;
    for (size_t i = 0; i < n; i++)
        us[i] = atomic_load_explicit(&local->flush_us[i], memory_order_relaxed);
    qsort(us, n, sizeof(us[0]), compare_us);
    stats_r->flush_us_p50 = us[n / 2];
    stats_r->flush_us_p99 = us[n * 99 / 100];
}
