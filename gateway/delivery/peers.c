#include "gateway/delivery/peers.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/map.h"
#include "gateway/base/mem.h"

enum { FAILED_FIRST_MS = 60000, FAILED_MAX_MS = 300000, TLS_BROKEN_MS = 3600000 };

struct peer {
    int64_t failed_until_ms, tls_until_ms;
    int64_t wait_ms; /* of the last failure */
};

struct peers {
    struct map *map;
};

struct peers *peers_new(void)
{
    struct peers *p = mem_zero(sizeof *p);
    p->map = map_new();
    return p;
}

void peers_free(struct peers **peers)
{
    if (!*peers)
        return;
    map_free(&(*peers)->map, free);
    free(*peers);
    *peers = NULL;
}

enum { KEY_MAX = 8 + 1 + 16 + 2 };

static struct slice key_of(uint64_t egress, const struct addr *addr, char key[KEY_MAX])
{
    memcpy(key, &egress, 8);
    key[8] = (char)addr->family;
    memcpy(key + 9, addr->bytes, 16);
    memcpy(key + 25, &addr->port, 2);
    return (struct slice){ key, KEY_MAX };
}

static const struct peer *find(const struct peers *peers, uint64_t egress, const struct addr *addr)
{
    char key[KEY_MAX];
    return map_count(peers->map) ? map_get(peers->map, key_of(egress, addr, key)) : NULL;
}

struct sweep {
    struct map *map;
    int64_t now_ms;
    bool all;
};

static bool forget_old(void *arg, struct slice key, void *value)
{
    struct sweep *sweep = arg;
    struct peer *p = value;
    if (sweep->all || (p->failed_until_ms <= sweep->now_ms && p->tls_until_ms <= sweep->now_ms)) {
        map_del(sweep->map, key);
        free(p);
    }
    return true;
}

/* Full of what is still true: forgetting all costs a few connects, growing costs the process. */
static void make_room(struct peers *peers, int64_t now_ms)
{
    struct sweep sweep = { peers->map, now_ms, false };
    map_each(peers->map, forget_old, &sweep);
    sweep.all = map_count(peers->map) >= PEERS_MAX;
    if (sweep.all)
        map_each(peers->map, forget_old, &sweep);
}

static struct peer *get(struct peers *peers, uint64_t egress, const struct addr *addr,
                        int64_t now_ms)
{
    char key[KEY_MAX];
    struct slice k = key_of(egress, addr, key);
    struct peer *p = map_get(peers->map, k);
    if (!p) {
        if (map_count(peers->map) >= PEERS_MAX)
            make_room(peers, now_ms);
        p = mem_zero(sizeof *p);
        map_put(peers->map, k, p);
    }
    return p;
}

void peers_failed(struct peers *peers, uint64_t egress, const struct addr *addr, int64_t now_ms)
{
    struct peer *p = get(peers, egress, addr, now_ms);
    if (p->failed_until_ms > now_ms)
        return;
    p->wait_ms = p->wait_ms ? p->wait_ms * 2 : FAILED_FIRST_MS;
    if (p->wait_ms > FAILED_MAX_MS)
        p->wait_ms = FAILED_MAX_MS;
    p->failed_until_ms = now_ms + p->wait_ms;
}

void peers_worked(struct peers *peers, uint64_t egress, const struct addr *addr)
{
    char key[KEY_MAX];
    struct slice k = key_of(egress, addr, key);
    struct peer *p = map_count(peers->map) ? map_get(peers->map, k) : NULL;
    if (!p)
        return;
    p->failed_until_ms = p->wait_ms = 0;
    if (!p->tls_until_ms)
        free(map_del(peers->map, k));
}

bool peers_failing(const struct peers *peers, uint64_t egress, const struct addr *addr,
                   int64_t now_ms)
{
    const struct peer *p = find(peers, egress, addr);
    return p && p->failed_until_ms > now_ms;
}

void peers_tls_broke(struct peers *peers, uint64_t egress, const struct addr *addr, int64_t now_ms)
{
    get(peers, egress, addr, now_ms)->tls_until_ms = now_ms + TLS_BROKEN_MS;
}

bool peers_tls_broken(const struct peers *peers, uint64_t egress, const struct addr *addr,
                      int64_t now_ms)
{
    const struct peer *p = find(peers, egress, addr);
    return p && p->tls_until_ms > now_ms;
}

size_t peers_count(const struct peers *peers)
{
    return map_count(peers->map);
}
