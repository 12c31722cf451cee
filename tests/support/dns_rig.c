#include "tests/support/dns_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/clock.h"
#include "gateway/dns/answer.h"

enum { PATIENCE_MS = 20000 };

static void zone_mx(const struct fakedns_query *q, struct dnswire *w)
{
    const char *n = q->name;
    if (!strcmp(n, "two.example")) {
        dnswire_mx(w, n, 300, 20, "mx2.two.example");
        dnswire_mx(w, n, 300, 10, "MX1.two.example");
    } else if (!strcmp(n, "null.example")) {
        dnswire_mx(w, n, 300, 0, "");
    } else if (!strcmp(n, "alias.example")) {
        dnswire_cname(w, n, 300, "two.example");
        dnswire_mx(w, "two.example", 300, 10, "mx1.two.example");
    } else if (!strcmp(n, "half.example")) {
        dnswire_cname(w, n, 300, "two.example"); /* the rest must be asked for */
    } else if (!strcmp(n, "loop.example")) {
        dnswire_cname(w, n, 300, "loop2.example");
        dnswire_cname(w, "loop2.example", 300, n);
    } else if (!strcmp(n, "endless.example") || !strncmp(n, "e-", 2)) {
        char next[100];
        snprintf(next, sizeof next, "e-%.80s", n);
        dnswire_cname(w, n, 300, next);
    } else if (!strcmp(n, "short.example")) {
        dnswire_mx(w, n, 0, 10, "mx.short.example");
    } else {
        dnswire_soa(w, 3600, 3600);
    }
}

static void zone_addr(const struct fakedns_query *q, struct dnswire *w)
{
    bool v4 = q->type == DNS_A;
    const char *n = q->name;
    if (!strcmp(n, "implicit.example") || !strcmp(n, "both.example")) {
        dnswire_addr(w, n, 300, v4 ? "192.0.2.1" : "2001:db8::1");
    } else if (!strcmp(n, "onlyv4.example") && v4) {
        dnswire_addr(w, n, 300, "192.0.2.4");
    } else if (!strcmp(n, "bogus.example") && v4) {
        dnswire_addr(w, n, 300, "127.0.0.1");
        dnswire_addr(w, n, 300, "0.0.0.0");
    } else if (!strcmp(n, "www.example")) {
        dnswire_cname(w, n, 300, "both.example");
        dnswire_addr(w, "both.example", 300, v4 ? "192.0.2.1" : "2001:db8::1");
    } else {
        dnswire_soa(w, 60, 60);
    }
}

static bool is_missing(const char *name)
{
    return strstr(name, "missing") != NULL;
}

static enum fakedns_do answer(void *arg, const struct fakedns_query *q, struct dnswire *w)
{
    enum dns_mood mood = (enum dns_mood)atomic_load((atomic_int *)arg);
    uint8_t rcode = mood == SERVFAIL ? 2 : mood == REFUSED ? 5 : 0;
    if (mood == NO_EDNS && q->has_opt)
        rcode = 1;
    if (!strcmp(q->name, "slowv6.example") && q->type == DNS_AAAA)
        return FAKEDNS_SILENT;
    if (!strcmp(q->name, "slowv6.example"))
        dnswire_addr(w, q->name, 300, "192.0.2.6");
    else if (rcode == 0 && is_missing(q->name))
        rcode = 3;
    else if (rcode == 0 && q->type == DNS_MX)
        zone_mx(q, w);
    else if (rcode == 0)
        zone_addr(q, w);
    w->buf.mem[w->buf.start + 3] = (char)(w->buf.mem[w->buf.start + 3] | rcode);
    switch (mood) {
    case SILENT:
        return FAKEDNS_SILENT;
    case WRONG_ID:
        return FAKEDNS_WRONG_ID;
    case CUT:
        return FAKEDNS_CUT;
    case TRUNCATED:
        return FAKEDNS_TRUNCATE;
    case NORMAL:
    case SERVFAIL:
    case REFUSED:
    case NO_EDNS:
        break;
    }
    return FAKEDNS_SEND;
}

struct resolver_conf dns_rig_conf(const struct dns_rig *rig, struct addr addrs[2], size_t n)
{
    struct resolver_conf conf = resolver_defaults;
    for (size_t i = 0; i < n; i++)
        addrs[i] = fakedns_addr(rig->servers[i]);
    conf.servers = addrs;
    conf.server_count = n;
    conf.try_ms = 100;
    conf.timeout_ms = 2000;
    return conf;
}

void dns_rig_renew(struct dns_rig *rig, const struct resolver_conf *conf)
{
    struct err err;
    resolver_free(&rig->resolver);
    assert_int_equal(resolver_new(rig->loop, conf, &rig->resolver, &err), RC_OK);
}

int dns_rig_open(struct dns_rig *rig)
{
    struct addr addrs[2];
    memset(rig, 0, sizeof *rig);
    for (int i = 0; i < 2; i++) {
        atomic_store(&rig->moods[i], NORMAL);
        rig->servers[i] = fakedns_start((struct fakedns_script){ answer, &rig->moods[i] });
    }
    struct resolver_conf conf = dns_rig_conf(rig, addrs, 2);
    rig->loop = loop_new();
    dns_rig_renew(rig, &conf);
    return 0;
}

int dns_rig_close(struct dns_rig *rig)
{
    mx_set_unref(&rig->mx);
    host_set_unref(&rig->host);
    resolver_free(&rig->resolver);
    loop_free(&rig->loop);
    for (int i = 0; i < 2; i++)
        fakedns_stop(&rig->servers[i]);
    return 0;
}

void dns_rig_on_mx(void *arg, struct mx_set *set)
{
    struct dns_rig *rig = arg;
    rig->calls++;
    mx_set_unref(&rig->mx);
    rig->mx = mx_set_ref(set);
}

void dns_rig_on_host(void *arg, struct host_set *set)
{
    struct dns_rig *rig = arg;
    rig->calls++;
    host_set_unref(&rig->host);
    rig->host = host_set_ref(set);
}

void dns_rig_wait(struct dns_rig *rig, int calls)
{
    int64_t end_ms = clock_mono_ms() + PATIENCE_MS;
    while (rig->calls < calls && clock_mono_ms() < end_ms)
        loop_turn(rig->loop, 20);
    assert_int_equal(rig->calls, calls);
}

void dns_rig_turn_for(struct dns_rig *rig, int64_t ms)
{
    for (int64_t end_ms = clock_mono_ms() + ms; clock_mono_ms() < end_ms;)
        loop_turn(rig->loop, 10);
}

struct mx_set *dns_rig_mx(struct dns_rig *rig, const char *domain)
{
    rig->calls = 0;
    resolver_mx(rig->resolver, slice_of(domain), dns_rig_on_mx, rig);
    assert_int_equal(rig->calls, 0);
    dns_rig_wait(rig, 1);
    return rig->mx;
}

struct host_set *dns_rig_host(struct dns_rig *rig, const char *name)
{
    rig->calls = 0;
    resolver_host(rig->resolver, slice_of(name), dns_rig_on_host, rig);
    assert_int_equal(rig->calls, 0);
    dns_rig_wait(rig, 1);
    return rig->host;
}
