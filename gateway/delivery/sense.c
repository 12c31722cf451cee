#include "gateway/delivery/sense.h"

#include "gateway/base/clock.h"
#include "gateway/conf/conf.h"
#include "gateway/delivery/observe.h"

/* ---- the parts of an observation ---- */

static const struct conf_egress *egress_of(const struct session *s)
{
    return &policies_conf(s->policies)->egress.at[s->egress];
}

static struct observation observation_of(const struct conf_egress *e, enum observation_kind kind,
                                         const struct addr *address)
{
    return (struct observation){ .kind = (uint8_t)kind,
                                 .egress = slice_hash_stable(e->name),
                                 .address = *address,
                                 .proxied = e->via.kind != CONF_VIA_NONE,
                                 .at_us = clock_mono_us(),
                                 .connect_us = -1,
                                 .longest_us = -1,
                                 .greeting_us = -1,
                                 .rtt_us = -1,
                                 .app_rtt_us = -1,
                                 .final_us = -1 };
}

static struct observation start(const struct session *s, enum observation_kind kind,
                                const struct addr *address)
{
    return observation_of(egress_of(s), kind, address);
}

static void ask_tcp(struct session *s)
{
    s->tcp_known = stream_tcp_info(s->stream, &s->tcp);
    s->tcp_at_ms = loop_now_ms(s->delivery->loop);
}

bool sense_tcp(struct session *s, struct stream_tcp_info *info_r)
{
    if (!s->tcp_at_ms || loop_now_ms(s->delivery->loop) - s->tcp_at_ms >= SENSE_TCP_MS)
        ask_tcp(s);
    *info_r = s->tcp;
    return s->tcp_known;
}

static void put_tcp(struct session *s, struct observation *o)
{
    if (s->app_rtt_us)
        o->app_rtt_us = s->app_rtt_us;
    if (!s->tcp_known)
        return;
    uint32_t again = s->tcp.retransmits - s->told.retransmits;
    o->rtt_us = s->tcp.min_rtt_us ? (int64_t)s->tcp.min_rtt_us : -1;
    o->segments = s->tcp.segments - s->told.segments;
    o->retransmits = again;
    s->told.segments = s->tcp.segments;
    s->told.retransmits = s->tcp.retransmits;
}

static enum observation_result result_of(const struct finding *f)
{
    if (f->fault == FAULT_NONE)
        return f->code < 400 ? OBS_OK : f->code < 500 ? OBS_REPLY_4XX : OBS_REPLY_5XX;
    if (f->where > WHERE_GREETING)
        return OBS_BROKEN;
    return f->fault == FAULT_TIMEOUT ? OBS_TIMEOUT : OBS_RESET;
}

/* ---- opening ---- */

static bool path_fault(enum dial_fault fault, enum observation_result *result_r)
{
    static const uint8_t results[] = {
        [DIAL_REFUSED] = OBS_REFUSED,    [DIAL_RESET] = OBS_RESET,
        [DIAL_TIMED_OUT] = OBS_TIMEOUT,  [DIAL_UNREACHABLE] = OBS_UNREACHABLE,
        [DIAL_DENIED] = OBS_UNREACHABLE, [DIAL_UNPLUMBED] = OBS_UNPLUMBED,
        [DIAL_PROXY] = OBS_PROXY_DOWN
    };
    if ((size_t)fault >= sizeof results || results[fault] == OBS_OK)
        return false;
    *result_r = (enum observation_result)results[fault];
    return true;
}

void sense_dialled(struct session *s, const struct dial_result *r)
{
    for (size_t i = 0; i < r->attempt_count; i++) {
        const struct dial_attempt *a = &r->attempts[i];
        enum observation_result result;
        if (!path_fault(a->fault, &result))
            continue;
        /* Also a fault of the egress: only who holds it to be out says so of it (sense_egress()),
         * and by another of its addresses it may be fine. */
        struct observation o = start(s, OBS_CONNECT, &a->addr);
        o.result = (uint8_t)result;
        observe_failure(s->delivery->observer, &o);
    }
}

void sense_overdue(struct session *s)
{
    if (!s->addrs_n)
        return;
    struct observation o = start(s, OBS_CONNECT, &s->addrs[0]);
    o.result = OBS_OVERDUE;
    o.connect_us = o.at_us - s->stage_at_us;
    observe_failure(s->delivery->observer, &o);
}

void sense_outrun(struct session *s)
{
    struct observation o = start(s, OBS_CONNECT, &s->address);
    o.result = OBS_TIMEOUT;
    o.connect_us = s->stage_us[STAGE_CONNECT] + o.at_us - s->stage_at_us;
    observe_failure(s->delivery->observer, &o);
}

void sense_egress(struct delivery *d, int egress, enum egress_fault_kind fault)
{
    const struct conf_egress *e = &delivery_conf(d)->egress.at[egress];
    const struct addr nowhere = { .family = ADDR_NONE };
    struct observation o = observation_of(e, OBS_EGRESS, &nowhere);
    if (fault != EGRESS_FINE)
        o.result = fault == EGRESS_UNPLUMBED ? OBS_UNPLUMBED : OBS_PROXY_DOWN;
    observe_failure(d->observer, &o);
}

void sense_opened(struct session *s)
{
    s->path = observe_path(slice_hash_stable(egress_of(s)->name), &s->address);
    ask_tcp(s);
    struct observation o = start(s, OBS_CONNECT, &s->address);
    if (!observe_wanted(s->delivery->observer, s->path)) {
        observe_withhold(s->delivery->observer, &o);
        return;
    }
    o.connect_us = s->stage_us[STAGE_CONNECT];
    o.longest_us = s->longest_us;
    o.greeting_us = s->greeting_us ? s->greeting_us : -1;
    put_tcp(s, &o);
    observe_success(s->delivery->observer, &o);
}

void sense_unfit(struct session *s, const struct finding *f)
{
    if (!s->stream || f->fault == FAULT_OURS || f->fault == FAULT_PROTOCOL)
        return;
    struct observation o = start(s, OBS_CONNECT, &s->address);
    o.result = (uint8_t)result_of(f);
    o.code = f->fault == FAULT_NONE ? f->code : 0;
    o.connect_us = s->stage_us[STAGE_CONNECT];
    o.longest_us = s->longest_us;
    o.greeting_us = s->greeting_us ? s->greeting_us : -1;
    ask_tcp(s);
    put_tcp(s, &o);
    observe_failure(s->delivery->observer, &o);
}

void sense_answer(struct session *s, int64_t took_us)
{
    if (took_us > 0 && (!s->app_rtt_us || took_us < s->app_rtt_us))
        s->app_rtt_us = took_us;
}

/* ---- transactions ---- */

static void note_told(struct session *s)
{
    s->told.acked = s->tcp.acked;
    s->told.busy_us = s->tcp.busy_us;
    s->told.receiver_us = s->tcp.receiver_us;
}

/* What was acknowledged since the last time, once it is enough to say something. The time is what
 * the connection spent with bytes on the way: waiting for the final reply does not count. */
static void put_goodput(struct session *s, struct observation *o)
{
    uint64_t bytes = s->tcp.acked - s->told.acked, us = s->tcp.busy_us - s->told.busy_us;
    if (!s->tcp_known || bytes < SENSE_GOODPUT_BYTES || us == 0)
        return;
    o->bytes = bytes;
    o->data_us = us;
    o->app_limited = (s->tcp.app_limited && s->sending_slowly) ||
                     2 * (s->tcp.receiver_us - s->told.receiver_us) > us;
    note_told(s);
}

void sense_body(struct session *s, struct attempt *a)
{
    struct delivery *d = s->delivery;
    if (a->item->body_size < SENSE_GOODPUT_BYTES)
        return;
    ask_tcp(s);
    note_told(s);
    s->sending_slowly = false;
    list_del(&a->large);
    list_push_back(&d->large, &a->large);
    if (!timer_is_set(&d->sense_tick))
        timer_set(d->loop, &d->sense_tick, SENSE_LONG_MS);
}

/* The commonest answer decides nothing: the last stage that was reached does. */
static const struct finding *telling(const struct attempt *a)
{
    const struct finding *best = &a->findings[0];
    for (uint32_t i = 1; i < a->env.recipients_n; i++)
        if (a->findings[i].where > best->where)
            best = &a->findings[i];
    return best;
}

void sense_attempt(struct session *s, struct attempt *a)
{
    struct observer *observer = s->delivery->observer;
    bool large = !list_empty(&a->large);
    list_del(&a->large);
    const struct finding *f = telling(a);
    if (f->fault != FAULT_NONE || !f->code)
        return;
    struct observation o = start(s, OBS_MAIL, &s->address);
    o.result = (uint8_t)result_of(f);
    o.code = f->code;
    if (!large && !observe_wanted(observer, s->path)) { /* its segments: sense_quit() */
        observe_withhold(observer, &o);
        return;
    }
    struct stream_tcp_info now;
    if (large)
        ask_tcp(s);
    else
        sense_tcp(s, &now);
    o.final_us = a->stage_us[STAGE_FINAL];
    put_tcp(s, &o);
    if (large)
        put_goodput(s, &o);
    observe_success(observer, &o);
}

void sense_broken(struct session *s, const struct finding *f)
{
    if (!s->stream || (f->fault != FAULT_CLOSED && f->fault != FAULT_TIMEOUT))
        return;
    struct observation o = start(s, OBS_MAIL, &s->address);
    o.result = OBS_BROKEN;
    ask_tcp(s);
    put_tcp(s, &o);
    observe_failure(s->delivery->observer, &o);
}

void sense_stalled(struct session *s)
{
    struct observation o = start(s, OBS_MAIL, &s->address);
    o.result = OBS_TIMEOUT;
    ask_tcp(s);
    put_tcp(s, &o);
    observe_failure(s->delivery->observer, &o);
}

/* Figures without a reply: of a connection that ends, or of a body that is on its way. */
static void tell_figures(struct session *s, bool large)
{
    struct observer *observer = s->delivery->observer;
    struct observation o = start(s, OBS_MAIL, &s->address);
    ask_tcp(s);
    if (s->tcp.segments == s->told.segments)
        return;
    put_tcp(s, &o);
    if (large)
        put_goodput(s, &o);
    if (large || observe_wanted(observer, s->path))
        observe_success(observer, &o);
    else
        observe_withhold(observer, &o);
}

void sense_quit(struct session *s)
{
    if (s->path)
        tell_figures(s, false);
}

void sense_on_tick(struct timer *timer)
{
    struct delivery *d = CONTAINER_OF(timer, struct delivery, sense_tick);
    LIST_EACH (at, &d->large) {
        struct attempt *a = CONTAINER_OF(at, struct attempt, large);
        if (!a->session || !a->session->stream)
            continue;
        if (a->reader && stream_queued(a->session->stream) == 0) /* the disk is what is slow */
            a->session->sending_slowly = true;
        tell_figures(a->session, true);
    }
    if (!list_empty(&d->large))
        timer_set(d->loop, timer, SENSE_LONG_MS);
}
