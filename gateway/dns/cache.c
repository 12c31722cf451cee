#include "gateway/dns/cache.h"

#include <assert.h>
#include <stdlib.h>

#include "gateway/base/list.h"
#include "gateway/base/map.h"
#include "gateway/base/mem.h"

struct entry {
    struct list used; /* cache.used; the most recent at the end */
    void *value;
    int64_t expires_ms, stale_ms;
    size_t key_len;
    char key[];
};

struct cache {
    struct map *map;
    struct list used;
    size_t max;
    void (*release)(void *value);
};

struct cache *cache_new(size_t max, void (*release)(void *value))
{
    struct cache *c = mem_zero(sizeof *c);
    assert(max > 0);
    c->map = map_new();
    c->max = max;
    c->release = release;
    list_init(&c->used);
    return c;
}

static void drop(struct cache *c, struct entry *e)
{
    map_del(c->map, (struct slice){ e->key, e->key_len });
    list_del(&e->used);
    c->release(e->value);
    free(e);
}

void cache_flush(struct cache *c)
{
    for (struct list *node; (node = list_pop_front(&c->used));)
        drop(c, CONTAINER_OF(node, struct entry, used));
}

void cache_free(struct cache **cache)
{
    if (!*cache)
        return;
    cache_flush(*cache);
    map_free(&(*cache)->map, NULL);
    free(*cache);
    *cache = NULL;
}

static struct entry *entry_new(struct slice key)
{
    struct entry *e = mem_zero(sizeof *e + key.n);
    for (size_t i = 0; i < key.n; i++)
        e->key[i] = key.p[i];
    e->key_len = key.n;
    list_init(&e->used);
    return e;
}

void cache_put(struct cache *c, struct slice key, void *value, int64_t expires_ms, int64_t stale_ms)
{
    struct entry *e = map_get(c->map, key);
    if (e) {
        c->release(e->value);
    } else {
        if (map_count(c->map) >= c->max)
            drop(c, CONTAINER_OF(c->used.next, struct entry, used));
        e = entry_new(key);
        map_put(c->map, key, e);
    }
    e->value = value;
    e->expires_ms = expires_ms;
    e->stale_ms = stale_ms;
    list_del(&e->used);
    list_push_back(&c->used, &e->used);
}

void *cache_get_stale(struct cache *c, struct slice key, int64_t now_ms, int64_t *stale_ms_r)
{
    struct entry *e = map_get(c->map, key);
    if (!e || (now_ms >= e->expires_ms && now_ms >= e->stale_ms))
        return NULL;
    list_del(&e->used);
    list_push_back(&c->used, &e->used);
    *stale_ms_r = e->stale_ms;
    return e->value;
}

void *cache_get(struct cache *c, struct slice key, int64_t now_ms)
{
    struct entry *e = map_get(c->map, key);
    if (!e || now_ms >= e->expires_ms)
        return NULL;
    list_del(&e->used);
    list_push_back(&c->used, &e->used);
    return e->value;
}

size_t cache_count(const struct cache *c)
{
    return map_count(c->map);
}
