/*
 * base/map — hash tables, wrapped once over uthash
 *
 *   A map from byte strings to pointers. Keys are copied; values are the caller's. Iteration order
 *   is insertion order. Not thread-safe. Keys from the network are fine: the hash is seeded.
 */
#ifndef WAYPOST_BASE_MAP_H
#define WAYPOST_BASE_MAP_H

#include <stdbool.h>

#include "gateway/base/slice.h"

struct map;

struct map *map_new(void);
void map_free(struct map **map, void (*value_free)(void *value)); /* value_free may be NULL */
void *map_get(const struct map *map, struct slice key);           /* NULL: not there */
void *map_put(struct map *map, struct slice key, void *value); /* returns the value it replaced */
void *map_del(struct map *map, struct slice key);              /* returns what was there */
size_t map_count(const struct map *map);
/* Calls fn for each entry; fn may delete the entry it is called for, no other. Stops on false. */
void map_each(struct map *map, bool (*fn)(void *arg, struct slice key, void *value), void *arg);

#endif
