/*
 * dns/cache — answers by key, bounded, least recently used out first
 *
 *   An entry is fresh until expires_ms and may serve as stale until stale_ms (both absolute, on
 *   the caller's clock); then it is as good as gone. The values are the caller's: `release` runs
 *   for each that is replaced, evicted or flushed. Pure: time comes in.
 */
#ifndef WAYPOST_DNS_CACHE_H
#define WAYPOST_DNS_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "gateway/base/slice.h"

struct cache;

struct cache *cache_new(size_t max, void (*release)(void *value));
void cache_free(struct cache **cache);
void cache_put(struct cache *cache, struct slice key, void *value, int64_t expires_ms,
               int64_t stale_ms);
void *cache_get(struct cache *cache, struct slice key, int64_t now_ms); /* fresh, or NULL */
/* Still usable though perhaps expired, or NULL; *stale_ms_r: until when. */
void *cache_get_stale(struct cache *cache, struct slice key, int64_t now_ms, int64_t *stale_ms_r);
void cache_flush(struct cache *cache);
size_t cache_count(const struct cache *cache);

#endif
