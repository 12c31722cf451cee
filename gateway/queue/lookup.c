/*
 * queue/lookup — items that wait for an answer of the DNS: an MX set, or where it is
 *
 *   Items that want to know the same wait together. The place of a destination is that of the first
 *   mail exchanger, by preference, that has an address: its first IPv4 one, else its first. A host
 *   that does not exist is passed over; when none has an address, the place is (other, other). When
 *   the DNS does not answer for one and no other helps, the mail waits: a route that depends on the
 *   place is not guessed.
 */
#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/dns/sets.h"
#include "gateway/queue/inspect.h"
#include "gateway/queue/internal.h"

struct lookup {
    struct queue *queue;
    struct list items; /* ROUTING */
    struct dns_query *query;
    char *key;
    struct mx_set *mx; /* of a place: one reference; NULL: an MX lookup */
    size_t host;       /* which one of mx is asked */
    bool temporary;    /* an earlier one got no answer */
};

static struct lookup *lookup_get(struct queue *q, struct slice key, bool *fresh_r)
{
    struct lookup *lookup = map_get(q->lookups, key);
    *fresh_r = !lookup;
    if (lookup)
        return lookup;
    lookup = mem_zero(sizeof *lookup);
    lookup->queue = q;
    lookup->key = mem_strndup(key.p, key.n);
    list_init(&lookup->items);
    map_put(q->lookups, key, lookup);
    return lookup;
}

static void lookup_free(struct lookup *lookup)
{
    if (lookup->mx)
        mx_set_unref(&lookup->mx);
    free(lookup->key);
    free(lookup);
}

static void wait_in(struct lookup *lookup, struct item *item)
{
    item->state = ITEM_ROUTING;
    list_push_back(&lookup->items, &item->node);
}

/* ---- MX sets ---- */

static void on_mx(void *arg, struct mx_set *mx)
{
    struct lookup *lookup = arg;
    map_del(lookup->queue->lookups, slice_of(lookup->key));
    for (struct list *node; (node = list_pop_front(&lookup->items));)
        route_known(lookup->queue, CONTAINER_OF(node, struct item, node), mx, NULL);
    lookup_free(lookup);
}

void lookup_mx(struct queue *q, struct item *item, struct slice domain)
{
    struct mx_set *mx = resolver_mx_cached(q->env.resolver, domain);
    bool fresh;
    if (mx) {
        mx_set_ref(mx);
        route_known(q, item, mx, NULL);
        mx_set_unref(&mx);
        return;
    }
    struct lookup *lookup = lookup_get(q, domain, &fresh);
    if (fresh)
        lookup->query = resolver_mx(q->env.resolver, domain, on_mx, lookup);
    wait_in(lookup, item);
}

/* ---- places ---- */

static const struct geo_group *place_of(const struct queue *q, const struct addr *addrs, size_t n)
{
    const struct addr nowhere = { .family = ADDR_NONE }, *best = n ? addrs : &nowhere;
    for (size_t i = 0; i < n && best->family != ADDR_V4; i++)
        if (addrs[i].family == ADDR_V4)
            best = &addrs[i];
    return geo_group(q->env.geo, best);
}

static void seek(struct queue *q, struct item *item, struct mx_set *mx, size_t host,
                 bool temporary);

static void on_host(void *arg, struct host_set *set)
{
    struct lookup *lookup = arg;
    struct queue *q = lookup->queue;
    bool temporary = lookup->temporary || set->status == DNS_TEMPORARY;
    map_del(q->lookups, slice_of(lookup->key));
    for (struct list *node; (node = list_pop_front(&lookup->items));) {
        struct item *item = CONTAINER_OF(node, struct item, node);
        if (set->status == DNS_OK)
            route_known(q, item, lookup->mx, place_of(q, set->addrs, set->count));
        else
            seek(q, item, lookup->mx, lookup->host + 1, temporary);
    }
    lookup_free(lookup);
}

/* No domain begins with a blank: the key is not that of an MX lookup. */
static void ask_host(struct queue *q, struct item *item, struct mx_set *mx, size_t host,
                     bool temporary)
{
    struct buf key;
    bool fresh;
    buf_init(&key, 1 << 16);
    buf_printf(&key, " %zu%c %s", host, temporary ? '?' : '.', mx->site);
    struct lookup *lookup = lookup_get(q, buf_slice(&key), &fresh);
    buf_free(&key);
    if (fresh) {
        lookup->mx = mx_set_ref(mx);
        lookup->host = host;
        lookup->temporary = temporary;
        struct slice name = slice_of(mx->hosts[host].name);
        lookup->query = resolver_host(q->env.resolver, name, on_host, lookup);
    }
    wait_in(lookup, item);
}

/* From this host on. */
static void seek(struct queue *q, struct item *item, struct mx_set *mx, size_t host, bool temporary)
{
    for (; host < mx->count; host++) {
        struct slice name = slice_of(mx->hosts[host].name);
        struct addr literal;
        bool bare;
        if (dns_parse_literal(name, &literal, &bare)) {
            route_known(q, item, mx, place_of(q, &literal, 1));
            return;
        }
        struct host_set *set = resolver_host_cached(q->env.resolver, name);
        if (!set) {
            ask_host(q, item, mx, host, temporary);
            return;
        }
        if (set->status == DNS_OK) {
            route_known(q, item, mx, place_of(q, set->addrs, set->count));
            return;
        }
        temporary = temporary || set->status == DNS_TEMPORARY;
    }
    if (temporary)
        place_trouble(q, item, TROUBLE_DNS, "its mail exchangers' addresses are not known now");
    else
        route_known(q, item, mx, place_of(q, NULL, 0));
}

const struct geo_group *queue_place_known(struct queue *q, const struct mx_set *mx)
{
    for (size_t i = 0; q->env.geo && i < mx->count; i++) {
        struct slice name = slice_of(mx->hosts[i].name);
        struct addr literal;
        bool bare;
        if (dns_parse_literal(name, &literal, &bare))
            return place_of(q, &literal, 1);
        const struct host_set *set = resolver_host_cached(q->env.resolver, name);
        if (!set || set->status == DNS_OK)
            return set ? place_of(q, set->addrs, set->count) : NULL;
    }
    return NULL;
}

void lookup_place(struct queue *q, struct item *item, struct mx_set *mx)
{
    seek(q, item, mx, 0, false);
}

/* ---- all of them ---- */

struct list *lookup_items(void *lookup)
{
    return &((struct lookup *)lookup)->items;
}

static bool lookup_end(void *arg, struct slice key, void *value)
{
    struct lookup *lookup = value;
    (void)arg;
    (void)key;
    dns_cancel(&lookup->query);
    for (struct list *node; (node = list_pop_front(&lookup->items));) {
        struct item *item = CONTAINER_OF(node, struct item, node);
        item_free(&item);
    }
    lookup_free(lookup);
    return true;
}

void lookups_free(struct queue *q)
{
    map_each(q->lookups, lookup_end, NULL);
    map_free(&q->lookups, NULL);
}
