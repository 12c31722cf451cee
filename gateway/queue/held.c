#include "gateway/queue/held.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "gateway/base/map.h"
#include "gateway/base/mem.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the table */
static struct map *table; /* hash of a client -> struct held; NULL: nobody has anything held */

static struct slice key_of(const uint64_t *client)
{
    return (struct slice){ (const char *)client, sizeof *client };
}

void held_add(uint64_t client, struct held by)
{
    pthread_mutex_lock(&lock);
    if (!table)
        table = map_new();
    struct held *sum = map_get(table, key_of(&client));
    if (!sum) {
        sum = mem_zero(sizeof *sum);
        map_put(table, key_of(&client), sum);
    }
    sum->memory += by.memory;
    sum->disk += by.disk;
    pthread_mutex_unlock(&lock);
}

void held_sub(uint64_t client, struct held by)
{
    pthread_mutex_lock(&lock);
    struct held *sum = table ? map_get(table, key_of(&client)) : NULL;
    assert(sum && sum->memory >= by.memory && sum->disk >= by.disk);
    sum->memory -= by.memory;
    sum->disk -= by.disk;
    if (sum->memory == 0)
        free(map_del(table, key_of(&client)));
    if (map_count(table) == 0)
        map_free(&table, NULL);
    pthread_mutex_unlock(&lock);
}

struct held held_of(uint64_t client)
{
    pthread_mutex_lock(&lock);
    const struct held *sum = table ? map_get(table, key_of(&client)) : NULL;
    struct held found = sum ? *sum : (struct held){ 0, 0 };
    pthread_mutex_unlock(&lock);
    return found;
}
