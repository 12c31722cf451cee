#include "gateway/report/history.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/io/mailbox.h"
#include "gateway/report/store.h"

enum {
    JOBS_MAX = 2048, /* under way; a disk that stands still makes us forget, not grow */
    ARENA_BYTES = 16 << 10,
    PRUNE_MS = 10 * 60 * 1000,
    REOPEN_MS = 60 * 1000,
    COMPLAIN_MS = 60 * 60 * 1000
};

enum job_kind { JOB_MINUTE, JOB_EVENT, JOB_STANDING, JOB_ASK, JOB_STOP };

struct job {
    struct mail mail;
    enum job_kind kind;
    struct arena *arena; /* of everything below */
    int64_t at_ms;
    struct store_row *rows, **end;
    size_t n;
    struct links_event event;
    struct standing_note note;
    struct history_question question;
    history_answer_fn *answer;
    void *answer_arg;
    struct history *history;
    enum rc rc;
    struct err err;
    struct buf lines;
};

struct history {
    struct loop *loop;
    struct mailbox *inbox;
    pthread_t thread;
    char *folder;
    _Atomic int64_t keep_ms;
    _Atomic unsigned jobs;
    _Atomic uint64_t dropped;
    struct job stop;
    /* the thread's own */
    struct store *store;
    int64_t opened_ms, pruned_ms, complained_ms; /* monotonic; 0: never */
};

/* ---- jobs ---- */

static struct job *job_new(struct history *h, enum job_kind kind)
{
    struct job *job = mem_zero(sizeof *job);
    job->kind = kind;
    job->history = h;
    job->arena = arena_new(ARENA_BYTES);
    atomic_fetch_add(&h->jobs, 1);
    return job;
}

static void job_free(struct job *job)
{
    atomic_fetch_sub(&job->history->jobs, 1);
    arena_free(&job->arena);
    buf_free(&job->lines);
    free(job);
}

static struct slice keep(struct job *job, struct slice text)
{
    return (struct slice){ text.n ? arena_strndup(job->arena, text.p, text.n) : "", text.n };
}

/* ---- the thread ---- */

/* One line an hour: a full disk stays full for long. */
static void complain(struct history *h, const char *what, const struct err *err)
{
    int64_t now = clock_mono_ms();
    if (h->complained_ms && now - h->complained_ms < COMPLAIN_MS)
        return;
    h->complained_ms = now;
    log_warning(NULL, what, "folder", h->folder, "error", err->text, NULL);
}

static void set_aside(struct history *h, const struct err *why)
{
    struct err err;
    store_close(&h->store);
    log_warning(NULL, "history_damaged", "folder", h->folder, "error", why->text, "instead",
                "set aside as links.db.damaged, a new one is begun", NULL);
    if (store_set_aside(h->folder, &err) != RC_OK)
        log_warning(NULL, "history_not_set_aside", "error", err.text, NULL);
    h->opened_ms = 0;
}

/* What somebody has removed, or put another in place of, would take what is written and give it to
 * nobody. */
static void leave_what_is_gone(struct history *h)
{
    if (!h->store || store_is_there(h->store))
        return;
    log_warning(NULL, "history_replaced", "folder", h->folder, "instead",
                "what stands there now is used; a new one is begun when there is none", NULL);
    store_leave(&h->store);
    h->opened_ms = 0;
}

/* The database, opened when it is not open; a folder that cannot be used is tried again a minute
 * later. */
static struct store *open_store(struct history *h, struct err *err)
{
    leave_what_is_gone(h);
    for (int tries = 0; tries < 2 && !h->store; tries++) {
        int64_t now = clock_mono_ms();
        if (h->opened_ms && now - h->opened_ms < REOPEN_MS) {
            err_set(err, RC_IO, "the history cannot be opened");
            return NULL;
        }
        h->opened_ms = now;
        enum rc rc = store_open(h->folder, &h->store, err);
        if (rc == RC_CORRUPT)
            set_aside(h, err);
        else if (rc != RC_OK)
            complain(h, "history_not_opened", err);
    }
    return h->store;
}

static void drop(struct history *h, enum rc rc, const struct err *err, uint64_t n)
{
    struct err ignored;
    atomic_fetch_add(&h->dropped, n);
    if (rc == RC_CORRUPT) {
        set_aside(h, err);
        return;
    }
    complain(h, "history_dropped", err);
    if (rc == RC_LIMIT) /* the oldest goes before the newest does */
        store_prune(h->store, clock_wall_ms(), atomic_load(&h->keep_ms) / 2, &ignored);
}

static void prune(struct history *h)
{
    struct err err;
    int64_t now = clock_mono_ms();
    if (h->pruned_ms && now - h->pruned_ms < PRUNE_MS)
        return;
    h->pruned_ms = now;
    enum rc rc = store_prune(h->store, clock_wall_ms(), atomic_load(&h->keep_ms), &err);
    if (rc == RC_CORRUPT)
        set_aside(h, &err);
    else if (rc != RC_OK)
        complain(h, "history_not_pruned", &err);
}

static enum rc write_down(struct history *h, struct job *job, struct err *err)
{
    if (job->kind == JOB_MINUTE)
        return store_minute(h->store, job->at_ms, job->rows, err);
    if (job->kind == JOB_STANDING)
        return store_standing(h->store, job->at_ms, &job->note, err);
    return store_event(h->store, job->at_ms, &job->event, err);
}

static void record(struct history *h, struct job *job)
{
    struct err err;
    uint64_t n = job->kind == JOB_MINUTE ? job->n : 1;
    if (!open_store(h, &err)) {
        atomic_fetch_add(&h->dropped, n);
        return;
    }
    enum rc rc = write_down(h, job, &err);
    if (rc != RC_OK)
        drop(h, rc, &err, n);
    else if (job->kind == JOB_MINUTE)
        prune(h);
}

static void ask(struct history *h, struct job *job)
{
    buf_init(&job->lines, STORE_LINES_MAX);
    job->rc = RC_IO;
    if (open_store(h, &job->err))
        job->rc = store_ask(h->store, &job->question, &job->lines, &job->err);
    if (job->rc == RC_CORRUPT)
        set_aside(h, &job->err);
}

static void answered(struct mail *mail)
{
    struct job *job = CONTAINER_OF(mail, struct job, mail);
    job->answer(job->answer_arg, job->rc, &job->lines, &job->err);
    job_free(job);
}

/* False: it was the stop. */
static bool work(struct history *h, struct job *job)
{
    if (job->kind == JOB_STOP)
        return false;
    if (job->kind == JOB_ASK) {
        ask(h, job);
        job->mail.fn = answered;
        mailbox_post(loop_mailbox(h->loop), &job->mail);
    } else {
        record(h, job);
        job_free(job);
    }
    return true;
}

static void *thread_main(void *arg)
{
    struct history *h = arg;
    for (bool on = true; on;) {
        struct mail *mail = mailbox_take(h->inbox), *next;
        if (!mail)
            mailbox_wait(h->inbox, -1);
        for (; mail && on; mail = next) {
            next = mail->next;
            on = work(h, CONTAINER_OF(mail, struct job, mail));
        }
    }
    store_close(&h->store);
    return NULL;
}

/* ---- the loop's side ---- */

struct history *history_new(struct loop *loop, const char *folder, int64_t keep_ms)
{
    struct history *h = mem_zero(sizeof *h);
    sigset_t all, before;
    h->loop = loop;
    h->inbox = mailbox_new();
    h->folder = mem_strdup(folder);
    atomic_init(&h->keep_ms, keep_ms);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the main thread's */
    if (pthread_create(&h->thread, NULL, thread_main, h) != 0) {
        log_error(NULL, "history_thread_not_started", NULL);
        abort(); /* as without memory: the supervisor starts a new process */
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return h;
}

void history_free(struct history **h_p)
{
    struct history *h = *h_p;
    if (!h)
        return;
    h->stop.kind = JOB_STOP;
    mailbox_post(h->inbox, &h->stop.mail);
    pthread_join(h->thread, NULL);
    mailbox_drain(loop_mailbox(h->loop)); /* the answers to all that was asked */
    mailbox_free(&h->inbox);
    free(h->folder);
    free(h);
    *h_p = NULL;
}

void history_set_keep(struct history *h, int64_t keep_ms)
{
    atomic_store(&h->keep_ms, keep_ms);
}

uint64_t history_dropped(const struct history *h)
{
    return atomic_load(&h->dropped);
}

static bool has_room(struct history *h, uint64_t n)
{
    if (atomic_load(&h->jobs) < JOBS_MAX)
        return true;
    atomic_fetch_add(&h->dropped, n);
    return false;
}

struct history_minute {
    struct job *job;
};

struct history_minute *history_begin(struct history *h, int64_t at_ms)
{
    struct history_minute *minute = mem_zero(sizeof *minute);
    minute->job = job_new(h, JOB_MINUTE);
    minute->job->at_ms = at_ms - at_ms % (60 * 1000);
    minute->job->end = &minute->job->rows;
    return minute;
}

void history_row(void *arg, const struct links_minute *from)
{
    struct job *job = ((struct history_minute *)arg)->job;
    if (job->n == HISTORY_ROWS_MAX) {
        atomic_fetch_add(&job->history->dropped, 1);
        return;
    }
    struct store_row *row = arena_alloc(job->arena, sizeof *row);
    row->minute = *from;
    row->minute.egress = keep(job, from->egress);
    row->minute.carrier = keep(job, from->carrier);
    row->minute.region = keep(job, from->region);
    if (from->connect) {
        struct spread *copy = arena_alloc(job->arena, sizeof *copy);
        *copy = *from->connect;
        row->minute.connect = copy;
    }
    *job->end = row;
    job->end = &row->next;
    job->n++;
}

void history_write(struct history_minute **minute)
{
    struct job *job = (*minute)->job;
    free(*minute);
    *minute = NULL;
    if (has_room(job->history, job->n))
        mailbox_post(job->history->inbox, &job->mail);
    else
        job_free(job);
}

void history_event(struct history *h, int64_t at_ms, const struct links_event *event)
{
    if (!has_room(h, 1))
        return;
    struct job *job = job_new(h, JOB_EVENT);
    struct links_event *e = &job->event;
    job->at_ms = at_ms;
    *e = *event;
    e->from = keep(job, e->from);
    e->to = keep(job, e->to);
    e->carrier = keep(job, e->carrier);
    e->region = keep(job, e->region);
    e->reason = keep(job, slice_of(e->reason)).p;
    mailbox_post(h->inbox, &job->mail);
}

void history_standing(struct history *h, int64_t at_ms, const struct standing_note *note)
{
    if (!has_room(h, 1))
        return;
    struct job *job = job_new(h, JOB_STANDING);
    struct standing_note *n = &job->note;
    job->at_ms = at_ms;
    *n = *note;
    struct slice *const texts[] = {
        &n->egress, &n->address, &n->with, &n->from, &n->to, &n->reason
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        *texts[i] = keep(job, *texts[i]);
    mailbox_post(h->inbox, &job->mail);
}

void history_ask(struct history *h, const struct history_question *question,
                 history_answer_fn *answer, void *arg)
{
    struct job *job = job_new(h, JOB_ASK);
    job->question = *question;
    job->question.egress = keep(job, question->egress);
    job->question.carrier = keep(job, question->carrier);
    job->question.region = keep(job, question->region);
    job->question.address = keep(job, question->address);
    job->answer = answer;
    job->answer_arg = arg;
    mailbox_post(h->inbox, &job->mail);
}
