/*
 * dns/lookup_host — one address lookup: A and AAAA side by side
 *
 *   The first family to have an address starts a short wait for the other (RFC 8305 section 3);
 *   when that is over, what is known is published, and the late answer completes the cache.
 */
#include <stdio.h>

#include "gateway/dns/resolver_private.h"

static void publish_addresses(struct lookup *l)
{
    int64_t ttl_ms = l->r->conf.ttl_max_ms;
    const struct family *families[] = { &l->v6, &l->v4 };
    for (size_t i = 0; i < 2; i++)
        if (families[i]->done && families[i]->status == DNS_OK && families[i]->ttl_ms < ttl_ms)
            ttl_ms = families[i]->ttl_ms;
    if ((l->v6.done && l->v6.status == DNS_TEMPORARY) ||
        (l->v4.done && l->v4.status == DNS_TEMPORARY) || !l->v6.done || !l->v4.done)
        ttl_ms = l->r->conf.ttl_min_ms; /* half an answer: ask again soon */
    lookup_publish(l,
                   host_set_build(l->v6.addrs, l->v6.count, l->v4.addrs, l->v4.count,
                                  l->r->conf.allow_loopback),
                   ttl_ms);
}

/* Both families are known and neither has an address. */
static void publish_none(struct lookup *l)
{
    enum dns_status a = l->v6.status, b = l->v4.status;
    int64_t ttl_ms = l->v6.ttl_ms < l->v4.ttl_ms ? l->v6.ttl_ms : l->v4.ttl_ms;
    if (a == DNS_TEMPORARY || b == DNS_TEMPORARY)
        lookup_publish_failure(l);
    else if (a == DNS_UNUSABLE || b == DNS_UNUSABLE)
        lookup_publish(l, host_set_failed(DNS_UNUSABLE, "its CNAME records form a loop"), ttl_ms);
    else if (a == DNS_NXDOMAIN || b == DNS_NXDOMAIN)
        lookup_publish(l, host_set_failed(DNS_NXDOMAIN, "no such host"), ttl_ms);
    else
        lookup_publish(l, host_set_failed(DNS_NO_DATA, "the host has no address"), ttl_ms);
}

/* Goes on when both families are known, or when one is and the other has had its time. */
static void advance(struct lookup *l, bool waited)
{
    bool v6 = l->v6.done && l->v6.status == DNS_OK, v4 = l->v4.done && l->v4.status == DNS_OK;
    if (l->v6.done && l->v4.done) {
        if (v6 || v4)
            publish_addresses(l);
        else
            publish_none(l);
    } else if (v6 || v4) {
        if (waited)
            publish_addresses(l);
        else if (!timer_is_set(&l->wait))
            timer_set(l->r->loop, &l->wait, l->r->conf.prefer_v6_ms);
    }
}

static void on_wait_over(struct timer *timer)
{
    advance(CONTAINER_OF(timer, struct lookup, wait), true);
}

/* Returns false when another question was asked instead (a CNAME left open). */
static bool read_family(struct lookup *l, struct family *f, const struct ask_result *result,
                        uint16_t type, ask_fn *again)
{
    const struct dns_answer *a = result->answer;
    f->trail.ask = NULL;
    if (!a) {
        snprintf(l->text, sizeof l->text, "%s", result->text);
        f->status = DNS_TEMPORARY;
        l->lacked = l->lacked || result->rc == RC_AGAIN;
        return true;
    }
    struct dns_found found = answer_find(a, trail_name(l, &f->trail), type);
    f->ttl_ms = resolver_negative_ttl(l->r, a);
    const struct dns_record *r = NULL;
    while (f->count < HOST_ADDRS_MAX && (r = answer_next(a, &found, type, r)))
        f->addrs[f->count++] = r->addr;
    if (found.looped)
        f->status = DNS_UNUSABLE;
    else if (found.count)
        f->status = DNS_OK;
    else if (a->rcode == DNS_NAME_ERROR)
        f->status = DNS_NXDOMAIN;
    else if (trail_follow(l, &f->trail, a, &found, type, again))
        return false;
    else
        f->status = DNS_NO_DATA;
    if (f->status == DNS_OK)
        f->ttl_ms = resolver_ttl(l->r, found.ttl);
    return true;
}

static void on_v6(void *arg, const struct ask_result *result)
{
    struct lookup *l = arg;
    if (!read_family(l, &l->v6, result, DNS_AAAA, on_v6))
        return;
    l->v6.done = true;
    advance(l, l->published);
}

static void on_v4(void *arg, const struct ask_result *result)
{
    struct lookup *l = arg;
    if (!read_family(l, &l->v4, result, DNS_A, on_v4))
        return;
    l->v4.done = true;
    advance(l, l->published);
}

void lookup_host_start(struct lookup *l)
{
    timer_init(&l->wait, on_wait_over);
    trail_ask(l, &l->v6.trail, DNS_AAAA, on_v6);
    trail_ask(l, &l->v4.trail, DNS_A, on_v4);
}
