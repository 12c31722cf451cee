/*
 * delivery/session — how a session begins, rests and ends (session.h has the whole picture)
 */
#include "gateway/delivery/session.h"

#include <assert.h>
#include <stdlib.h>

#include "gateway/base/clock.h"
#include "gateway/conf/conf.h"
#include "gateway/delivery/crowd.h"
#include "gateway/delivery/detour.h"
#include "gateway/delivery/domains.h"
#include "gateway/delivery/egress.h"
#include "gateway/delivery/parting.h"
#include "gateway/delivery/peers.h"
#include "gateway/delivery/race.h"
#include "gateway/delivery/relay.h"
#include "gateway/delivery/repute.h"
#include "gateway/delivery/sense.h"
#include "gateway/delivery/settle.h"
#include "gateway/delivery/tolls.h"
#include "gateway/io/stream.h"
#include "policies/ahead.h"

enum { OUT_MAX = 4 * 1024 * 1024, QUIT_LINGER_MS = 2000, BEHIND_QUEUED_MAX = 64 * 1024 };

struct slice session_mx(const struct session *s)
{
    if (s->host_at < s->hosts.n)
        return s->hosts.at[s->host_at].name;
    return slice_of(s->trouble_host);
}

uint64_t session_egress(const struct session *s)
{
    return slice_hash_stable(policies_conf(s->policies)->egress.at[s->egress].name);
}

/* ---- beginning ---- */

/* The hosts the way leads to, and the terms there. */
static void take_way(struct session *s)
{
    const struct conf *conf = policies_conf(s->policies);
    const struct conf_egress *e = &conf->egress.at[s->egress];
    s->terms = session_terms(e, s->route);
    s->via = e->via.kind != CONF_VIA_NONE;
    s->relay = e->via.kind == CONF_VIA_RELAY;
    relay_opening(s);
    crowd_opening(s);
    if (s->relay)
        hosts_of_relay(&s->hosts, &e->via.relay);
    else if (s->target->site->mx)
        hosts_of_mx(&s->hosts, conf, s->target->site->mx, s->delivery->rnd);
    else
        hosts_of_route(&s->hosts, conf, s->route);
}

static void on_pause(struct timer *timer)
{
    struct session *s = CONTAINER_OF(timer, struct session, pause);
    struct target *target = s->target;
    if (s->state == SESSION_OPENING)
        open_next_address(s);
    else
        transact_next(s);
    target_run(target);
}

struct session *session_open(struct target *target, const struct conf_route *route,
                             const struct way_out *way, const struct grant *grant,
                             struct attempt *attempt)
{
    struct delivery *d = target->delivery;
    struct session *s = mem_zero(sizeof *s);
    s->delivery = d;
    s->target = target;
    s->policies = policies_ref(d->policies);
    s->route = route;
    s->egress = way->egress;
    s->way = *way;
    s->grant = *grant;
    s->is_rival = attempt == NULL;
    s->front = attempt;
    s->started_ms = loop_now_ms(d->loop);
    s->opened_us = clock_mono_us();
    for (int i = 0; i < STAGES; i++)
        s->stage_us[i] = -1;
    list_init(&s->lru);
    timer_init(&s->late, race_on_late);
    timer_init(&s->pause, on_pause);
    reply_parser_init(&s->parser);
    buf_init(&s->out, OUT_MAX);
    list_push_back(&target->others, &s->link);
    target->opening++;
    target->site->sessions++;
    d->opening_n++;
    d->sessions++;
    if (attempt) {
        attempt_hold_slot(attempt);
        attempt->session = s;
        body_prepare(attempt);
    }
    take_way(s);
    if (tolls_connect(s))
        open_next_address(s);
    else
        session_kill(s, NULL);
    return s->state == SESSION_DEAD ? NULL : s;
}

void session_opened(struct session *s)
{
    struct delivery *d = s->delivery;
    struct target *t = s->target;
    int64_t took = clock_mono_us() - s->opened_us;
    s->transactions_max = tolls_messages_max(s);
    t->open_us = t->open_us ? (t->open_us * 3 + took) / 4 : took;
    t->opens_us = ahead_learn(t->opens_us, took);
    t->mail_max = s->caps.mail_max;
    t->at_once += t->opening >= t->at_once;
    t->opening--;
    tolls_opened(s);
    t->proven = true;
    d->opening_n--;
    crowd_opened(s);
    peers_worked(d->peers, session_egress(s), &s->address);
    if (s->relay && s->policies == d->policies)
        egress_worked(d->egress, s->egress);
    sense_opened(s);
    site_succeeded(t->site);
    s->state = SESSION_WORKING;
    if (s->front && (target_outranks(t, s->front->item) || !repute_may_carry(s) ||
                     !tolls_may_go(s, (enum lane)s->front->lane)))
        attempt_return(&s->front);
    if (s->front)
        transact_start(s, s->front);
    else
        session_rest(s);
}

/* ---- working and resting ---- */

bool session_suits(const struct session *s, const struct conf_route *route)
{
    if (s->policies != s->delivery->policies)
        return false;
    if (s->route == route)
        return true;
    struct terms terms = session_terms(egress_conf(s->delivery->egress, s->egress), route);
    return terms_same(&s->terms, &terms);
}

bool session_is_spent(const struct session *s)
{
    return s->transactions_max && s->transactions >= s->transactions_max;
}

static bool used_up(const struct session *s)
{
    int64_t age = loop_now_ms(s->delivery->loop) - s->started_ms;
    return s->delivery->draining || s->policies != s->delivery->policies || session_is_spent(s) ||
           age >= policies_conf(s->policies)->delivery.session_time;
}

bool session_takes_more(const struct session *s)
{
    const struct attempt *a = s->front;
    if (s->state != SESSION_WORKING || !a || s->behind || !(s->caps.ext & EXT_PIPELINING))
        return false;
    if (a->step != ATTEMPT_FINAL || a->accepted == 0 || a->answered < a->batch_n)
        return false;
    if (attempt_has_more(a) || used_up(s) || stream_queued(s->stream) > BEHIND_QUEUED_MAX)
        return false;
    /* One that keeps its final reply for much longer than usual collects nothing more. */
    return clock_mono_us() - a->sent_us < 4 * s->target->final_us + 20000;
}

void session_give(struct session *s, struct attempt *attempt)
{
    attempt->session = s;
    if (s->state == SESSION_IDLE) {
        s->state = SESSION_WORKING;
        list_del(&s->link);
        list_push_back(&s->target->others, &s->link);
        list_del(&s->lru);
        s->delivery->idle_n--;
        s->front = attempt;
        attempt_hold_slot(attempt);
    } else {
        assert(session_takes_more(s));
        s->behind = attempt;
    }
    transact_start(s, attempt);
}

void session_rest(struct session *s)
{
    assert(s->state == SESSION_WORKING && !s->front && !s->behind && !s->expected_n);
    struct delivery *d = s->delivery;
    repute_give_back(s->target, &s->grant);
    s->state = SESSION_IDLE;
    s->rests_ms = loop_now_ms(d->loop);
    list_del(&s->link);
    list_push_front(&s->target->idle, &s->link);
    list_push_front(&d->idle, &s->lru);
    d->idle_n++;
    s->target->again = true;
    if (used_up(s) || crowd_is_over(s) || tolls_make_way(s)) {
        session_quit(s);
    } else {
        session_set_deadline(s);
        tolls_watch(s);
        relay_rests(s);
        delivery_room(d);
    }
}

void session_hop(struct session *s, struct hop *hop_r)
{
    const struct conf *conf = policies_conf(s->policies);
    struct stream_tcp_info tcp;
    *hop_r = (struct hop){ .mx = session_mx(s),
                           .egress = conf->egress.at[s->egress].name,
                           .tls = slice_of(s->tls),
                           .address = s->address,
                           .via = conf_via_names[conf->egress.at[s->egress].via.kind],
                           .rtt_us = -1,
                           .retransmits = -1,
                           .route = s->policies == s->delivery->policies ? s->route : NULL,
                           .reused = s->delivered > 0 };
    for (int i = 0; i < STAGES; i++)
        hop_r->stage_us[i] = s->delivered ? -1 : s->stage_us[i];
    if (!s->stream)
        return;
    hop_r->connected = true;
    hop_r->source = s->source;
    if (sense_tcp(s, &tcp)) {
        hop_r->rtt_us = tcp.rtt_us;
        hop_r->retransmits = tcp.retransmits;
    }
}

/* ---- the end ---- */

static void session_free(struct session *s)
{
    reply_parser_free(&s->parser);
    buf_free(&s->out);
    domains_forget(s);
    hosts_clear(&s->hosts);
    policies_unref(&s->policies);
    free(s);
}

void session_bury(struct loop_task *task)
{
    struct delivery *d = CONTAINER_OF(task, struct delivery, bury);
    for (struct list *node; (node = list_pop_front(&d->dead));)
        session_free(CONTAINER_OF(node, struct session, link));
}

/* Off every list and count; the memory stays until the loop's tasks run. */
static void take_out(struct session *s)
{
    struct delivery *d = s->delivery;
    struct target *t = s->target;
    if (s->state == SESSION_OPENING) {
        t->opening--;
        d->opening_n--;
    } else if (s->state == SESSION_IDLE) {
        d->idle_n--;
    }
    race_leave(s);
    timer_stop(d->loop, &s->pause);
    repute_give_back(t, &s->grant);
    tolls_end(s);
    crowd_ended(s);
    s->state = SESSION_DEAD;
    list_del(&s->lru);
    list_del(&s->link);
    list_push_back(&d->dead, &s->link);
    loop_task_schedule(d->loop, &d->bury);
    t->site->sessions--;
    if (t->site->sessions == 0)
        t->at_once = TARGET_OPENS_FIRST;
    t->again = true;
    d->sessions--;
    relay_ended(s);
    delivery_room(d);
    if (s->query)
        dns_cancel(&s->query);
    if (s->dial)
        dial_cancel(&s->dial);
}

void session_drop_stream(struct session *s)
{
    if (s->stream)
        stream_close(&s->stream);
    s->expected_n = 0;
    s->tls_under_way = s->esmtp = s->authed = s->need_rset = false;
    s->tls[0] = '\0';
    s->path = 0;
    s->greeting_us = s->app_rtt_us = s->tcp_at_ms = 0;
    s->tcp = s->told = (struct stream_tcp_info){ 0 };
    s->tcp_known = false;
    s->caps = (struct ehlo_caps){ .ext = 0 };
    domains_forget(s);
    buf_clear(&s->out);
}

void session_quit(struct session *s)
{
    assert(s->state == SESSION_IDLE);
    struct delivery *d = s->delivery;
    counter_add(d->counters, COUNTER_BYTES_OUT, stream_bytes_out(s->stream));
    sense_quit(s);
    struct tolls *tolls = tolls_part(s);
    take_out(s);
    stream_write_ref(s->stream, SLICE_LIT("QUIT\r\n"), NULL, NULL);
    parting_begin(s, tolls, QUIT_LINGER_MS);
    delivery_check_drained(d);
}

/* The peer ended a kept session before it looked at this mail, in all likelihood: that is no
 * attempt. When all of it was out it may have been taken, but a later try would double it as well.
 * (On a new session it is one, so that every session either makes progress or costs an attempt.) */
static bool untouched(const struct session *s, const struct finding *f)
{
    if (s->delivered == 0 || s->front->touched)
        return false;
    return s->front->step == ATTEMPT_WAITING || f->fault == FAULT_CLOSED ||
           (f->fault == FAULT_NONE && f->code == 421);
}

void session_kill(struct session *s, const struct finding *finding)
{
    assert(s->state != SESSION_DEAD);
    struct delivery *d = s->delivery;
    struct attempt *front = s->front, *behind = s->behind;
    bool counts = front && finding && !untouched(s, finding) && !detour_broken(s, finding);
    take_out(s);
    struct hop hop;
    if (counts)
        sense_broken(s, finding);
    session_hop(s, &hop);
    if (s->stream) { /* before what it sends from goes away */
        counter_add(d->counters, COUNTER_BYTES_OUT, stream_bytes_out(s->stream));
        stream_close(&s->stream);
    }
    s->front = s->behind = NULL;
    if (counts) {
        attempt_find_all(front, finding);
        settle_attempt(&front, &hop);
    } else if (front) {
        attempt_return(&front);
    }
    if (behind)
        attempt_return(&behind);
    delivery_check_drained(d);
}
