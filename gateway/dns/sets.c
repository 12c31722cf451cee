#include "gateway/dns/sets.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"

/* In front of each set, in the same allocation. */
struct counter {
    alignas(max_align_t) atomic_int refs;
};

enum { SITE_MAX = MX_HOSTS_MAX * 262 };

static void *counted_new(size_t size)
{
    struct counter *c = mem_zero(sizeof *c + size);
    atomic_init(&c->refs, 1);
    return c + 1;
}

static void counted_ref(void *set)
{
    struct counter *c = set;
    atomic_fetch_add_explicit(&c[-1].refs, 1, memory_order_relaxed);
}

static void counted_unref(void *set)
{
    struct counter *c = set;
    if (c && atomic_fetch_sub_explicit(&c[-1].refs, 1, memory_order_acq_rel) == 1)
        free(c - 1);
}

const char *dns_status_name(enum dns_status status)
{
    static const char *const names[] = {
        [DNS_OK] = "ok",           [DNS_NULL_MX] = "null_mx",   [DNS_NXDOMAIN] = "nxdomain",
        [DNS_NO_DATA] = "no_data", [DNS_UNUSABLE] = "unusable", [DNS_TEMPORARY] = "temporary",
    };
    return names[status];
}

/* Copies `n` hosts and the texts they and the site need into one block. */
static struct mx_set *mx_set_make(const struct mx_host *hosts, size_t n, const char *site)
{
    size_t head = sizeof(struct mx_set) + n * sizeof *hosts, size = head + strlen(site) + 1;
    for (size_t i = 0; i < n; i++)
        size += strlen(hosts[i].name) + 1;
    struct mx_set *set = counted_new(size);
    char *at = (char *)set + head;
    set->count = n;
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(hosts[i].name) + 1;
        memcpy(at, hosts[i].name, len);
        set->hosts[i] = (struct mx_host){ hosts[i].preference, at };
        at += len;
    }
    memcpy(at, site, strlen(site) + 1);
    set->site = at;
    return set;
}

struct mx_set *mx_set_failed(enum dns_status status, const char *text)
{
    struct mx_set *set = mx_set_make(NULL, 0, "");
    set->status = status;
    snprintf(set->text, sizeof set->text, "%s", text);
    return set;
}

struct mx_set *mx_set_copy(const struct mx_set *set)
{
    struct mx_set *copy = mx_set_make(set->hosts, set->count, set->site);
    copy->status = set->status;
    copy->implicit = set->implicit;
    copy->stale = set->stale;
    copy->followed_cname = set->followed_cname;
    copy->expires_ms = set->expires_ms;
    memcpy(copy->text, set->text, sizeof copy->text);
    return copy;
}

static struct mx_set *mx_set_of_hosts(const struct mx_host *hosts, size_t n)
{
    struct buf site;
    buf_init(&site, SITE_MAX);
    for (size_t i = 0; i < n; i++)
        buf_printf(&site, "%s%u %s", i ? "," : "", (unsigned)hosts[i].preference, hosts[i].name);
    char *text = buf_take(&site, NULL);
    struct mx_set *set = mx_set_make(hosts, n, text);
    free(text);
    return set;
}

struct mx_set *mx_set_single(const char *name, bool implicit)
{
    struct mx_host host = { 0, name };
    struct mx_set *set = mx_set_of_hosts(&host, 1);
    set->implicit = implicit;
    return set;
}

static int compare_hosts(const void *a, const void *b)
{
    const struct mx_host *x = a, *y = b;
    if (x->preference != y->preference)
        return x->preference < y->preference ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* Sorted hosts: a name that came before (with a lower or equal preference) goes. */
static size_t drop_duplicates(struct mx_host *hosts, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n && kept < MX_HOSTS_MAX; i++) {
        bool seen = false;
        for (size_t k = 0; k < kept && !seen; k++)
            seen = strcmp(hosts[k].name, hosts[i].name) == 0;
        if (!seen)
            hosts[kept++] = hosts[i];
    }
    return kept;
}

struct mx_set *mx_set_build(const struct dns_answer *answer, const struct dns_found *found)
{
    struct mx_host *hosts = mem_array(found->count, sizeof *hosts);
    size_t n = 0;
    bool null_mx = false;
    const struct dns_record *r = NULL;
    while ((r = answer_next(answer, found, DNS_MX, r))) {
        null_mx = null_mx || !r->name[0];
        if (dns_is_host_name(r->name))
            hosts[n++] = (struct mx_host){ r->preference, r->name };
    }
    qsort(hosts, n, sizeof *hosts, compare_hosts);
    n = drop_duplicates(hosts, n);
    struct mx_set *set;
    if (n)
        set = mx_set_of_hosts(hosts, n);
    else if (null_mx && found->count == 1)
        set = mx_set_failed(DNS_NULL_MX, "the domain does not accept mail (null MX)");
    else
        set = mx_set_failed(DNS_UNUSABLE, "no MX record names a usable host");
    set->followed_cname = found->followed;
    free(hosts);
    return set;
}

struct mx_set *mx_set_ref(struct mx_set *set)
{
    counted_ref(set);
    return set;
}

void mx_set_unref(struct mx_set **set)
{
    counted_unref(*set);
    *set = NULL;
}

static struct host_set *host_set_make(const struct addr *addrs, size_t n)
{
    struct host_set *set = counted_new(sizeof *set + n * sizeof *addrs);
    set->count = n;
    if (n)
        memcpy(set->addrs, addrs, n * sizeof *addrs);
    return set;
}

struct host_set *host_set_failed(enum dns_status status, const char *text)
{
    struct host_set *set = host_set_make(NULL, 0);
    set->status = status;
    snprintf(set->text, sizeof set->text, "%s", text);
    return set;
}

struct host_set *host_set_copy(const struct host_set *set)
{
    struct host_set *copy = host_set_make(set->addrs, set->count);
    copy->status = set->status;
    copy->stale = set->stale;
    copy->expires_ms = set->expires_ms;
    memcpy(copy->text, set->text, sizeof copy->text);
    return copy;
}

static bool is_link_local(const struct addr *a)
{
    if (a->family == ADDR_V4)
        return a->bytes[0] == 169 && a->bytes[1] == 254;
    return a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
}

static bool can_receive(const struct addr *a, bool allow_loopback)
{
    bool this_network = a->family == ADDR_V4 && a->bytes[0] == 0;
    return !addr_is_any(a) && !this_network && !addr_is_multicast(a) && !is_link_local(a) &&
           (allow_loopback || !addr_is_loopback(a));
}

static size_t add_addr(struct addr *addrs, size_t n, const struct addr *a, bool allow_loopback)
{
    if (n == HOST_ADDRS_MAX || !can_receive(a, allow_loopback))
        return n;
    for (size_t i = 0; i < n; i++)
        if (addr_same_host(&addrs[i], a))
            return n;
    addrs[n] = *a;
    addrs[n].port = 0;
    return n + 1;
}

struct host_set *host_set_build(const struct addr *v6, size_t v6_count, const struct addr *v4,
                                size_t v4_count, bool allow_loopback)
{
    struct addr addrs[HOST_ADDRS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < v6_count || i < v4_count; i++) {
        if (i < v6_count)
            n = add_addr(addrs, n, &v6[i], allow_loopback);
        if (i < v4_count)
            n = add_addr(addrs, n, &v4[i], allow_loopback);
    }
    if (n)
        return host_set_make(addrs, n);
    return host_set_failed(DNS_UNUSABLE, "no address of it can be delivered to");
}

struct host_set *host_set_ref(struct host_set *set)
{
    counted_ref(set);
    return set;
}

void host_set_unref(struct host_set **set)
{
    counted_unref(*set);
    *set = NULL;
}

bool dns_parse_literal(struct slice text, struct addr *addr_r, bool *bare_r)
{
    *bare_r = !(text.n && text.p[0] == '[');
    if (!*bare_r) {
        if (text.n < 2 || text.p[text.n - 1] != ']')
            return false;
        text = (struct slice){ text.p + 1, text.n - 2 };
        bool v6 = slice_istarts_with(text, "IPv6:");
        if (v6)
            text = (struct slice){ text.p + 5, text.n - 5 };
        if (v6 != (memchr(text.p, ':', text.n) != NULL))
            return false;
    }
    return addr_parse(text, addr_r) == RC_OK && addr_r->port == 0;
}
