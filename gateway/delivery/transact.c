/*
 * delivery/transact — transactions: MAIL, RCPT, DATA or BDAT, and the replies to them
 *
 *   With PIPELINING the commands of a transaction are one flight (RFC 2920), and the next
 *   transaction's flight goes out behind the body of the running one: a warm session needs one
 *   round trip a message. With CHUNKING a body of moderate size travels in the same flight as its
 *   commands; a large one waits for an accepted recipient. Without PIPELINING each command waits
 *   for its reply.
 *
 *     MAIL refused        all recipients of the batch get that reply; the rest is read and dropped
 *     all RCPT refused    no body; RSET goes in front of the next MAIL. If DATA was accepted
 *                         all the same, a lone dot ends it (RFC 2920 section 3.1)
 *     452 too many        the remaining recipients go in the next batch, on this session; when more
 *                         urgent mail waits that may go there, they go back to their place
 *     reply while sending the message is refused: finding, and the connection ends
 */
#include "gateway/base/clock.h"
#include "gateway/conf/conf.h"
#include "gateway/delivery/crowd.h"
#include "gateway/delivery/domains.h"
#include "gateway/delivery/sense.h"
#include "gateway/delivery/settle.h"
#include "gateway/delivery/stall.h"
#include "gateway/delivery/tolls.h"
#include "gateway/smtp/bdat.h"

enum { MAY_SEND_MS = 5000 };

static bool good(const struct reply *reply)
{
    return reply->code / 100 == 2;
}

static bool pipelining(const struct session *s)
{
    return s->caps.ext & EXT_PIPELINING;
}

/* An answer that is no refusal makes sense to the end of data only. */
static struct finding finding_of(const struct session *s, enum where where,
                                 const struct reply *reply)
{
    struct finding f = session_finding(s, where, reply);
    if (reply->code < 400 && where != WHERE_FINAL)
        f.fault = FAULT_PROTOCOL;
    return f;
}

static void transact_batch(struct session *s, struct attempt *a);

/* ---- the end of an attempt, or of one batch of it ---- */

static void attempt_over(struct session *s, struct attempt *a)
{
    struct hop hop;
    sense_attempt(s, a);
    session_hop(s, &hop);
    if (a == s->behind) {
        s->behind = NULL;
        settle_attempt(&a, &hop);
        return;
    }
    s->front = s->behind;
    s->behind = NULL;
    s->target->again = true;
    s->delivered++;
    if (s->front && s->front->begun_us)
        s->front->begun_us = clock_mono_us(); /* until now it stood in line */
    settle_attempt(&a, &hop);
    if (s->front)
        attempt_hold_slot(s->front);
    if (!s->front)
        session_rest(s);
}

static void batch_over(struct session *s, struct attempt *a)
{
    a->answered = a->accepted = a->batch_n = 0;
    if (attempt_has_more(a))
        transact_batch(s, a);
    else
        attempt_over(s, a);
}

/* ---- commands ---- */

bool transact_may_send(struct session *s, struct attempt *a)
{
    struct spool_item record;
    item_record(a->item, &record);
    if (spool_may_send(s->delivery->spool, &record, MAY_SEND_MS))
        return true;
    if (a == s->behind) {
        s->behind = NULL;
        attempt_return(&a);
        return false;
    }
    struct finding f = { .where = WHERE_SPOOL,
                         .fault = FAULT_OURS,
                         .status = { 4, 3, 0 },
                         .text = SLICE_LIT("the message may not be sent from here now") };
    session_kill(s, &f);
    return false;
}

static void put_rcpt(struct session *s, struct attempt *a, uint32_t at)
{
    mailparams_put_rcpt(&s->out, &a->env.recipients[a->batch[at]], &a->plan);
}

static void send_bdat(struct session *s, struct attempt *a)
{
    a->data_us = clock_mono_us();
    bdat_put_command(&s->out, a->item->body_size, true);
    session_expect(s, STEP_FINAL, 1, a);
    session_flush_out(s);
    body_send(a, s);
}

static void send_data(struct session *s, struct attempt *a)
{
    buf_puts(&s->out, "DATA\r\n");
    session_expect(s, STEP_DATA, 1, a);
    session_flush_out(s);
}

/* Back to the queue; its session is free. */
static void hand_back(struct session *s, struct attempt *a)
{
    bool is_front = a == s->front;
    if (is_front)
        s->front = NULL;
    else
        s->behind = NULL;
    attempt_return(&a);
    if (is_front)
        session_rest(s);
}

/* What its limits ask for this transaction. False: not now. The first of a mail waits in the queue,
 * a further one on its session. */
static bool pay(struct session *s, struct attempt *a)
{
    int64_t wait_ms = tolls_pay_ms(s, a);
    if (wait_ms && a->begun_us)
        timer_set(s->delivery->loop, &s->pause, wait_ms);
    else if (wait_ms)
        hand_back(s, a);
    return wait_ms == 0;
}

static void put_rset(struct session *s, struct attempt *a)
{
    s->need_rset = false;
    buf_puts(&s->out, "RSET\r\n");
    session_expect(s, STEP_RSET, 1, a);
}

/* MAIL, and with PIPELINING all that may follow it. */
static void send_envelope(struct session *s, struct attempt *a)
{
    s->grant = (struct grant){ 0 };
    mailparams_put_mail(&s->out, attempt_env(a), &a->plan, loop_wall_ms(s->delivery->loop));
    session_expect(s, STEP_MAIL, 1, a);
    if (s->transactions > 0 && !a->touched)
        counter_add(s->delivery->counters, COUNTER_SESSIONS_REUSED, 1);
    s->transactions++;
    if (!pipelining(s)) {
        session_flush_out(s);
        return;
    }
    for (uint32_t i = 0; i < a->batch_n; i++)
        put_rcpt(s, a, i);
    session_expect(s, STEP_RCPT, a->batch_n, a);
    if (!a->bdat)
        send_data(s, a);
    else if (body_in_memory(a) && a->item->body_size <= FLIGHT_BODY_MAX)
        send_bdat(s, a);
    else
        session_flush_out(s);
}

static void transact_batch(struct session *s, struct attempt *a)
{
    uint32_t named = s->domains_n;
    bool again = a->begun_us; /* a transaction of it has been here */
    bool gives_way = again && target_outranks(s->target, a->item) && tolls_may_go(s, LANE_HIGH);
    if (session_is_spent(s) || gives_way ||
        attempt_next_batch(a, s, tolls_recipients_max(s)) == 0) {
        struct finding f = outcome_elsewhere(); /* of those that are left */
        attempt_find_all(a, &f);
        attempt_over(s, a);
        return;
    }
    a->step = ATTEMPT_WAITING;
    if (s->need_rset && !pipelining(s)) { /* the rest follows its reply */
        put_rset(s, a);
        session_flush_out(s);
        session_set_deadline(s);
        return;
    }
    if (!transact_may_send(s, a))
        return;
    if (!pay(s, a)) {
        s->domains_n = named; /* none was named after all */
        return;
    }
    if (again)
        site_charge_again(a->item);
    a->step = ATTEMPT_ENVELOPE;
    stall_watch(s->delivery);
    a->begun_us = clock_mono_us();
    a->clean = s->expected_n == 0 && !s->need_rset;
    a->data_us = a->sent_us = 0;
    if (s->need_rset)
        put_rset(s, a);
    send_envelope(s, a);
    session_set_deadline(s);
}

void transact_start(struct session *s, struct attempt *a)
{
    a->step = ATTEMPT_WAITING;
    if (!body_prepare(a))
        return;
    if (!a->planned)
        attempt_make_plan(a, s);
    transact_batch(s, a);
}

void transact_next(struct session *s)
{
    transact_batch(s, s->front);
}

void transact_body_ready(struct session *s, struct attempt *a)
{
    struct target *target = s->target;
    if (s->state == SESSION_WORKING)
        transact_start(s, a);
    target_run(target);
}

void transact_body_failed(struct session *s, struct attempt *a, const struct finding *finding)
{
    struct target *target = s->target;
    attempt_find_all(a, finding);
    if (a->step == ATTEMPT_SENDING) {
        session_kill(s, finding); /* half a message is out: nothing but the end can follow */
    } else if (s->state == SESSION_OPENING) {
        s->front = NULL;
        settle_attempt(&a, NULL);
    } else {
        attempt_over(s, a);
    }
    target_run(target);
}

/* ---- replies ---- */

void reply_rset(struct session *s, struct expected *e, const struct reply *reply)
{
    if (!good(reply)) {
        struct finding f = finding_of(s, WHERE_MAIL, reply);
        session_kill(s, &f);
    } else if (!pipelining(s)) {
        transact_batch(s, e->attempt);
    }
}

void reply_mail(struct session *s, struct expected *e, const struct reply *reply)
{
    struct attempt *a = e->attempt;
    a->touched = true;
    if (a->clean)
        sense_answer(s, clock_mono_us() - a->begun_us);
    a->mail_ok = good(reply);
    a->mail_refused = !a->mail_ok;
    if (a->mail_refused) {
        struct finding f = finding_of(s, WHERE_MAIL, reply);
        crowd_judge(s, &f);
        attempt_find_batch(a, a->batch_n, &f);
    } else {
        crowd_taken(s);
    }
    if (pipelining(s))
        return;
    if (a->mail_refused) {
        batch_over(s, a);
    } else {
        put_rcpt(s, a, 0);
        session_expect(s, STEP_RCPT, 1, a);
        session_flush_out(s);
    }
}

/* All recipients are answered, and no body is on its way yet. */
static void after_rcpt(struct session *s, struct attempt *a)
{
    if (a->accepted == 0) {
        s->need_rset = a->mail_ok;
        batch_over(s, a);
    } else if (a->bdat) {
        send_bdat(s, a);
    } else {
        send_data(s, a);
    }
}

void reply_rcpt(struct session *s, struct expected *e, const struct reply *reply)
{
    struct attempt *a = e->attempt;
    uint32_t recipient = a->batch[a->answered];
    if (good(reply)) {
        a->batch[a->accepted++] = recipient;
    } else if (!a->mail_refused) {
        struct finding f = finding_of(s, WHERE_RCPT, reply);
        if (!(a->accepted && outcome_too_many_rcpt(&f)))
            attempt_find(a, recipient, &f);
    }
    a->answered++;
    if (!pipelining(s) && a->answered < a->batch_n) {
        put_rcpt(s, a, a->answered);
        session_expect(s, STEP_RCPT, 1, a);
        session_flush_out(s);
        return;
    }
    if (a->answered < a->batch_n)
        return;
    s->target->again = true; /* it may take one behind now */
    if (a->step == ATTEMPT_FINAL)
        a->data_us = a->sent_us = clock_mono_us();
    if (!pipelining(s) || (a->bdat && a->step == ATTEMPT_ENVELOPE))
        after_rcpt(s, a);
}

void reply_data(struct session *s, struct expected *e, const struct reply *reply)
{
    struct attempt *a = e->attempt;
    if (reply->code / 100 == 3 && a->accepted) {
        a->data_us = clock_mono_us();
        body_send(a, s);
    } else if (reply->code / 100 == 3) {
        a->only_dot = true;
        stream_write_ref(s->stream, SLICE_LIT(".\r\n"), NULL, NULL);
        session_expect(s, STEP_FINAL, 1, a);
    } else if (good(reply)) {
        struct finding f = finding_of(s, WHERE_DATA, reply);
        session_kill(s, &f);
    } else {
        struct finding f = finding_of(s, WHERE_DATA, reply);
        attempt_find_batch(a, a->accepted, &f);
        s->need_rset = a->mail_ok;
        batch_over(s, a);
    }
}

void transact_sent(struct session *s, struct attempt *a)
{
    a->step = ATTEMPT_FINAL;
    a->sent_us = clock_mono_us();
    if (!a->bdat)
        session_expect(s, STEP_FINAL, 1, a);
    session_set_deadline(s);
    s->target->again = true;
}

void reply_final(struct session *s, struct expected *e, const struct reply *reply)
{
    struct attempt *a = e->attempt;
    if (a->step == ATTEMPT_SENDING || (a->accepted && !transact_all_out(s, a))) {
        transact_interrupted(s, reply);
        return;
    }
    if (a->accepted == 0) { /* the answer to a lone dot, or to a chunk for nobody */
        s->need_rset = a->mail_ok && !a->only_dot;
        batch_over(s, a);
        return;
    }
    struct finding f = finding_of(s, WHERE_FINAL, reply);
    target_note_times(s, a);
    attempt_find_batch(a, a->accepted, &f);
    batch_over(s, a);
}

void transact_interrupted(struct session *s, const struct reply *reply)
{
    struct attempt *a = s->front;
    struct finding f = finding_of(s, WHERE_DATA, reply);
    if (a && a->step != ATTEMPT_WAITING)
        attempt_find_batch(a, a->accepted, &f);
    struct finding rest = { .where = WHERE_DATA,
                            .fault = FAULT_PROTOCOL,
                            .text = SLICE_LIT("a reply came before its command") };
    session_kill(s, &rest);
}
