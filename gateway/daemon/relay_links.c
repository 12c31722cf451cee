#include "gateway/daemon/relay_links.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/daemon/keeper.h"
#include "gateway/daemon/link_frame.h"
#include "gateway/io/mailbox.h"

enum { BATCHES = 4, OUT_MAX = 64 << 10, REPORT_BATCHES = 8 };

static const char KEPT_AS[] = "advice.bin";

/* Observations on their way to the main thread. */
struct batch {
    struct mail mail;
    struct link_outbox *outbox;
    atomic_bool busy; /* the main thread's */
    unsigned n;
    struct observation at[OBSERVE_BATCH_MAX];
};

/* The same with what replies said about our addresses. */
struct report_batch {
    struct mail mail;
    struct link_outbox *outbox;
    atomic_bool busy; /* the main thread's */
    unsigned n;
    struct reply_report at[TALLY_BATCH_MAX];
};

struct link_outbox {
    struct relay_links *links;
    _Atomic uint64_t lost;
    struct batch batches[BATCHES];
    struct report_batch reports[REPORT_BATCHES];
    /* the other way */
    struct mail mail;
    struct mailbox *box;
    _Atomic(struct advice *) waiting; /* a table the worker has not taken yet */
    link_advise_fn *advise;
    void *arg;
};

struct relay_links {
    struct counters counters; /* first: they are aligned to cache lines */
    struct loop *loop;
    struct link_outbox *outboxes;
    struct advice *advice; /* the latest */
    struct keeper *keeper; /* NULL: nothing is kept */
    struct call *call;     /* to control; NULL: nobody is there */
    struct link_reader reader;
    uint64_t lost; /* because control was not there or read too slowly */
    struct delivery_writer *log;
    struct reasons reasons;
    struct relay_letters *letters;
    unsigned n;
};

/* ---- observations ---- */

static uint64_t lost_in_all(const struct relay_links *l)
{
    uint64_t lost = l->lost;
    for (unsigned i = 0; i < l->n; i++)
        lost += atomic_load_explicit(&l->outboxes[i].lost, memory_order_relaxed);
    return lost;
}

static void tell(struct relay_links *l, const struct observation *at, unsigned n)
{
    struct buf out;
    buf_init(&out, OUT_MAX);
    link_put_observations(&out, lost_in_all(l), at, n);
    call_raw(l->call, buf_slice(&out));
    buf_free(&out);
}

static void on_batch(struct mail *mail)
{
    struct batch *b = CONTAINER_OF(mail, struct batch, mail);
    struct relay_links *l = b->outbox->links;
    if (l->call && !call_full(l->call))
        tell(l, b->at, b->n);
    else
        l->lost += b->n;
    atomic_store_explicit(&b->busy, false, memory_order_release);
}

void relay_links_observe(void *outbox, const struct observation *at, unsigned n)
{
    struct link_outbox *o = outbox;
    for (unsigned i = 0; i < BATCHES; i++) {
        struct batch *b = &o->batches[i];
        if (atomic_load_explicit(&b->busy, memory_order_acquire))
            continue;
        for (b->n = 0; b->n < n; b->n++)
            b->at[b->n] = at[b->n];
        atomic_store_explicit(&b->busy, true, memory_order_relaxed);
        mailbox_post(loop_mailbox(o->links->loop), &b->mail);
        return;
    }
    atomic_fetch_add_explicit(&o->lost, n, memory_order_relaxed);
}

/* ---- reports ---- */

static void on_reports(struct mail *mail)
{
    struct report_batch *b = CONTAINER_OF(mail, struct report_batch, mail);
    struct relay_links *l = b->outbox->links;
    struct buf out;
    if (l->call && !call_full(l->call)) {
        buf_init(&out, OUT_MAX);
        link_put_reports(&out, b->at, b->n);
        call_raw(l->call, buf_slice(&out));
        buf_free(&out);
    } else {
        l->lost += b->n;
    }
    atomic_store_explicit(&b->busy, false, memory_order_release);
}

void relay_links_report(void *outbox, const struct reply_report *at, unsigned n)
{
    struct link_outbox *o = outbox;
    for (unsigned i = 0; i < REPORT_BATCHES; i++) {
        struct report_batch *b = &o->reports[i];
        if (atomic_load_explicit(&b->busy, memory_order_acquire))
            continue;
        for (b->n = 0; b->n < n && b->n < TALLY_BATCH_MAX; b->n++)
            b->at[b->n] = at[b->n];
        atomic_store_explicit(&b->busy, true, memory_order_relaxed);
        mailbox_post(loop_mailbox(o->links->loop), &b->mail);
        return;
    }
    atomic_fetch_add_explicit(&o->lost, n, memory_order_relaxed);
}

/* ---- advice ---- */

static void at_worker(struct mail *mail)
{
    struct link_outbox *o = CONTAINER_OF(mail, struct link_outbox, mail);
    o->advise(o->arg, atomic_exchange(&o->waiting, NULL));
}

static void hand_out(struct relay_links *l)
{
    for (unsigned i = 0; i < l->n; i++) {
        struct link_outbox *o = &l->outboxes[i];
        if (!o->box)
            continue;
        struct advice *old = atomic_exchange(&o->waiting, advice_ref(l->advice));
        if (old)
            advice_unref(&old); /* the mail that was posted for it brings the new one */
        else
            mailbox_post(o->box, &o->mail);
    }
}

static enum rc take_advice(struct relay_links *l, struct slice packed, struct err *err)
{
    struct advice *made;
    enum rc rc = advice_unpack(packed, &made, err);
    if (rc != RC_OK)
        return rc;
    if (l->keeper && !(l->advice && advice_same_standing(l->advice, made)))
        keeper_save(l->keeper, KEPT_AS, packed);
    if (l->advice)
        advice_unref(&l->advice);
    l->advice = made;
    hand_out(l);
    return RC_OK;
}

/* ---- events ---- */

static enum rc take_event(struct relay_links *l, struct slice content)
{
    struct link_note note;
    if (link_read_note(content, &note) != RC_OK)
        return RC_PARSE;
    static const enum delivery_event_kind kinds[] = { [NOTE_EGRESS_STATE] = EVENT_EGRESS_STATE,
                                                      [NOTE_PATH_SWITCH] = EVENT_PATH_SWITCH,
                                                      [NOTE_LISTING] = EVENT_LISTING };
    struct delivery_event e;
    delivery_event_init(&e, kinds[note.kind]);
    e.source = note.source;
    e.egress = note.egress;
    e.previous = note.previous;
    e.carrier = note.carrier;
    e.region = note.region;
    e.provider = note.provider;
    e.state = note.state;
    e.reason = note.reason;
    delivery_log_write(l->log, &e);
    return RC_OK;
}

const struct counters *relay_links_counters(const struct relay_links *l)
{
    return &l->counters;
}

/* ---- letters ---- */

static void tell_fate(void *arg, struct slice frame)
{
    const struct relay_links *l = arg;
    if (l->call) /* who asks next begins anew */
        call_raw(l->call, frame);
}

/* ---- the connection ---- */

void relay_links_hang_up(struct relay_links *l)
{
    if (!l || !l->call)
        return;
    call_end_raw(&l->call); /* frames, not lines: there is nothing to say */
    link_reader_free(&l->reader);
}

static enum rc take(struct relay_links *l, const struct link_frame *frame, struct err *err)
{
    if (frame->type == LINK_ADVICE)
        return take_advice(l, frame->content, err);
    if (frame->type == LINK_EVENT && take_event(l, frame->content) == RC_OK)
        return RC_OK;
    if (frame->type == LINK_LETTER && relay_letters_take(l->letters, frame->content) == RC_OK)
        return RC_OK;
    return err_set(err, RC_PARSE, "frame of type %d", (int)frame->type);
}

static void on_input(void *arg, struct slice bytes)
{
    struct relay_links *l = arg;
    struct link_frame frame;
    struct err err = { .text = "" };
    enum rc rc = bytes.n ? link_reader_feed(&l->reader, bytes) : RC_CLOSED;
    while (rc == RC_OK && (rc = link_reader_next(&l->reader, &frame)) == RC_OK)
        rc = take(l, &frame, &err);
    if (rc == RC_AGAIN)
        return;
    if (rc != RC_CLOSED)
        log_warning(NULL, "link_frame_refused", "error", err.text[0] ? err.text : rc_name(rc),
                    NULL);
    relay_links_hang_up(l);
}

void relay_links_serve(struct relay_links *l, struct call *call)
{
    relay_links_hang_up(l);
    l->call = call;
    link_reader_init(&l->reader);
    call_on_input(call, on_input, l);
    tell(l, NULL, 0); /* control speaks when it has heard something */
}

const struct advice *relay_links_advice(const struct relay_links *l)
{
    return l->advice;
}

/* ---- life ---- */

static bool take_kept(void *arg, struct slice packed, struct err *err)
{
    struct relay_links *l = arg;
    return advice_unpack(packed, &l->advice, err) == RC_OK;
}

static void load(struct relay_links *l)
{
    if (keeper_load(l->keeper, KEPT_AS, LINK_FRAME_MAX, take_kept, l) == RC_OK)
        l->advice->made_ms = loop_now_ms(l->loop) - 2 * (int64_t)ADVICE_STALE_MS;
}

void relay_links_resume(struct relay_links *l)
{
    for (unsigned i = 0; l->advice && i < l->n; i++)
        if (l->outboxes[i].box)
            l->outboxes[i].advise(l->outboxes[i].arg, advice_ref(l->advice));
}

struct relay_links *relay_links_new(struct loop *loop, unsigned workers, struct delivery_log *log,
                                    const char *folder)
{
    struct relay_links *l = mem_zero(sizeof *l);
    l->loop = loop;
    l->n = workers;
    l->letters = relay_letters_new(loop, tell_fate, l);
    l->outboxes = mem_array(workers, sizeof *l->outboxes);
    l->log = delivery_writer_new(log, loop, &l->counters, &l->reasons);
    for (unsigned i = 0; i < workers; i++) {
        struct link_outbox *o = &l->outboxes[i];
        o->links = l;
        o->mail.fn = at_worker;
        for (unsigned b = 0; b < BATCHES; b++) {
            o->batches[b].mail.fn = on_batch;
            o->batches[b].outbox = o;
        }
        for (unsigned b = 0; b < REPORT_BATCHES; b++) {
            o->reports[b].mail.fn = on_reports;
            o->reports[b].outbox = o;
        }
    }
    if (folder) {
        l->keeper = keeper_new(folder);
        load(l);
    }
    return l;
}

struct link_outbox *relay_links_outbox(struct relay_links *l, unsigned worker)
{
    return &l->outboxes[worker];
}

void relay_links_worker(struct relay_links *l, unsigned worker, struct mailbox *box,
                        link_advise_fn *advise, link_letter_fn *letter, void *arg)
{
    struct link_outbox *o = &l->outboxes[worker];
    o->box = box;
    o->advise = advise;
    o->arg = arg;
    if (worker == 0)
        relay_letters_worker(l->letters, box, letter, arg);
}

void relay_links_free(struct relay_links **links)
{
    struct relay_links *l = *links;
    if (!l)
        return;
    mailbox_drain(loop_mailbox(l->loop)); /* batches that are still in it */
    relay_links_hang_up(l);
    for (unsigned i = 0; i < l->n; i++) {
        struct advice *waiting = atomic_exchange(&l->outboxes[i].waiting, NULL);
        if (waiting)
            advice_unref(&waiting);
    }
    if (l->advice)
        advice_unref(&l->advice);
    relay_letters_free(&l->letters);
    delivery_writer_free(&l->log);
    keeper_free(&l->keeper);
    free(l->outboxes);
    free(l);
    *links = NULL;
}
