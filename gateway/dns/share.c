/*
 * dns/share — answers that one worker's resolver found, for those of the others
 *
 *   Each resolver has an inbox: a stack that the others push onto and that it takes as a whole, so
 *   no lock and no wake-up is needed. It looks there at its next call, before the cache, which
 *   costs one load when nothing has come. The sets themselves are shared, not copied.
 *
 *   Shared is what a server said, not failures and not what is stale. A full inbox (a worker
 *   without mail) takes no more: sharing saves questions, it does not have to be complete.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/dns/resolver_private.h"

enum { INBOX_MAX = 4096 };

struct note {
    struct note *next;
    enum lookup_kind kind;
    void *set; /* one reference */
    int64_t expires_ms, stale_ms;
    char name[];
};

static void push(struct inbox *in, struct note *note)
{
    note->next = atomic_load_explicit(&in->top, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&in->top, &note->next, note, memory_order_release,
                                                  memory_order_relaxed))
        ;
}

static bool worth_sharing(enum lookup_kind kind, const void *set)
{
    if (kind == LOOKUP_MX) {
        const struct mx_set *mx = set;
        return mx->status != DNS_TEMPORARY && !mx->stale;
    }
    const struct host_set *host = set;
    return host->status != DNS_TEMPORARY && !host->stale;
}

void share_publish(struct resolver *r, enum lookup_kind kind, struct slice name, void *set,
                   int64_t expires_ms, int64_t stale_ms)
{
    for (size_t i = 0; i < r->all_n && worth_sharing(kind, set); i++) {
        struct inbox *in = &r->all[i]->inbox;
        if (r->all[i] == r)
            continue;
        if (atomic_fetch_add_explicit(&in->n, 1, memory_order_relaxed) >= INBOX_MAX) {
            atomic_fetch_sub_explicit(&in->n, 1, memory_order_relaxed);
            continue;
        }
        struct note *note = mem_zero(sizeof *note + name.n + 1);
        note->kind = kind;
        note->set = resolver_set_ref(kind, set);
        note->expires_ms = expires_ms;
        note->stale_ms = stale_ms;
        memcpy(note->name, name.p, name.n);
        push(in, note);
    }
}

/* Into the cache, unless that has something as good. */
static void keep(struct resolver *r, struct note *note)
{
    struct slice name = slice_of(note->name);
    const void *old = cache_get(r->cache[note->kind], name, loop_now_ms(r->loop));
    int64_t until = !old                      ? 0
                    : note->kind == LOOKUP_MX ? ((const struct mx_set *)old)->expires_ms
                                              : ((const struct host_set *)old)->expires_ms;
    if (until < note->expires_ms)
        cache_put(r->cache[note->kind], name, resolver_set_ref(note->kind, note->set),
                  note->expires_ms, note->stale_ms);
}

static void take(struct resolver *r, bool into_cache)
{
    struct note *note = atomic_exchange_explicit(&r->inbox.top, NULL, memory_order_acquire);
    while (note) {
        struct note *next = note->next;
        if (into_cache)
            keep(r, note);
        resolver_set_unref(note->kind, note->set);
        free(note);
        atomic_fetch_sub_explicit(&r->inbox.n, 1, memory_order_relaxed);
        note = next;
    }
}

void share_take(struct resolver *r)
{
    if (atomic_load_explicit(&r->inbox.top, memory_order_relaxed))
        take(r, true);
}

void share_drop(struct resolver *r)
{
    take(r, false);
}

void resolver_share(struct resolver *r, struct resolver *const *all, size_t n)
{
    r->all = all;
    r->all_n = n;
}
