#include "gateway/ingress/quotas.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/base/mem.h"

enum { KEY_MAX = 4096 };

void quotas_init(struct quotas *q)
{
    pthread_mutex_init(&q->lock, NULL);
    q->entries = map_new();
}

void quotas_done(struct quotas *q)
{
    map_free(&q->entries, free);
    pthread_mutex_destroy(&q->lock);
}

static void user_key(struct slice user, struct buf *key)
{
    buf_init(key, KEY_MAX);
    buf_putc(key, 'u');
    buf_put_slice(key, user);
}

static void client_key(const struct network *network, struct buf *key)
{
    buf_init(key, KEY_MAX);
    buf_putc(key, 'c');
    network_put(key, network);
}

static struct quota_entry *find_or_make(struct quotas *q, struct slice key, struct rate rate,
                                        int64_t now_ms)
{
    struct quota_entry *e = map_get(q->entries, key);
    if (!e) {
        e = mem_zero(sizeof *e + key.n);
        e->key_len = key.n;
        memcpy(e->key, key.p, key.n);
        quota_init(&e->quota, rate);
        map_put(q->entries, (struct slice){ e->key, e->key_len }, e);
    }
    quota_set(&e->quota, rate, now_ms);
    e->refs++;
    return e;
}

static struct quota_entry *take_reference(struct quotas *q, struct buf *key, struct rate rate,
                                          int64_t now_ms)
{
    pthread_mutex_lock(&q->lock);
    struct quota_entry *e = find_or_make(q, buf_slice(key), rate, now_ms);
    pthread_mutex_unlock(&q->lock);
    buf_free(key);
    return e;
}

struct quota_entry *quotas_user(struct quotas *q, struct slice user, struct rate rate,
                                int64_t now_ms)
{
    struct buf key;
    if (!rate.count)
        return NULL;
    user_key(user, &key);
    return take_reference(q, &key, rate, now_ms);
}

struct quota_entry *quotas_client(struct quotas *q, const struct network *network, struct rate rate,
                                  int64_t now_ms)
{
    struct buf key;
    if (!rate.count)
        return NULL;
    client_key(network, &key);
    return take_reference(q, &key, rate, now_ms);
}

void quotas_unref(struct quotas *q, struct quota_entry *e)
{
    if (!e)
        return;
    pthread_mutex_lock(&q->lock);
    if (--e->refs == 0) {
        map_del(q->entries, (struct slice){ e->key, e->key_len });
        free(e);
    }
    pthread_mutex_unlock(&q->lock);
}

bool quotas_take(struct quotas *q, struct quota_entry *user, struct quota_entry *client,
                 int64_t now_ms)
{
    if (!user && !client)
        return true;
    pthread_mutex_lock(&q->lock);
    bool free_place = (!user || quota_left(&user->quota, now_ms) > 0) &&
                      (!client || quota_left(&client->quota, now_ms) > 0);
    if (free_place && user)
        quota_take(&user->quota, now_ms);
    if (free_place && client)
        quota_take(&client->quota, now_ms);
    pthread_mutex_unlock(&q->lock);
    return free_place;
}

void quotas_give_back(struct quotas *q, struct quota_entry *user, struct quota_entry *client,
                      int64_t taken_ms, int64_t now_ms)
{
    if (!user && !client)
        return;
    pthread_mutex_lock(&q->lock);
    if (user)
        quota_give_back(&user->quota, taken_ms, now_ms);
    if (client)
        quota_give_back(&client->quota, taken_ms, now_ms);
    pthread_mutex_unlock(&q->lock);
}

static uint64_t left_of(struct quotas *q, struct buf *key, int64_t now_ms)
{
    pthread_mutex_lock(&q->lock);
    struct quota_entry *e = map_get(q->entries, buf_slice(key));
    uint64_t left = e ? quota_left(&e->quota, now_ms) : UINT64_MAX;
    pthread_mutex_unlock(&q->lock);
    buf_free(key);
    return left;
}

uint64_t quotas_left_of_user(struct quotas *q, struct slice user, int64_t now_ms)
{
    struct buf key;
    user_key(user, &key);
    return left_of(q, &key, now_ms);
}

uint64_t quotas_left_of_client(struct quotas *q, const struct network *network, int64_t now_ms)
{
    struct buf key;
    client_key(network, &key);
    return left_of(q, &key, now_ms);
}
