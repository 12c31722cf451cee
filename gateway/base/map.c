#include "gateway/base/map.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"

#define HASH_FUNCTION(key, len, out)                                                               \
    ((out) = (unsigned)slice_hash((struct slice){ (const char *)(key), (len) }))
#define uthash_fatal(msg) abort()
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wcast-qual"
#pragma GCC diagnostic ignored "-Wpedantic"
#include <uthash.h>

struct entry {
    UT_hash_handle hh;
    void *value;
    size_t n;
    char key[];
};

struct map {
    struct entry *table;
};

struct map *map_new(void)
{
    return mem_zero(sizeof(struct map));
}

static struct entry *find(const struct map *map, struct slice key)
{
    struct entry *e = NULL;
    HASH_FIND(hh, map->table, key.p, key.n, e);
    return e;
}

void *map_get(const struct map *map, struct slice key)
{
    struct entry *e = find(map, key);
    return e ? e->value : NULL;
}

void *map_put(struct map *map, struct slice key, void *value)
{
    struct entry *e = find(map, key);
    void *old = e ? e->value : NULL;
    if (!e) {
        e = mem_zero(sizeof *e + key.n + 1);
        e->n = key.n;
        if (key.n)
            memcpy(e->key, key.p, key.n);
        HASH_ADD_KEYPTR(hh, map->table, e->key, e->n, e);
    }
    e->value = value;
    return old;
}

static void *drop(struct map *map, struct entry *e)
{
    void *value = e->value;
    HASH_DEL(map->table, e); /* NOLINT(clang-analyzer-unix.Malloc): takes it for still linked */
    free(e);
    return value;
}

void *map_del(struct map *map, struct slice key)
{
    struct entry *e = find(map, key);
    return e ? drop(map, e) : NULL;
}

size_t map_count(const struct map *map)
{
    return HASH_COUNT(map->table);
}

void map_each(struct map *map, bool (*fn)(void *arg, struct slice key, void *value), void *arg)
{
    struct entry *e, *next;
    HASH_ITER (hh, map->table, e, next)
        if (!fn(arg, (struct slice){ e->key, e->n }, e->value))
            return;
}

void map_free(struct map **map, void (*value_free)(void *value))
{
    struct map *m = *map;
    struct entry *e, *next;
    if (!m)
        return;
    HASH_ITER (hh, m->table, e, next) {
        void *value = drop(m, e);
        if (value_free)
            value_free(value);
    }
    free(m);
    *map = NULL;
}
#pragma GCC diagnostic pop
