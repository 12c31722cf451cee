/*
 * tests/unit/test_spool_faults — a disk that refuses: nothing acknowledged is lost, nothing refused
 * stays, and the spool recovers by itself
 */
#include "tests/unit/disk_faults_rig.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/mem.h"
#include "gateway/base/rnd.h"
#include "gateway/mail/body.h"

static int set_up_open(void **state)
{
    rig_set_up(state);
    rig_open(*state);
    return 0;
}

static void refusal_and_recovery(struct rig *rig, int kind, int error)
{
    struct spool_id kept = rig_commit(rig, SLICE_LIT("kept"), 1);
    uint64_t fence = 0;
    struct spool_id ended = spool_new_id(rig->port), lost = spool_new_id(rig->port);
    assert_int_equal(rig_try_commit(rig, ended, SLICE_LIT("ended"), 1, &fence), SPOOL_OK);

    fault_on(kind, error);
    assert_int_equal(rig_try_commit(rig, lost, SLICE_LIT("lost"), 2, NULL), SPOOL_UNKNOWN);
    assert_true(atomic_load(&hits) > 0);
    enum spool_gate shut = error == ENOSPC ? SPOOL_GATE_DISK_LOW : SPOOL_GATE_SICK;
    wait_for_gate(rig, shut);
    struct spool_id later = spool_new_id(rig->port);
    assert_int_equal(rig_try_commit(rig, later, SLICE_LIT("no"), 1, NULL), SPOOL_LATER);

    struct spool_op op = { .kind = SPOOL_DONE, .item = rig_item(ended, 0, "d0") };
    struct rig_answer answer = { .done = false };
    op.item.fence = fence;
    spool_apply(rig->port, &op, 1, rig_answered, &answer);
    rig_turns(rig, 700); /* one try to recover, in vain */
    assert_false(answer.done);
    assert_int_equal(spool_gate(rig->spool), shut);

    fault_off();
    rig_wait(rig, &answer.done);
    assert_int_equal(answer.rc, SPOOL_OK);
    wait_for_gate(rig, SPOOL_GATE_OPEN);
    struct spool_id fresh = rig_commit(rig, SLICE_LIT("fresh"), 1);

    struct rig_items all = rig_restart(rig);
    assert_int_equal(all.count, 2);
    assert_true(rig_find(&all, kept, 0) && rig_find(&all, fresh, 0));
    rig_items_free(&all);
    enum spool_rc rc;
    assert_null(rig_load(rig, lost, &rc));
    assert_int_equal(rc, SPOOL_NOT_FOUND);
    assert_null(rig_load(rig, ended, &rc));
    assert_int_equal(rc, SPOOL_NOT_FOUND);
    assert_true(atomic_load(&rig->health) >= 2);
}

static void no_space(void **state)
{
    refusal_and_recovery(*state, FAULT_WRITE, ENOSPC);
}

static void write_error(void **state)
{
    refusal_and_recovery(*state, FAULT_WRITE, EIO);
}

static void flush_error(void **state)
{
    refusal_and_recovery(*state, FAULT_SYNC, EIO);
}

static void bounce_waits_for_the_disk(void **state)
{
    struct rig *rig = *state;
    uint64_t fence = 0;
    struct spool_id id = spool_new_id(rig->port), bounce = spool_new_id(rig->port);
    assert_int_equal(rig_try_commit(rig, id, SLICE_LIT("x"), 1, &fence), SPOOL_OK);
    struct spool_item added = rig_item(bounce, 0, "s"), item = rig_item(id, 0, "d0");
    item.fence = fence;
    struct body *body = body_new(0);
    body_append(body, SLICE_LIT("bounce"));
    struct spool_op ops[] = {
        { .kind = SPOOL_DONE, .item = item },
        { .kind = SPOOL_ADD, .item = added, .add_body = body, .add_items = &added, .add_count = 1 },
    };
    struct rig_answer answer = { .done = false };
    fault_on(FAULT_SYNC, EIO);
    spool_apply(rig->port, ops, 2, rig_answered, &answer);
    body_unref(&body);
    rig_turns(rig, 100);
    assert_false(answer.done);
    fault_off();
    rig_wait(rig, &answer.done);
    assert_int_equal(answer.rc, SPOOL_OK);
    struct rig_items all = rig_restart(rig);
    assert_int_equal(all.count, 1);
    assert_non_null(rig_find(&all, bounce, 0));
    rig_items_free(&all);
}

/* A disk that is full for days, and mail that is tried again and again meanwhile. */
static void of_many_deferrals_the_last_is_kept(void **state)
{
    enum { TRIES = 2000 };
    struct rig *rig = *state;
    static struct rig_answer answers[TRIES];
    uint64_t fence = 0;
    struct spool_stats stats;
    struct spool_id id = spool_new_id(rig->port);
    assert_int_equal(rig_try_commit(rig, id, SLICE_LIT("x"), 1, &fence), SPOOL_OK);
    fault_on(FAULT_WRITE, ENOSPC);
    assert_int_equal(rig_try_commit(rig, spool_new_id(rig->port), SLICE_LIT("y"), 1, NULL),
                     SPOOL_UNKNOWN);
    for (unsigned i = 0; i < TRIES; i++) {
        struct spool_op op = { .kind = SPOOL_DEFER, .item = rig_item(id, 0, "d0") };
        op.item.count = 1;
        op.item.fence = fence;
        op.item.attempts = (uint16_t)i;
        spool_apply(rig->port, &op, 1, rig_answered, &answers[i]);
    }
    rig_wait(rig, &answers[TRIES - 1].done);
    assert_false(answers[0].done); /* it holds what the last one said */
    spool_get_stats(rig->spool, &stats);
    assert_int_equal(stats.waiting, 1);
    assert_true(stats.waiting_bytes < 1000);
    fault_off();
    rig_wait(rig, &answers[0].done);
    wait_for_gate(rig, SPOOL_GATE_OPEN);
    struct rig_items all = rig_restart(rig);
    assert_int_equal(all.count, 1);
    assert_int_equal(all.items[0].attempts, TRIES - 1);
    rig_items_free(&all);
}

static void closing_while_sick_does_not_hang(void **state)
{
    struct rig *rig = *state;
    uint64_t fence = 0;
    struct spool_id id = spool_new_id(rig->port);
    assert_int_equal(rig_try_commit(rig, id, SLICE_LIT("x"), 1, &fence), SPOOL_OK);
    struct spool_op op = { .kind = SPOOL_DONE, .item = rig_item(id, 0, "d0") };
    struct rig_answer answer = { .done = false };
    op.item.fence = fence;
    fault_on(FAULT_SYNC, EIO);
    assert_int_equal(rig_try_commit(rig, spool_new_id(rig->port), SLICE_LIT("y"), 1, NULL),
                     SPOOL_UNKNOWN);
    spool_apply(rig->port, &op, 1, rig_answered, &answer);
    rig_close(rig);
    assert_true(answer.done);
    assert_int_equal(answer.rc, SPOOL_FAILED);
    fault_off();
    rig_open(rig);
    struct rig_items all = rig_scan(rig, 10);
    assert_null(rig_find(&all, id, 0)); /* it was delivered: the notes know */
    rig_items_free(&all);
}

struct stream_state {
    bool waiting;
};

static void on_drain(void *arg)
{
    ((struct stream_state *)arg)->waiting = false;
}

static enum spool_rc store_large(struct rig *rig, struct spool_id id, int fault_at_mib)
{
    enum { PIECE = 128 * 1024, PIECES = 160 };
    char *piece = mem_zero(PIECE);
    struct stream_state s = { .waiting = false };
    struct spool_item item = rig_item(id, 0, "d");
    struct rig_answer answer = { .done = false };
    struct spool_writer *w = spool_writer_begin(rig->port, id, on_drain, &s);
    for (int i = 0; i < PIECES; i++) {
        if (i == fault_at_mib * 8)
            fault_on(FAULT_WRITE, ENOSPC);
        s.waiting = !spool_writer_append(w, piece, PIECE);
        for (int turn = 0; turn < 500 && s.waiting; turn++)
            loop_turn(rig->loop, 20);
        assert_false(s.waiting); /* a broken disk does not stop the stream */
    }
    spool_writer_commit(&w, &item, 1, rig_answered, &answer);
    rig_wait(rig, &answer.done);
    free(piece);
    return answer.rc;
}

static void large_body_on_a_full_disk(void **state)
{
    struct rig *rig = *state;
    struct spool_id before = spool_new_id(rig->port), failed = spool_new_id(rig->port);
    assert_int_equal(store_large(rig, before, -1), SPOOL_OK);
    assert_int_not_equal(store_large(rig, failed, 2), SPOOL_OK);
    assert_true(atomic_load(&hits) > 0);
    fault_off();
    wait_for_gate(rig, SPOOL_GATE_OPEN);
    rig_turns(rig, 600);
    struct spool_id after = spool_new_id(rig->port);
    assert_int_equal(store_large(rig, after, -1), SPOOL_OK);
    struct rig_items all = rig_restart(rig);
    assert_int_equal(all.count, 2);
    assert_true(rig_find(&all, before, 0) && rig_find(&all, after, 0));
    for (unsigned i = 0; i < all.count; i++) {
        enum spool_rc rc;
        free(rig_load(rig, all.items[i].id, &rc));
        assert_int_equal(rc, SPOOL_OK);
    }
    rig_items_free(&all);
}

static void faults_at_random_under_load(void **state)
{
    enum { ROUNDS = 8, EACH = 40 };
    struct rig *rig = *state;
    static struct rig_answer answers[ROUNDS * EACH];
    static struct spool_id ids[ROUNDS * EACH];
    struct rnd rnd;
    struct body *body = body_new(0);
    body_append(body, SLICE_LIT("load"));
    rnd_seed(&rnd, 7);
    for (unsigned i = 0; i < ROUNDS * EACH; i++) {
        if (i % EACH == 0)
            wait_for_gate(rig, SPOOL_GATE_OPEN);
        if (i % EACH == EACH / 4)
            fault_on(rnd_below(&rnd, 2) ? FAULT_SYNC : FAULT_WRITE, EIO);
        if (i % EACH == EACH / 2)
            fault_off();
        ids[i] = spool_new_id(rig->port);
        struct spool_item item = rig_item(ids[i], 0, "d");
        spool_commit(rig->port, ids[i], body, &item, 1, rig_answered, &answers[i]);
        if (rnd_below(&rnd, 4) == 0)
            rig_turns(rig, (int64_t)rnd_below(&rnd, 10));
    }
    body_unref(&body);
    unsigned good = 0;
    for (unsigned i = 0; i < ROUNDS * EACH; i++)
        rig_wait(rig, &answers[i].done);
    wait_for_gate(rig, SPOOL_GATE_OPEN);
    struct rig_items all = rig_restart(rig);
    for (unsigned i = 0; i < ROUNDS * EACH; i++) {
        good += answers[i].rc == SPOOL_OK;
        assert_int_equal(rig_find(&all, ids[i], 0) != NULL, answers[i].rc == SPOOL_OK);
    }
    assert_int_equal(all.count, good);
    assert_true(good > 0 && good < ROUNDS * EACH);
    rig_items_free(&all);
}

#define RIG_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up_open, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(no_space),
        RIG_TEST(write_error),
        RIG_TEST(flush_error),
        RIG_TEST(bounce_waits_for_the_disk),
        RIG_TEST(of_many_deferrals_the_last_is_kept),
        RIG_TEST(closing_while_sick_does_not_hang),
        RIG_TEST(large_body_on_a_full_disk),
        RIG_TEST(faults_at_random_under_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
