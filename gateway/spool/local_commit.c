/*
 * spool/local_commit — the committer thread: group commit that clocks itself
 *
 *   It takes all requests that wait, writes them as one batch with one flush to the disk, answers,
 *   and looks again: while one flush runs, the next batch gathers. No timer, no tuning.
 *
 *   A batch is flushed when it holds a new message. Dones and deferrals ride along with the next
 *   flush; when none comes they are flushed within SYNC_WITHIN_MS. Lost before that, in a power
 *   cut, they only make a delivery happen again; kill -9 does not lose them (local_notes.c).
 *
 *   When the disk refuses: local_recover.c.
 */
#include <stdlib.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/io/loop.h"
#include "gateway/spool/checksum.h"
#include "gateway/spool/local.h"

enum { ROUND_GROUPS = 1024, ROUND_BYTES = 8 << 20, SYNC_WITHIN_MS = 900 };

/* One batch: the groups in it, and whom to answer. */
struct round {
    struct local *local;
    unsigned count, port_count;
    size_t bytes;
    bool sync;
    struct group *groups[ROUND_GROUPS];
    struct group *added[ROUND_GROUPS]; /* those with a new message, by id */
    struct local_port *ports[ROUND_GROUPS];
};

static void answer(struct round *round, struct group *group, enum spool_rc rc)
{
    struct local_port *port = group->req.port;
    struct local *local = round->local;
    atomic_fetch_sub_explicit(&local->waiting, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&local->waiting_bytes, group->cost, memory_order_relaxed);
    group->req.rc = rc;
    group->req.chain = NULL;
    group->fence = (uint64_t)local->epoch << 32 | group->chunks;
    if (port->done_head)
        port->done_tail->chain = &group->req;
    else {
        port->done_head = &group->req;
        round->ports[round->port_count++] = port;
    }
    port->done_tail = &group->req;
}

/* One mail to each worker that has something in the round. */
static void post_answers(struct round *round)
{
    for (unsigned i = 0; i < round->port_count; i++) {
        struct local_port *port = round->ports[i];
        struct req *head = port->done_head;
        port->done_head = port->done_tail = NULL;
        head->mail.fn = req_deliver;
        mailbox_post(loop_mailbox(port->port.loop), &head->mail);
    }
    round->port_count = 0;
}

static void round_failed(struct round *round, const struct err *err)
{
    struct local *local = round->local;
    sick_enter(local, err);
    siblings_forget(local);
    local->drop_count = 0; /* the held groups will name them again */
    for (unsigned i = 0; i < round->count; i++) {
        struct group *group = round->groups[i];
        if (group->add)
            sick_undo(local, (struct drop){ group->id, group->accept ? group->chunks : 0 });
        if (group->accept) {
            answer(round, group, SPOOL_UNKNOWN);
        } else {
            sick_hold(local, group);
        }
    }
}

static void count_round(struct round *round, int64_t flush_us)
{
    struct local *local = round->local;
    uint64_t commits = 0;
    for (unsigned i = 0; i < round->count; i++)
        commits += round->groups[i]->accept;
    atomic_fetch_add_explicit(&local->commits, commits, memory_order_relaxed);
    atomic_fetch_add_explicit(&local->groups, round->count - commits, memory_order_relaxed);
    atomic_fetch_add_explicit(&local->bytes, round->bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&local->writes, 1, memory_order_relaxed);
    if (!round->sync)
        return;
    uint64_t n = atomic_fetch_add_explicit(&local->syncs, 1, memory_order_relaxed);
    atomic_store_explicit(&local->flush_us[n % FLUSH_SAMPLES], (uint32_t)flush_us,
                          memory_order_relaxed);
}

/* All that was done is on the disk now: large bodies may go. */
static void synced(struct local *local)
{
    local->unsynced_since_ms = 0;
    if (local->drop_count > 0)
        bulk_drop(local, local->drops, local->drop_count);
    local->drop_count = 0;
}

static int by_id(const void *a, const void *b)
{
    const struct group *const *left = a, *const *right = b;
    return spool_id_cmp((*left)->id, (*right)->id);
}

/* Ends of old messages first, then the new ones by their ids: these go through the memtable in
 * order, each insert next to the one before. Nothing in a round depends on a message that is new in
 * it; the others may depend on each other. */
static void fill_batch(struct round *round)
{
    size_t n = 0;
    for (unsigned i = 0; i < round->count; i++)
        if (round->groups[i]->add)
            round->added[n++] = round->groups[i];
        else
            batch_add(round->local, round->groups[i]);
    qsort(round->added, n, sizeof(void *), by_id);
    for (size_t i = 0; i < n; i++)
        batch_add(round->local, round->added[i]);
}

static void round_write(struct round *round)
{
    struct local *local = round->local;
    fill_batch(round);
    if (rocksdb_writebatch_count(local->batch) == 0)
        return;
    struct err err = { .code = RC_OK };
    int64_t start_us = clock_mono_us();
    if (local->unsynced_since_ms && start_us / 1000 - local->unsynced_since_ms >= SYNC_WITHIN_MS)
        round->sync = true;
    enum rc rc = db_write(&local->main, local->batch, round->sync ? DB_SYNC : DB_NO_SYNC, &err);
    rocksdb_writebatch_clear(local->batch);
    if (rc != RC_OK) {
        round_failed(round, &err);
    } else {
        count_round(round, clock_mono_us() - start_us);
        for (unsigned i = 0; i < round->count; i++) {
            note_written(round->groups[i]);
            answer(round, round->groups[i], SPOOL_OK);
        }
        if (round->sync)
            synced(local);
        else if (!local->unsynced_since_ms)
            local->unsynced_since_ms = start_us / 1000;
    }
    post_answers(round);
    round->count = 0;
    round->bytes = 0;
    round->sync = false;
}

static void round_take(struct round *round, struct group *group)
{
    struct local *local = round->local;
    if (group->stale) {
        answer(round, group, SPOOL_LOST_LEASE);
    } else if (local->sick.sick && group->accept) {
        if (group->chunks)
            bulk_drop(local, &(struct drop){ group->id, group->chunks }, 1);
        answer(round, group, SPOOL_LATER);
    } else if (local->sick.sick) {
        sick_hold(local, group);
    } else {
        round->groups[round->count++] = group;
        round->bytes += group->cost;
        round->sync |= group->add;
    }
}

static bool round_full(const struct round *round)
{
    return round->count == ROUND_GROUPS || round->port_count == ROUND_GROUPS ||
           round->bytes >= ROUND_BYTES;
}

/* Runs a chain of requests; true when the stop mail was in it. */
static bool run_chain(struct round *round, struct thread *thread, struct mail *mail)
{
    bool stop = false;
    for (struct mail *next = NULL; mail; mail = next) {
        next = mail->next;
        if (thread_is_stop(thread, mail)) {
            stop = true;
            continue;
        }
        struct req *req = req_of(mail);
        if (req->run)
            req->run(req, thread->seal);
        else
            round_take(round, (struct group *)req);
        if (round_full(round))
            round_write(round);
    }
    round_write(round);
    post_answers(round); /* of groups that were refused without a write */
    return stop;
}

static void run_held(struct round *round)
{
    struct group *head = sick_take_held(round->local);
    struct req *next = NULL;
    for (struct req *req = head ? &head->req : NULL; req; req = next) {
        next = req->chain;
        round_take(round, (struct group *)req);
        if (round_full(round))
            round_write(round);
    }
    round_write(round);
}

static void sync_old(struct local *local)
{
    struct err err = { .code = RC_OK };
    if (local->sick.sick || !local->unsynced_since_ms ||
        clock_mono_ms() - local->unsynced_since_ms < SYNC_WITHIN_MS)
        return;
    if (db_sync_log(&local->main, &err) == RC_OK)
        synced(local);
    else
        sick_enter(local, &err);
}

static int64_t wait_ms(const struct local *local)
{
    int64_t due = local->sick.sick ? local->sick.retry_ms : 0;
    if (!due && local->unsynced_since_ms)
        due = local->unsynced_since_ms + SYNC_WITHIN_MS;
    if (!due)
        return -1;
    int64_t left = due - clock_mono_ms();
    return left > 0 ? left : 0;
}

void *committer_main(void *arg)
{
    struct thread *thread = arg;
    struct local *local = thread->local;
    struct round *round = mem_zero(sizeof(*round));
    round->local = local;
    rocksdb_set_perf_level(rocksdb_disable); /* else each comparison of keys is counted */
    log_debug(NULL, "spool_checksum", "by", checksum_in_use() ? "processor" : "table", NULL);
    for (bool stop = false; !stop;) {
        struct mail *mail = mailbox_take(thread->box);
        if (mail) {
            stop = run_chain(round, thread, mail);
        } else {
            int64_t wait = wait_ms(local);
            if (wait != 0)
                mailbox_wait(thread->box, wait);
        }
        sync_old(local);
        if (local->sick.sick) {
            sick_retry(local);
            if (!local->sick.sick)
                run_held(round);
        }
    }
    struct err err;
    if (!local->sick.sick && db_sync_log(&local->main, &err) == RC_OK)
        synced(local);
    free(round);
    return NULL;
}
