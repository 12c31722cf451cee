#include "gateway/delivery/settle.h"

#include <string.h>

#include "gateway/base/log.h"
#include "gateway/conf/conf.h"
#include "gateway/delivery/late.h"
#include "gateway/delivery/refusal.h"
#include "gateway/delivery/repute.h"
#include "policies/retry.h"

enum { UNTOLD_RETRY_MS = 300000 }; /* a notice could not be committed: all again after this */

/* ---- what every recipient gets ---- */

static bool expired(const struct attempt *a)
{
    return loop_wall_ms(a->delivery->loop) >= a->item->expire_ms;
}

static enum delivery_event_kind event_of(const struct attempt *a, enum verdict_kind kind)
{
    switch (kind) {
    case VERDICT_DELIVERED:
        return EVENT_DELIVERED;
    case VERDICT_FAILED:
        return EVENT_BOUNCED;
    case VERDICT_REROUTED:
        return EVENT_REROUTED;
    case VERDICT_DEFERRED:
        break;
    }
    return expired(a) ? EVENT_EXPIRED : EVENT_DEFERRED;
}

static void note_reply(struct attempt *a, struct recipient *r, const struct finding *f,
                       const struct verdict *v, const struct hop *hop)
{
    r->code = f->code;
    r->status = v->status;
    r->reply = f->text;
    r->reply_host = (struct slice){ NULL, 0 };
    if (hop && f->fault == FAULT_NONE)
        r->reply_host = (struct slice){ arena_strndup(a->arena, hop->mx.p, hop->mx.n), hop->mx.n };
}

/* ---- notices ---- */

static void add_notice(struct settlement *st, const struct recipient *r, enum dsn_action action)
{
    struct attempt *a = st->attempt;
    if (!st->notices)
        st->notices = arena_alloc(a->arena, a->env.recipients_n * sizeof *st->notices);
    st->notices[st->notices_n++] = (struct dsn_recipient){
        .address = r->address,
        .orcpt = r->orcpt,
        .action = action,
        .expired = action == DSN_FAILED && (r->status.class_ == 4 || late_is_up(r->status)),
        .code = r->reply_host.n ? r->code : 0,
        .status = r->status,
        .reply = r->reply,
        .remote_mta = r->reply_host,
        .last_attempt_ms = a->item->attempts ? loop_wall_ms(a->delivery->loop) : 0,
        .will_retry_until_ms = action == DSN_DELAYED ? a->item->expire_ms : 0,
    };
}

static void consider_notice(struct settlement *st, struct recipient *r,
                            enum delivery_event_kind event)
{
    struct attempt *a = st->attempt;
    struct slice sender = a->env.sender;
    if (event == EVENT_DELIVERED) {
        if (a->planned && sender.n && mailparams_relayed_dsn(&a->plan, r))
            add_notice(st, r, DSN_RELAYED);
    } else if (event == EVENT_REROUTED) {
        return;
    } else if (event != EVENT_DEFERRED) {
        if (dsn_wanted(sender, r->notify, DSN_FAILED))
            add_notice(st, r, DSN_FAILED);
    } else if (late_notice_due(a, r->delay_notified) &&
               dsn_wanted(sender, r->notify, DSN_DELAYED)) {
        struct enhanced said = r->status;
        if (late_untold(a))
            r->status = late_delayed;
        else if (!said.class_) /* its site takes nothing: it was not tried itself */
            r->status = (struct enhanced){ 4, 0, 0 };
        r->delay_notified = true;
        add_notice(st, r, DSN_DELAYED);
        r->status = said;
    }
}

/* ---- carrying it out ---- */

static void pack_rest(struct settlement *st)
{
    struct envelope env = *attempt_env(st->attempt);
    env.recipients_n = st->rest_n;
    env.recipients = st->rest;
    buf_init(&st->env, SPOOL_ENV_MAX);
    envelope_pack(&env, &st->env);
}

void settle_op(const struct settlement *st, struct spool_op *op_r)
{
    *op_r = (struct spool_op){ .kind = st->done ? SPOOL_DONE : SPOOL_DEFER };
    item_record(st->attempt->item, &op_r->item);
    if (st->done)
        return;
    op_r->item.due_ms = st->due_ms;
    op_r->item.env = buf_slice(&st->env);
}

void settle_finish(struct settlement *st)
{
    struct attempt *a = st->attempt;
    struct delivery *d = a->delivery;
    if (st->done) {
        queue_finish(d->queue, &a->item);
    } else {
        struct item *item = a->item;
        item_set_envelope(&item, buf_slice(&st->env));
        a->item = NULL;
        queue_defer(d->queue, item, st->due_ms);
    }
    buf_free(&st->env);
    attempt_free(&st->attempt);
}

static void apply(struct settlement *st)
{
    struct spool_op op;
    settle_op(st, &op);
    spool_apply(st->attempt->delivery->spool, &op, 1, NULL, NULL);
    settle_finish(st);
}

void settle_untold(struct settlement *st)
{
    struct attempt *a = st->attempt;
    st->rest_n = 0;
    for (size_t i = 0; i < a->env.recipients_n; i++)
        if (a->env.recipients[i].state != RECIPIENT_DELIVERED) {
            a->env.recipients[i].state = RECIPIENT_PENDING;
            st->rest[st->rest_n++] = a->env.recipients[i];
        }
    buf_free(&st->env);
    st->done = st->rest_n == 0;
    st->due_ms = loop_wall_ms(a->delivery->loop) + UNTOLD_RETRY_MS;
    if (!st->done)
        pack_rest(st);
    apply(st);
}

static void carry_out(struct settlement *st)
{
    st->done = st->rest_n == 0;
    if (!st->done)
        pack_rest(st);
    if (st->notices_n == 0 || !notice_start(st))
        apply(st);
}

/* One wait for the whole item: the shortest that any of its recipients asks for. */
static int64_t next_due(struct attempt *a, const struct verdict *verdicts)
{
    struct delivery *d = a->delivery;
    const struct conf_retry *retry = attempt_retry(a);
    int64_t now = loop_wall_ms(d->loop), due = INT64_MAX;
    unsigned asked = 0;
    for (size_t i = 0; i < a->env.recipients_n; i++) {
        enum retry_cause cause = verdicts[i].cause;
        if (verdicts[i].kind != VERDICT_DEFERRED || (asked & 1u << cause))
            continue;
        asked |= 1u << cause;
        int64_t at = retry_next(retry, cause, a->item->attempts, a->item->expire_ms, now, d->rnd);
        due = at < due ? at : due;
    }
    return due;
}

static bool by_relay(const struct hop *hop)
{
    return hop && hop->via == conf_via_names[CONF_VIA_RELAY];
}

/* ---- refused for our address ---- */

bool settle_other_address(struct attempt *a, const struct conf_route *route,
                          const struct conf_egress *egress, const struct addr *source)
{
    struct target *t = a->item->site ? a->item->site->delivery : NULL;
    if (!t || expired(a) || !refusal_note(a->item, egress, source))
        return false;
    if (paths_has_way(t, route, a->item))
        return true;
    a->item->refused_n--; /* nobody else is left: what the receiver said holds */
    return false;
}

static bool other_address(struct attempt *a, const struct hop *hop)
{
    const struct conf *conf = delivery_conf(a->delivery);
    for (size_t i = 0; i < conf->egress.n; i++)
        if (slice_eq(conf->egress.at[i].name, hop->egress))
            return settle_other_address(a, hop->route, &conf->egress.at[i], &hop->source);
    return false;
}

/* Verdicts on the address, not on the mail, and those of a relay that takes nothing now: those
 * recipients go by another egress at once. Returns how many. */
static size_t reroute(struct attempt *a, const struct hop *hop, struct verdict *verdicts)
{
    size_t n = 0;
    bool asked = false, other = false;
    for (uint32_t i = 0; i < a->env.recipients_n; i++) {
        const struct finding *f = &a->findings[i];
        if (verdicts[i].kind == VERDICT_DELIVERED ||
            !(outcome_is_address(f) || (by_relay(hop) && outcome_not_now(f))))
            continue;
        if (!asked)
            other = hop && hop->route && other_address(a, hop);
        asked = true;
        if (!other)
            break;
        verdicts[i].kind = VERDICT_REROUTED;
        n++;
    }
    return n;
}

static size_t count(const struct verdict *verdicts, size_t n, enum verdict_kind kind)
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++)
        found += verdicts[i].kind == kind;
    return found;
}

static void keep_rest(struct settlement *st, const struct verdict *verdicts, enum verdict_kind kind)
{
    const struct envelope *env = &st->attempt->env;
    for (size_t i = 0; i < env->recipients_n; i++)
        if (env->recipients[i].state == RECIPIENT_PENDING && verdicts[i].kind == kind)
            st->rest[st->rest_n++] = env->recipients[i];
}

/* Of one that was not tried, as no more of the message may go in one session, there is nothing to
 * tell, and what it was told before stays. */
static void settle_recipient(struct settlement *st, uint32_t i, struct verdict *verdict,
                             const struct hop *hop)
{
    struct attempt *a = st->attempt;
    struct recipient *r = &a->env.recipients[i];
    enum delivery_event_kind event = event_of(a, verdict->kind);
    if (a->findings[i].fault == FAULT_ELSEWHERE)
        return;
    if (late_returns(a, event))
        verdict->status = late_returned;
    record_recipient(a, hop, i, event, verdict, st->due_ms);
    note_reply(a, r, &a->findings[i], verdict, hop);
    consider_notice(st, r, event);
    if (event != EVENT_DEFERRED && event != EVENT_REROUTED)
        r->state = event == EVENT_DELIVERED ? RECIPIENT_DELIVERED : RECIPIENT_FAILED;
}

void settle_attempt(struct attempt **attempt, const struct hop *hop)
{
    struct attempt *a = *attempt;
    struct settlement st = { .attempt = a };
    size_t n = a->env.recipients_n;
    struct verdict *verdicts = arena_alloc(a->arena, n * sizeof *verdicts);
    *attempt = NULL;
    body_forget(a);
    attempt_stick(a, hop && !by_relay(hop) ? hop->egress : slice_of(""));
    repute_tell(a, hop);
    for (size_t i = 0; i < n; i++)
        verdicts[i] = outcome_judge(&a->findings[i]);
    size_t elsewhere = count(verdicts, n, VERDICT_REROUTED);
    size_t rerouted = reroute(a, hop, verdicts);
    bool goes_on = elsewhere && !count(verdicts, n, VERDICT_DEFERRED);
    bool at_once = rerouted || goes_on;
    uint16_t before = a->item->attempts;
    if (rerouted + elsewhere < n)
        a->item->attempts++;
    if (!at_once) /* what the receiver said holds; next time it may think otherwise */
        a->item->refused_n = 0;
    st.due_ms = at_once ? loop_wall_ms(a->delivery->loop) : next_due(a, verdicts);
    st.rest = arena_alloc(a->arena, n * sizeof *st.rest);
    for (uint32_t i = 0; i < n; i++)
        settle_recipient(&st, i, &verdicts[i], hop);
    if (goes_on) /* those that are left have not been tried */
        a->item->attempts = before;
    late_told(a);
    if (rerouted || !at_once) /* of those that are left it is still true */
        record_detour(a, rerouted ? hop : NULL);
    keep_rest(&st, verdicts, VERDICT_REROUTED); /* next time these have their turn first */
    keep_rest(&st, verdicts, VERDICT_DEFERRED);
    carry_out(&st);
}

/* ---- what the queue could not place ---- */

static struct finding finding_of(enum queue_trouble why, const char *text)
{
    static const struct {
        enum where where;
        struct enhanced status;
    } table[] = {
        [TROUBLE_NXDOMAIN] = { WHERE_DNS, { 5, 1, 2 } },
        [TROUBLE_NULL_MX] = { WHERE_DNS, { 5, 1, 10 } },
        [TROUBLE_NO_ADDRESS] = { WHERE_DNS, { 5, 4, 4 } },
        [TROUBLE_DNS] = { WHERE_DNS, { 4, 4, 3 } },
        [TROUBLE_ROUTE] = { WHERE_QUEUE, { 4, 3, 5 } },
        [TROUBLE_EXPIRED] = { WHERE_QUEUE, { 4, 4, 7 } },
        [TROUBLE_BOUNCE] = { WHERE_QUEUE, { 5, 7, 0 } },
        [TROUBLE_DROP] = { WHERE_QUEUE, { 5, 7, 0 } },
    };
    return (struct finding){ .where = (uint8_t)table[why].where,
                             .fault = FAULT_OURS,
                             .status = table[why].status,
                             .text = slice_of(text) };
}

static void drop(struct attempt *a, const char *text)
{
    struct delivery *d = a->delivery;
    struct spool_op op = { .kind = SPOOL_DONE };
    struct verdict v = { .kind = VERDICT_FAILED, .status = { 5, 7, 0 } };
    for (uint32_t i = 0; i < a->env.recipients_n; i++) {
        a->findings[i] = finding_of(TROUBLE_DROP, text);
        record_recipient(a, NULL, i, EVENT_DROPPED, &v, 0);
    }
    item_record(a->item, &op.item);
    spool_apply(d->spool, &op, 1, NULL, NULL);
    queue_finish(d->queue, &a->item);
    attempt_free(&a);
}

/* There is nothing to tell or to write: nobody wants to know, or it was told before a restart. */
static void wait_on(struct attempt *a)
{
    struct item *item = a->item;
    struct delivery *d = a->delivery;
    a->item = NULL;
    attempt_free(&a);
    queue_defer(d->queue, item, item->due_ms);
}

/* All recipients are told of; no attempt is counted, and the item waits as before. */
static void tell_late(struct attempt *a, const char *why)
{
    size_t n = a->env.recipients_n;
    const char *text = arena_strndup(a->arena, why, strlen(why));
    struct settlement st = { .attempt = a, .rest = a->env.recipients, .rest_n = n };
    bool deadline = late_untold(a);
    st.due_ms = a->item->due_ms;
    for (uint32_t i = 0; i < n; i++) {
        struct recipient *r = &a->env.recipients[i];
        struct slice said = r->reply;
        if (!said.n)
            r->reply = slice_of(text);
        consider_notice(&st, r, EVENT_DEFERRED);
        r->reply = said;
    }
    late_told(a);
    if (deadline || st.notices_n)
        carry_out(&st);
    else
        wait_on(a);
}

void settle_trouble(struct delivery *d, struct item *item, enum queue_trouble why, const char *text)
{
    struct attempt *a = attempt_new(d, item);
    if (!a)
        return;
    if (why == TROUBLE_DROP) {
        drop(a, text);
        return;
    }
    if (why == TROUBLE_LATE) {
        tell_late(a, text);
        return;
    }
    struct finding f = finding_of(why, text);
    for (uint32_t i = 0; i < a->env.recipients_n; i++) {
        const struct recipient *r = &a->env.recipients[i];
        struct finding last = f;
        if (why == TROUBLE_EXPIRED && r->reply.n) { /* what kept it from being delivered */
            last.code = r->code;
            last.text = r->reply;
        }
        attempt_find(a, i, &last);
    }
    settle_attempt(&a, NULL);
}
