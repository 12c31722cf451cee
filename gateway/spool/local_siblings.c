/*
 * spool/local_siblings — which items of a message are still there
 *
 *   Needed only for messages with several items: the body goes with the last one. The committer
 *   serialises all writes, so what the store says when a message is first asked for, less what has
 *   been done since, is the truth, the unwritten rest of the running batch included.
 *
 *   The map is a cache: dropped when it grows large (between batches) and after a failed write.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/spool/local.h"

struct siblings {
    unsigned count, cap;
    uint16_t *subs; /* of items not done, in any order */
};

static void siblings_free(void *value)
{
    struct siblings *s = value;
    free(s->subs);
    free(s);
}

void siblings_forget(struct local *local)
{
    if (local->siblings)
        map_free(&local->siblings, siblings_free);
}

static void add_sub(struct siblings *s, uint16_t sub)
{
    if (s->count == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 4;
        s->subs = mem_grow(s->subs, s->cap, sizeof(*s->subs));
    }
    s->subs[s->count++] = sub;
}

/* The items in the store. NULL when it cannot be read now: then nothing is known, and no body
 * goes. */
static struct siblings *siblings_load(struct local *local, struct slice id_key)
{
    rocksdb_iterator_t *it = db_iter(&local->main, FAMILY_ITEM);
    if (!it)
        return NULL;
    struct siblings *s = mem_zero(sizeof(*s));
    struct err err;
    for (rocksdb_iter_seek(it, id_key.p, id_key.n); rocksdb_iter_valid(it); rocksdb_iter_next(it)) {
        size_t len = 0;
        const char *key = rocksdb_iter_key(it, &len);
        if (len != ITEM_KEY || memcmp(key, id_key.p, id_key.n) != 0)
            break;
        const unsigned char *tail = (const unsigned char *)key + SPOOL_ID_BYTES;
        add_sub(s, (uint16_t)(tail[0] << 8 | tail[1]));
    }
    if (!rocksdb_iter_valid(it) && db_iter_error(it, &err) != RC_OK) {
        siblings_free(s);
        s = NULL;
    }
    rocksdb_iter_destroy(it);
    return s;
}

bool siblings_done(struct local *local, struct spool_id id, uint16_t sub)
{
    struct record_key key = record_body_key(id);
    struct slice id_key = record_key_slice(&key);
    if (!local->siblings)
        local->siblings = map_new();
    struct siblings *s = map_get(local->siblings, id_key);
    if (!s) {
        s = siblings_load(local, id_key);
        if (!s)
            return false;
        map_put(local->siblings, id_key, s);
    }
    bool had = false;
    for (unsigned i = 0; i < s->count && !had; i++) {
        had = s->subs[i] == sub;
        if (had)
            s->subs[i] = s->subs[--s->count];
    }
    if (s->count > 0)
        return false;
    siblings_free(map_del(local->siblings, id_key));
    return had; /* done twice: the body is gone already */
}
