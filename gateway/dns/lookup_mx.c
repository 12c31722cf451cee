/*
 * dns/lookup_mx — one MX lookup: the question, CNAMEs left open, the implicit MX
 */
#include <stdio.h>

#include "gateway/dns/resolver_private.h"

static void fail(struct lookup *l, enum dns_status status, const char *text, int64_t ttl_ms)
{
    struct mx_set *set = mx_set_failed(status, text);
    set->followed_cname = l->mx.hops > 0;
    lookup_publish(l, set, ttl_ms);
}

/* RFC 5321 section 5.1: without MX the domain itself is the host, if it has an address. */
static void on_implicit(void *arg, struct host_set *hosts)
{
    struct lookup *l = arg;
    l->implicit = NULL;
    int64_t left_ms = hosts->expires_ms - loop_now_ms(l->r->loop);
    int64_t ttl_ms = left_ms < l->no_mx_ttl_ms ? left_ms : l->no_mx_ttl_ms;
    switch (hosts->status) {
    case DNS_OK:
        lookup_publish(l, mx_set_single(l->name, true), ttl_ms);
        break;
    case DNS_UNUSABLE:
        fail(l, DNS_UNUSABLE, hosts->text, ttl_ms);
        break;
    case DNS_TEMPORARY:
        l->lacked = hosts->lacked;
        snprintf(l->text, sizeof l->text, "%s", hosts->text);
        lookup_publish_failure(l);
        break;
    case DNS_NULL_MX:
    case DNS_NXDOMAIN:
    case DNS_NO_DATA:
        fail(l, DNS_NO_DATA, "the domain has neither MX nor address records", ttl_ms);
        break;
    }
}

static void on_answer(void *arg, const struct ask_result *result)
{
    struct lookup *l = arg;
    const struct dns_answer *a = result->answer;
    l->mx.ask = NULL;
    if (!a) {
        l->lacked = result->rc == RC_AGAIN;
        snprintf(l->text, sizeof l->text, "%s", result->text);
        lookup_publish_failure(l);
        return;
    }
    int64_t negative_ms = resolver_negative_ttl(l->r, a);
    struct dns_found found = answer_find(a, trail_name(l, &l->mx), DNS_MX);
    if (found.looped) {
        fail(l, DNS_UNUSABLE, "its CNAME records form a loop", negative_ms);
    } else if (found.count) {
        struct mx_set *set = mx_set_build(a, &found);
        set->followed_cname = set->followed_cname || l->mx.hops > 0;
        lookup_publish(l, set, resolver_ttl(l->r, found.ttl));
    } else if (a->rcode == DNS_NAME_ERROR) {
        fail(l, DNS_NXDOMAIN, "no such domain", negative_ms);
    } else if (!trail_follow(l, &l->mx, a, &found, DNS_MX, on_answer)) {
        l->no_mx_ttl_ms = negative_ms;
        l->implicit = resolver_host(l->r, slice_of(l->name), on_implicit, l);
    }
}

void lookup_mx_start(struct lookup *l)
{
    trail_ask(l, &l->mx, DNS_MX, on_answer);
}
