/*
 * delivery/open — the way to a host that takes mail: names, addresses, connections, one by one
 *
 *   For each host in order: resolve, leave out addresses that failed lately, dial the rest (RFC
 *   8305 staggers them). A connection that turns out unfit (greeting, EHLO, TLS, AUTH) is followed
 *   by the host's other addresses, then by the next host. When all were left out for failing
 *   lately, a second round tries them all the same.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/conf/conf.h"
#include "gateway/delivery/crowd.h"
#include "gateway/delivery/detour.h"
#include "gateway/delivery/egress.h"
#include "gateway/delivery/peers.h"
#include "gateway/delivery/race.h"
#include "gateway/delivery/repute.h"
#include "gateway/delivery/sense.h"
#include "gateway/delivery/tolls.h"
#include "gateway/delivery/views.h"
#include "gateway/io/dial_socket.h"
#include "gateway/io/stream.h"

enum { STAGGER_MS = 250 };

static const struct stream_limits limits = { .input = 16 * 1024,
                                             .output = 16 * 1024 * 1024,
                                             .low_mark = 0 };

/* ---- the most telling reason ---- */

static int weight(const struct finding *f)
{
    if (f->where == WHERE_NONE)
        return 0;
    if (f->where == WHERE_DNS)
        return f->status.class_ == 5 ? 1 : 2;
    if (f->where == WHERE_CONNECT)
        return 3;
    return f->fault == FAULT_NONE ? 5 : 4;
}

static void note_trouble(struct session *s, const struct finding *f)
{
    if (weight(f) < weight(&s->trouble))
        return;
    s->trouble = *f;
    snprintf(s->trouble_text, sizeof s->trouble_text, "%.*s", SLICE_FMT(f->text));
    snprintf(s->trouble_host, sizeof s->trouble_host, "%.*s", SLICE_FMT(session_mx(s)));
    s->trouble.text = slice_of(s->trouble_text);
}

static void note_own(struct session *s, enum where where, struct enhanced status, const char *text)
{
    struct finding f = {
        .where = (uint8_t)where, .fault = FAULT_OURS, .status = status, .text = slice_of(text)
    };
    note_trouble(s, &f);
}

/* It says nothing of whom we would have asked; to the mail it is a connection that did not come
 * about. */
static void note_lacked(struct session *s, const char *text)
{
    struct finding f = { .where = WHERE_CONNECT, .fault = FAULT_CLOSED, .text = slice_of(text) };
    note_trouble(s, &f);
    s->lacked = true;
}

/* ---- no host is left ---- */

static bool any_working(const struct session *s, const struct list *sessions, bool same_egress)
{
    LIST_EACH (at, sessions) {
        const struct session *other = CONTAINER_OF(at, struct session, link);
        if (other->state != SESSION_OPENING && (!same_egress || other->egress == s->egress))
            return true;
    }
    return false;
}

bool open_others_work(const struct session *s, bool same_egress)
{
    return any_working(s, &s->target->others, same_egress) ||
           any_working(s, &s->target->idle, same_egress);
}

static void gave_up(struct session *s)
{
    struct target *t = s->target;
    int64_t now = loop_now_ms(s->delivery->loop);
    if (race_lost(s))
        return;
    t->proven = false;
    t->at_once = TARGET_OPENS_FIRST;
    if (s->trouble.where == WHERE_NONE) {
        if (s->hosts.looped)
            note_own(s, WHERE_DNS, (struct enhanced){ 5, 4, 6 }, "the mail would come back to us");
        else
            note_own(s, WHERE_DNS, (struct enhanced){ 4, 4, 4 }, "there is no host to try");
    }
    bool ours =
        s->lacked && s->trouble.where == WHERE_CONNECT; /* what it said itself counts more */
    if (s->relay && !ours) {
        detour_relay(s);
        return;
    }
    bool works = !s->relay && open_others_work(s, true);
    if ((!works || outcome_is_address(&s->trouble)) && detour_take(s, &s->trouble)) {
        session_kill(s, NULL);
        return;
    }
    if (works || (!s->relay && (open_others_work(s, false) || crowd_explains(s, &s->trouble)))) {
        /* It takes so many connections and no more: those carry the mail. */
        crowd_refused(s);
        session_kill(s, NULL);
        return;
    }
    crowd_judge(s, &s->trouble);
    struct verdict v = outcome_judge(&s->trouble);
    if (v.kind == VERDICT_DEFERRED && t->site->backoff_until_ms <= now)
        site_failed(t->site, s->trouble_text);
    session_kill(s, &s->trouble);
}

/* ---- addresses ---- */

static void take_addresses(struct session *s, const struct addr *addrs, size_t n)
{
    struct delivery *d = s->delivery;
    const struct conf *conf = policies_conf(s->policies);
    int64_t now = loop_now_ms(d->loop);
    s->addrs_n = 0;
    for (size_t i = 0; i < n && s->addrs_n < HOST_ADDRS_MAX; i++) {
        struct addr a = addrs[i];
        a.port = s->hosts.at[s->host_at].port;
        if (!s->relay)
            s->target->families |= (uint8_t)way_family(&a);
        if (s->relay && hosts_is_own(conf, &a)) {
            note_own(s, WHERE_AUTH, (struct enhanced){ 4, 4, 6 }, "the relay is this gateway");
            continue;
        }
        if (s->hosts.mx && hosts_is_own(conf, &a)) {
            hosts_cut_from(&s->hosts, s->host_at);
            s->host_at = s->hosts.n; /* those before it have been tried */
            s->addrs_n = 0;
            return;
        }
        if (s->last_resort || !peers_failing(d->peers, session_egress(s), &a, now))
            s->addrs[s->addrs_n++] = a;
    }
}

static void take_host(struct session *s, const struct host_set *set)
{
    if (set->status == DNS_OK)
        take_addresses(s, set->addrs, set->count);
    else if (set->lacked && s->relay)
        note_lacked(s, set->text);
    else if (set->status == DNS_TEMPORARY)
        note_own(s, WHERE_DNS, (struct enhanced){ 4, 4, 3 }, set->text);
    else
        note_own(s, WHERE_DNS, (struct enhanced){ 5, 4, 4 }, set->text);
}

static void on_host(void *arg, struct host_set *set)
{
    struct session *s = arg;
    struct target *target = s->target;
    s->query = NULL;
    take_host(s, set);
    open_next_address(s);
    target_run(target);
}

/* False: the answer will come. */
static bool resolve(struct session *s)
{
    struct delivery *d = s->delivery;
    const struct next_host *h = &s->hosts.at[s->host_at];
    s->host_tried = true;
    if (h->is_addr) {
        take_addresses(s, &h->addr, 1);
        return true;
    }
    struct host_set *set = resolver_host_cached(d->resolver, h->name);
    struct host_set *view =
        s->relay || s->policies != d->policies ? NULL : views_host(d->views, s->egress, h->name);
    if (view || set) {
        take_host(s, view ? view : set);
        return true;
    }
    s->query = resolver_host(d->resolver, h->name, on_host, s);
    return false;
}

/* ---- connecting ---- */

static void connected(struct session *s, const struct dial_result *r)
{
    s->stream = r->stream;
    s->address = r->attempts[r->won].addr;
    open_note_source(s, r);
    if (s->via && !s->relay && s->policies == s->delivery->policies)
        egress_worked(s->delivery->egress, s->egress);
    int64_t now = clock_mono_us();
    s->stage_us[STAGE_CONNECT] = r->attempt_count == 1 ? now - s->stage_at_us : r->connect_us;
    s->longest_us = dial_longest_us(r);
    s->stage_at_us = now;
    counter_add(s->delivery->counters, COUNTER_CONNECTIONS_OUT, 1);
    reply_parser_reset(&s->parser);
    session_expect(s, STEP_GREETING, 1, NULL);
    stream_set_ops(s->stream, &session_stream_ops, s);
    session_set_deadline(s);
    race_connected(s);
}

/* Remembers what failed, keeps what was not tried. */
static void sort_out(struct session *s, const struct dial_result *r)
{
    struct delivery *d = s->delivery;
    unsigned kept = 0;
    for (size_t i = 0; i < r->attempt_count; i++) {
        const struct dial_attempt *a = &r->attempts[i];
        switch (a->fault) {
        case DIAL_UNTRIED:
        case DIAL_LOST:
            if (kept < HOST_ADDRS_MAX)
                s->addrs[kept++] = a->addr;
            break;
        case DIAL_REFUSED:
        case DIAL_RESET:
        case DIAL_TIMED_OUT:
        case DIAL_UNREACHABLE:
        case DIAL_DENIED:
            if (a->fault == DIAL_DENIED && s->policies == d->policies)
                egress_denied(d->egress, s->egress, a->text ? a->text : dial_fault_name(a->fault));
            s->address = a->addr; /* for the log, when none connects */
            peers_failed(d->peers, session_egress(s), &a->addr, loop_now_ms(d->loop));
            break;
        case DIAL_CONNECTED:
        case DIAL_UNPLUMBED:
        case DIAL_PROXY:
        case DIAL_SKIPPED:
        case DIAL_FAILED:
            break;
        }
    }
    s->addrs_n = r->rc == RC_OK ? kept : 0;
}

static void on_dialled(void *arg, const struct dial_result *r)
{
    struct session *s = arg;
    struct delivery *d = s->delivery;
    struct target *target = s->target;
    s->dial = NULL;
    if (r->rc != RC_OK)
        race_unwatch(s);
    sense_dialled(s, r);
    sort_out(s, r);
    if (r->rc == RC_OK) {
        connected(s, r);
    } else if (r->egress_fault) {
        detour_dial(s, r);
    } else {
        counter_add(d->counters, COUNTER_CONNECTS_FAILED, 1);
        s->lacked = s->lacked || dial_lacked_ours(r);
        struct finding f = { .where = WHERE_CONNECT,
                             .fault = r->rc == RC_TIMEOUT ? FAULT_TIMEOUT : FAULT_CLOSED,
                             .text = slice_of(r->text) };
        note_trouble(s, &f);
        open_next_address(s);
    }
    target_run(target);
}

static void dial(struct session *s)
{
    struct delivery *d = s->delivery;
    const struct conf_timeouts *timeouts = &policies_conf(s->policies)->delivery.timeouts;
    struct dial_source source;
    struct dial_via via;
    if (s->policies != d->policies) { /* a reload: its egress may be gone; the mail begins anew */
        session_kill(s, NULL);
        return;
    }
    if (!race_place(s))
        return;
    bool proxied = s->via && !s->relay;
    if (proxied && !open_find_proxy(s))
        return;
    int64_t wait_ms = tolls_dial_ms(s);
    if (wait_ms &&
        !s->dialled) { /* there was one left when it began: its mail waits in the queue */
        session_kill(s, NULL);
        return;
    }
    if (wait_ms) {
        timer_set(d->loop, &s->pause, wait_ms);
        return;
    }
    repute_source(s, &source);
    if (proxied)
        way_via(egress_conf(d->egress, s->egress), s->proxy, s->proxy_n, &via);
    struct dial_plan plan = { .addrs = s->addrs,
                              .addr_count = s->addrs_n,
                              .source = &source,
                              .via = proxied ? &via : NULL,
                              .stagger_ms = STAGGER_MS,
                              .attempt_ms = timeouts->connect,
                              .total_ms = timeouts->connect + STAGGER_MS * s->addrs_n +
                                          (proxied ? 3 * WAY_PROXY_MS : 0),
                              .limits = limits };
    s->dialled = true;
    s->stage_at_us = clock_mono_us();
    s->dial = dial_start(d->loop, &plan, on_dialled, s);
    race_watch(s);
}

/* ---- the walk ---- */

void open_next_address(struct session *s)
{
    while (s->addrs_n == 0) {
        if (s->host_tried) {
            s->host_tried = false;
            s->host_at++;
        }
        if (s->host_at >= s->hosts.n && !s->dialled && !s->last_resort && s->hosts.n) {
            s->last_resort = true;
            s->host_at = 0;
        }
        if (s->host_at >= s->hosts.n) {
            gave_up(s);
            return;
        }
        if (!resolve(s))
            return;
    }
    dial(s);
}

void open_lacked(struct session *s, const char *text)
{
    note_lacked(s, text);
    s->addrs_n = 0;
    open_next_address(s);
}

void open_failed(struct session *s, const struct finding *finding)
{
    struct delivery *d = s->delivery;
    note_trouble(s, finding);
    sense_unfit(s, finding);
    if (!crowd_explains(s, finding))
        repute_tell_refused(s, finding);
    peers_failed(d->peers, session_egress(s), &s->address, loop_now_ms(d->loop));
    session_drop_stream(s);
    open_next_address(s);
}

void open_again_plain(struct session *s)
{
    if (s->addrs_n == HOST_ADDRS_MAX)
        s->addrs_n--;
    memmove(s->addrs + 1, s->addrs, s->addrs_n * sizeof s->addrs[0]);
    s->addrs[0] = s->address;
    s->addrs_n++;
    session_drop_stream(s);
    open_next_address(s);
}
