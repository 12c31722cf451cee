/*
 * tests/unit/test_spool_crash — kill -9 at random moments: what was reported OK is there afterwards
 *
 *   A child commits messages small and large, ends some of them, and tells the parent through a
 *   pipe what it was told, and what it told the spool. The parent kills it without warning, opens
 *   the spool and compares. A message that was acknowledged must never be missing; one whose end
 *   the spool was told of must never be there again, be its end flushed or not.
 */
#include "tests/support/spool_rig.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/mem.h"
#include "gateway/base/rnd.h"
#include "gateway/mail/body.h"

enum {
    ROUNDS = 20,
    OPENING_ROUNDS = 4,
    SLOTS = 8,
    SMALL = 3000,
    LARGE = 700 * 1024,
    KILL_MS = 250,
    PATIENCE_MS = 60000
};

/* What the child reports; one write(2) each, so never torn. */
struct report {
    enum { COMMITTED, ENDING, ENDED } what;
    struct spool_id id;
    uint32_t size;
};

struct child {
    struct rig rig;
    struct rnd rnd;
    int pipe;
};

struct slot {
    struct child *child;
    struct spool_id id;
    uint32_t size;
};

static void start_message(struct slot *slot);

static void report(struct child *child, struct report r)
{
    if (write(child->pipe, &r, sizeof(r)) != sizeof(r))
        _exit(2);
}

static void on_commit(void *arg, enum spool_rc rc, uint64_t fence)
{
    struct slot *slot = arg;
    struct child *child = slot->child;
    if (rc != SPOOL_OK)
        _exit(3);
    report(child, (struct report){ COMMITTED, slot->id, slot->size });
    if (rnd_below(&child->rnd, 3) > 0) {
        struct spool_op op = { .kind = SPOOL_DONE, .item = rig_item(slot->id, 0, "d") };
        op.item.fence = fence;
        report(child, (struct report){ ENDING, slot->id, slot->size });
        spool_apply(child->rig.port, &op, 1, NULL, NULL);
        report(child, (struct report){ ENDED, slot->id, slot->size });
    }
    start_message(slot);
}

static void on_drain(void *arg)
{
    (void)arg;
}

/* The first bytes name the message, so that a body in the wrong place shows. */
static void fill_text(char *text, struct spool_id id, uint32_t size)
{
    memset(text, (int)('a' + id.seq % 26), size);
    spool_id_format(id, text);
}

static void start_message(struct slot *slot)
{
    static char text[LARGE];
    struct child *child = slot->child;
    slot->id = spool_new_id(child->rig.port);
    slot->size = rnd_below(&child->rnd, 20) == 0 ? LARGE : SMALL;
    fill_text(text, slot->id, slot->size);
    struct spool_item item = rig_item(slot->id, 0, "d");
    if (slot->size == LARGE) {
        struct spool_writer *w = spool_writer_begin(child->rig.port, slot->id, on_drain, NULL);
        (void)spool_writer_append(w, text, LARGE);
        spool_writer_commit(&w, &item, 1, on_commit, slot);
        return;
    }
    struct body *body = body_new(SMALL);
    body_append(body, (struct slice){ text, SMALL });
    spool_commit(child->rig.port, slot->id, body, &item, 1, on_commit, slot);
    body_unref(&body);
}

static void child_main(const struct rig *rig, int pipe_fd, uint64_t seed)
{
    static struct child child;
    static struct slot slots[SLOTS];
    child.rig = *rig;
    child.pipe = pipe_fd;
    rnd_seed(&child.rnd, seed);
    rig_open(&child.rig);
    for (int i = 0; i < SLOTS; i++) {
        slots[i].child = &child;
        start_message(&slots[i]);
    }
    for (int i = 0; i < 100000; i++)
        loop_turn(child.rig.loop, 1000);
    _exit(0);
}

struct ledger {
    unsigned count, cap;
    struct report *reports;
    unsigned committed, ended; /* over all rounds */
};

static void read_reports(struct ledger *ledger, int fd)
{
    struct report r;
    ledger->count = 0;
    while (read(fd, &r, sizeof(r)) == sizeof(r)) {
        if (ledger->count == ledger->cap) {
            ledger->cap = ledger->cap ? ledger->cap * 2 : 256;
            ledger->reports = mem_grow(ledger->reports, ledger->cap, sizeof(r));
        }
        ledger->reports[ledger->count++] = r;
    }
}

static bool says(const struct ledger *ledger, int what, struct spool_id id)
{
    for (unsigned i = 0; i < ledger->count; i++)
        if ((int)ledger->reports[i].what == what && spool_id_cmp(ledger->reports[i].id, id) == 0)
            return true;
    return false;
}

static void assert_whole(struct rig *rig, const struct report *r)
{
    static char want[LARGE];
    enum spool_rc rc;
    char *text = rig_load(rig, r->id, &rc);
    assert_int_equal(rc, SPOOL_OK);
    fill_text(want, r->id, r->size);
    assert_memory_equal(text, want, r->size);
    free(text);
}

/* Compares, and empties the spool for the next round. */
static void check_round(struct rig *rig, struct ledger *ledger)
{
    struct rig_items all = rig_scan(rig, 50);
    assert_int_equal(all.rc, SPOOL_OK);
    for (unsigned i = 0; i < ledger->count; i++) {
        const struct report *r = &ledger->reports[i];
        bool ended = says(ledger, ENDED, r->id), there = rig_find(&all, r->id, 0);
        if (r->what != COMMITTED)
            continue;
        ledger->committed++;
        ledger->ended += ended;
        assert_true(there || says(ledger, ENDING, r->id));
        assert_false(there && ended);
        if (there)
            assert_whole(rig, r);
    }
    for (unsigned i = 0; i < all.count; i++) { /* what came without a report is whole, too */
        enum spool_rc rc;
        free(rig_load(rig, all.items[i].id, &rc));
        assert_int_equal(rc, SPOOL_OK);
        assert_int_equal(rig_done(rig, &all.items[i]), SPOOL_OK);
    }
    rig_items_free(&all);
}

/* A busy machine takes its time to open a spool. */
static void wait_for_work(int fd)
{
    struct pollfd first_report = { .fd = fd, .events = POLLIN };
    assert_int_equal(poll(&first_report, 1, PATIENCE_MS), 1);
}

static void kill_at_random_moments(void **state)
{
    (void)state;
    struct ledger ledger = { .count = 0 };
    struct rig rig;
    struct rnd rnd;
    rig_make(&rig);
    rnd_seed(&rnd, 20261122);
    for (int round = 0; round < ROUNDS; round++) {
        int fds[2];
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        (void)fcntl(fds[0], F_SETPIPE_SZ, 1 << 20);
        uint64_t seed = rnd_u64(&rnd);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            child_main(&rig, fds[1], seed);
        close(fds[1]);
        if (rnd_below(&rnd, OPENING_ROUNDS) > 0) /* the others are killed while they open */
            wait_for_work(fds[0]);
        usleep((useconds_t)(1000 * (20 + rnd_below(&rnd, KILL_MS))));
        assert_int_equal(kill(pid, SIGKILL), 0);
        int status = 0;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status)); /* it was still at work */
        read_reports(&ledger, fds[0]);
        close(fds[0]);
        rig_open(&rig);
        check_round(&rig, &ledger);
        assert_int_equal(atomic_load(&rig.corrupt), 0);
        rig_close(&rig);
    }
    print_message("%u committed, %u of them ended, none came back, none was lost\n",
                  ledger.committed, ledger.ended);
    assert_true(ledger.committed > ROUNDS && ledger.ended > ROUNDS);
    free(ledger.reports);
    rig_remove(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(kill_at_random_moments) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
