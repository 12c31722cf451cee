#include "gateway/queue/item.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/mail/envelope.h"
#include "gateway/queue/held.h"

enum { MALLOC_OVERHEAD = 16 };

/* Of all items of the process; statistics only: nothing else is ordered by it. */
static _Atomic size_t memory_total;

static size_t block_size(const struct item *item)
{
    return sizeof *item + item->env_len + item->key_len + MALLOC_OVERHEAD;
}

size_t item_memory_total(void)
{
    return atomic_load_explicit(&memory_total, memory_order_relaxed);
}

/* A body counts with the first item of its message. */
static struct held room_of(const struct item *item)
{
    return (struct held){ block_size(item), item->sub == 0 ? item->body_size : 0 };
}

void item_released(struct item *item)
{
    if (item->held)
        held_sub(item->client, room_of(item));
    item->held = false;
}

static void block_free(struct item *item)
{
    item_released(item);
    atomic_fetch_sub_explicit(&memory_total, block_size(item), memory_order_relaxed);
    free(item);
}

static struct item *item_alloc(struct slice env, struct slice key)
{
    assert(env.n <= SPOOL_ENV_MAX && key.n <= SPOOL_DEST_MAX);
    struct item *item = mem_zero(sizeof *item + env.n + key.n);
    item->env_len = (uint32_t)env.n;
    item->key_len = (uint16_t)key.n;
    if (env.n)
        memcpy(item->data, env.p, env.n);
    if (key.n)
        memcpy(item->data + env.n, key.p, key.n);
    atomic_fetch_add_explicit(&memory_total, block_size(item), memory_order_relaxed);
    list_init(&item->node);
    wheel_node_init(&item->wake);
    return item;
}

static void read_times(struct item *item)
{
    struct deliver_by by;
    struct mail_hold hold;
    envelope_peek_times(item_envelope(item), &by, &hold);
    item->release_ms = hold.until_ms;
    item->release_fixed = hold.until_ms && !hold.for_s;
    item->deadline_ms = by.mode == BY_NONE ? 0 : by.at_ms;
    item->deadline_returns = by.mode == BY_RETURN;
    item->deadline_told = by.told;
}

int64_t item_since_ms(const struct item *item)
{
    return item->release_ms > item->accepted_ms ? item->release_ms : item->accepted_ms;
}

int64_t item_late_ms(const struct item *item)
{
    bool tells = item->deadline_ms && !item->deadline_returns && !item->deadline_told;
    return tells ? item->deadline_ms : INT64_MAX;
}

bool item_returns_late(const struct item *item, int64_t wall_ms)
{
    return item->deadline_returns && wall_ms >= item->deadline_ms;
}

static void move_limits(struct item *item, int64_t by_ms)
{
    item->expire_ms += by_ms;
    item->deadline_ms += item->deadline_ms ? by_ms : 0;
}

void item_clock_set(struct item *item, int64_t then_ms, int64_t now_ms)
{
    int64_t by_ms = now_ms - then_ms;
    item->accepted_ms += by_ms;
    if (item->release_fixed && item->release_ms > then_ms) {
        move_limits(item, now_ms > item->release_ms ? now_ms - item->release_ms : 0);
        return;
    }
    move_limits(item, by_ms);
    item->release_ms += item->release_ms ? by_ms : 0;
    if (item->due_ms != ITEM_DUE_HELD)
        item->due_ms += by_ms;
}

struct item *item_new(const struct spool_item *record)
{
    struct item *item = item_alloc(record->env, record->dest);
    item->id = record->id;
    item->fence = record->fence;
    item->accepted_ms = record->accepted_ms;
    item->due_ms = record->due_ms;
    item->expire_ms = record->expire_ms;
    item->body_size = record->body_size;
    item->client = envelope_client(record->env);
    item->sub = record->sub;
    item->siblings = record->count;
    item->attempts = record->attempts;
    item->lane = record->lane < LANE_COUNT ? record->lane : LANE_NORMAL;
    read_times(item);
    item->held = item->attempts == 0 && item->release_ms > item->accepted_ms;
    if (item->held)
        held_add(item->client, room_of(item));
    return item;
}

void item_free(struct item **item)
{
    if (!*item)
        return;
    assert(list_empty(&(*item)->node) && !wheel_armed(&(*item)->wake));
    item_drop_body(*item);
    free((*item)->detour);
    block_free(*item);
    *item = NULL;
}

/* A new block in the place of the old one: on the same list, with the same body. */
static void item_remake(struct item **item, struct slice env, struct slice key)
{
    struct item *old = *item, *made = item_alloc(env, key);
    uint32_t env_len = made->env_len;
    uint16_t key_len = made->key_len;
    struct list *at = old->node.next;
    bool listed = !list_empty(&old->node);
    assert(!wheel_armed(&old->wake));
    list_del(&old->node);
    memcpy(made, old, offsetof(struct item, data));
    made->env_len = env_len;
    made->key_len = key_len;
    list_init(&made->node);
    wheel_node_init(&made->wake);
    if (listed)
        list_insert_before(at, &made->node);
    if (made->held)
        held_add(made->client, room_of(made));
    block_free(old);
    *item = made;
}

void item_set_envelope(struct item **item, struct slice packed)
{
    item_remake(item, packed, item_key(*item));
}

void item_set_key(struct item **item, struct slice key)
{
    item_remake(item, item_envelope(*item), key);
}

struct slice item_envelope(const struct item *item)
{
    return (struct slice){ item->data, item->env_len };
}

struct slice item_key(const struct item *item)
{
    return (struct slice){ item->data + item->env_len, item->key_len };
}

struct slice item_route(const struct item *item)
{
    struct slice route, domain;
    slice_cut(item_key(item), '/', &route, &domain);
    return route;
}

struct slice item_domain(const struct item *item)
{
    struct slice route, domain;
    slice_cut(item_key(item), '/', &route, &domain);
    return domain;
}

void item_record(const struct item *item, struct spool_item *record_r)
{
    *record_r = (struct spool_item){
        .id = item->id,
        .sub = item->sub,
        .count = item->siblings,
        .lane = item->lane,
        .attempts = item->attempts,
        .fence = item->fence,
        .accepted_ms = item->accepted_ms,
        .due_ms = item->due_ms,
        .expire_ms = item->expire_ms,
        .body_size = item->body_size,
        .dest = item_key(item),
        .env = item_envelope(item),
    };
}

void item_drop_body(struct item *item)
{
    body_unref(&item->body);
}

const char *item_state_name(enum item_state state)
{
    static const char *const names[] = { "routing", "ready", "busy", "waiting", "held" };
    return names[state];
}

bool item_refused(const struct item *item, struct slice egress)
{
    if (!item->refused_n)
        return false;
    uint32_t name = (uint32_t)slice_hash_stable(egress);
    for (unsigned i = 0; i < item->refused_n; i++)
        if (item->refused[i] == name)
            return true;
    return false;
}

bool item_refuse(struct item *item, struct slice egress)
{
    if (item->refused_n == ITEM_REFUSED_MAX)
        return false;
    item->refused[item->refused_n++] = (uint32_t)slice_hash_stable(egress);
    return true;
}

bool item_tried(const struct item *item, int egress)
{
    for (unsigned i = 0; i < item->tried_n; i++)
        if (item->tried[i] == egress)
            return true;
    return false;
}

bool item_try_other(struct item *item, int egress)
{
    if (item->tried_n == ITEM_TRIED_MAX)
        return false;
    item->tried[item->tried_n++] = (uint16_t)egress;
    return true;
}

void item_set_detour(struct item *item, struct slice egress, struct slice reason)
{
    free(item->detour);
    item->detour = NULL;
    if (!egress.n)
        return;
    struct item_detour *d = mem_zero(sizeof *d + egress.n + reason.n);
    char *text = (char *)(d + 1);
    memcpy(text, egress.p, egress.n);
    if (reason.n)
        memcpy(text + egress.n, reason.p, reason.n);
    d->egress = (struct slice){ text, egress.n };
    d->reason = (struct slice){ text + egress.n, reason.n };
    item->detour = d;
}
