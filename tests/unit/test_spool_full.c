/*
 * tests/unit/test_spool_full — a start on a disk that takes nothing: the gate is shut, what waits
 * can be read and ended, and all of it is there when the disk takes writes again
 */
#include "tests/unit/disk_faults_rig.h"

#include <stdlib.h>

#include "gateway/base/mem.h"

enum { LARGE = 600 * 1024 };

static void drained(void *arg)
{
    (void)arg;
}

static struct spool_id commit_large(struct rig *rig)
{
    struct spool_id id = spool_new_id(rig->port);
    struct spool_item item = rig_item(id, 0, "large");
    struct rig_answer answer = { .done = false };
    struct spool_writer *w = spool_writer_begin(rig->port, id, drained, NULL);
    char *text = mem_zero(LARGE);
    (void)spool_writer_append(w, text, LARGE);
    free(text);
    spool_writer_commit(&w, &item, 1, rig_answered, &answer);
    rig_wait(rig, &answer.done);
    assert_int_equal(answer.rc, SPOOL_OK);
    return id;
}

static void end_item(struct rig *rig, const struct spool_item *item, struct rig_answer *answer)
{
    struct spool_op op = { .kind = SPOOL_DONE, .item = *item };
    spool_apply(rig->port, &op, 1, rig_answered, answer);
}

/* Every body can be had, the large one, which is the last, from its chunks. */
static void assert_readable(struct rig *rig, const struct rig_items *all)
{
    for (unsigned i = 0; i < all->count; i++) {
        enum spool_rc rc;
        free(rig_load(rig, all->items[i].id, &rc));
        assert_int_equal(rc, SPOOL_OK);
    }
}

static void start_while(struct rig *rig, int kind, int error, enum spool_gate gate)
{
    rig_open(rig);
    rig_commit(rig, SLICE_LIT("one"), 1);
    rig_commit(rig, SLICE_LIT("two"), 1);
    struct spool_id large = commit_large(rig);
    fault_on(kind, error);
    rig_close(rig);
    rig_open(rig);
    assert_true(atomic_load(&hits) > 0);
    assert_int_equal(spool_gate(rig->spool), gate);
    assert_true(atomic_load(&rig->health) > 0); /* it was told */
    struct rig_items all = rig_scan(rig, 10);
    assert_int_equal(all.rc, SPOOL_OK);
    assert_int_equal(all.count, 3);
    assert_readable(rig, &all);

    struct rig_answer ended[2] = { { .done = false }, { .done = false } };
    end_item(rig, &all.items[0], &ended[0]);
    end_item(rig, &all.items[2], &ended[1]);
    assert_int_equal(spool_id_cmp(all.items[2].id, large), 0);
    struct spool_id refused_id = spool_new_id(rig->port);
    assert_int_equal(rig_try_commit(rig, refused_id, SLICE_LIT("no"), 1, NULL), SPOOL_LATER);
    rig_turns(rig, 700); /* one try to recover, in vain */
    assert_false(ended[0].done || ended[1].done);

    fault_off();
    wait_for_gate(rig, SPOOL_GATE_OPEN);
    rig_wait(rig, &ended[0].done);
    rig_wait(rig, &ended[1].done);
    assert_true(ended[0].rc == SPOOL_OK && ended[1].rc == SPOOL_OK);
    rig_commit(rig, SLICE_LIT("three"), 1);
    rig_turns(rig, 700); /* the bulk store follows */
    commit_large(rig);
    rig_items_free(&all);
    all = rig_restart(rig);
    assert_int_equal(all.count, 3);
    assert_readable(rig, &all);
    rig_items_free(&all);
    assert_int_equal(atomic_load(&rig->corrupt), 0);
}

static void no_space(void **state)
{
    start_while(*state, FAULT_WRITE, ENOSPC, SPOOL_GATE_DISK_LOW);
}

static void read_only(void **state)
{
    start_while(*state, FAULT_WRITE, EROFS, SPOOL_GATE_SICK);
}

static void no_sync(void **state)
{
    start_while(*state, FAULT_SYNC, EIO, SPOOL_GATE_SICK);
}

/* It comes to its end, and to life again, while the disk still refuses: nothing is forgotten, and
 * what has ended is not shown again. */
static void several_starts(void **state)
{
    enum { STARTS = 3 };
    struct rig *rig = *state;
    struct rig_answer ended[STARTS] = { { .done = false } };
    struct spool_id id[STARTS];
    rig_open(rig);
    for (int i = 0; i < STARTS; i++)
        id[i] = rig_commit(rig, SLICE_LIT("text"), 1);
    fault_on(FAULT_WRITE, ENOSPC);
    for (int i = 0; i < STARTS; i++) {
        rig_close(rig);
        rig_open(rig);
        struct rig_items all = rig_scan(rig, 10);
        assert_int_equal(all.count, STARTS - i);
        end_item(rig, rig_find(&all, id[i], 0), &ended[i]);
        rig_items_free(&all);
    }
    fault_off();
    rig_wait(rig, &ended[STARTS - 1].done);
    assert_int_equal(ended[STARTS - 1].rc, SPOOL_OK);
    for (int i = 0; i < 2; i++) {
        struct rig_items all = rig_restart(rig);
        assert_int_equal(all.count, 0);
        rig_items_free(&all);
    }
}

/* ---- what it noted meanwhile ---- */

static void put_off(struct rig *rig, unsigned attempts, struct rig_answer *answer)
{
    struct rig_items all = rig_scan(rig, 10);
    assert_int_equal(all.count, 1);
    struct spool_op op = { .kind = SPOOL_DEFER, .item = all.items[0] };
    op.item.attempts = (uint16_t)attempts;
    spool_apply(rig->port, &op, 1, rig_answered, answer);
    rig_items_free(&all);
}

static void assert_attempts(struct rig *rig, unsigned attempts)
{
    struct rig_items all = rig_scan(rig, 10);
    assert_int_equal(all.count, 1);
    assert_int_equal(all.items[0].attempts, attempts);
    rig_items_free(&all);
}

static void open_on_full_disk(struct rig *rig)
{
    rig_close(rig);
    fault_on(FAULT_WRITE, ENOSPC);
    rig_open(rig);
}

/* It ends before it could write; the next one can, and shows what waits. */
static void a_deferral_is_no_newer_than_the_next_start(void **state)
{
    struct rig *rig = *state;
    struct rig_answer answer = { .done = false };
    rig_open(rig);
    rig_commit(rig, SLICE_LIT("one"), 1);
    open_on_full_disk(rig);
    put_off(rig, 3, &answer);
    rig_close(rig);
    fault_off();
    rig_open(rig);
    assert_attempts(rig, 3);
}

/* The second of two such starts recovers by itself: its word is the later one. */
static void the_later_of_two_deferrals_stays(void **state)
{
    struct rig *rig = *state;
    struct rig_answer first = { .done = false }, second = { .done = false };
    rig_open(rig);
    rig_commit(rig, SLICE_LIT("one"), 1);
    open_on_full_disk(rig);
    put_off(rig, 3, &first);
    open_on_full_disk(rig);
    put_off(rig, 9, &second);
    fault_off();
    wait_for_gate(rig, SPOOL_GATE_OPEN);
    rig_wait(rig, &second.done);
    assert_int_equal(second.rc, SPOOL_OK);
    rig_reopen(rig);
    assert_attempts(rig, 9);
}

static void tell(struct rig *rig, enum spool_op_kind kind, const struct spool_item *item,
                 unsigned attempts, struct rig_answer *answer)
{
    struct spool_op op = { .kind = kind, .item = *item };
    op.item.attempts = (uint16_t)attempts;
    spool_apply(rig->port, &op, 1, rig_answered, answer);
}

enum { ENDED, PUT_OFF, IN_PART, MESSAGES };

/* As it was told before: one has ended, one was put off, and of the items of a third the first two
 * have ended. */
static void assert_as_told(struct rig *rig, const struct spool_id *id)
{
    struct rig_items all = rig_scan(rig, 2);
    enum spool_rc rc;
    assert_int_equal(all.rc, SPOOL_OK);
    assert_int_equal(all.count, 2);
    assert_int_equal(rig_find(&all, id[PUT_OFF], 0)->attempts, 3);
    assert_non_null(rig_find(&all, id[IN_PART], 2));
    assert_readable(rig, &all);
    rig_items_free(&all);
    if (spool_gate(rig->spool) != SPOOL_GATE_OPEN)
        return;
    assert_null(rig_load(rig, id[ENDED], &rc));
    assert_int_equal(rc, SPOOL_NOT_FOUND);
}

static void tell_on_a_full_disk(struct rig *rig, struct spool_id *id)
{
    static struct rig_answer never[5];
    memset(never, 0, sizeof never);
    rig_open(rig);
    for (int i = 0; i < MESSAGES; i++)
        id[i] = rig_commit(rig, SLICE_LIT("text"), i == IN_PART ? 3 : 1);
    open_on_full_disk(rig);
    struct rig_items all = rig_scan(rig, 10);
    tell(rig, SPOOL_DEFER, rig_find(&all, id[ENDED], 0), 7, &never[0]);
    tell(rig, SPOOL_DONE, rig_find(&all, id[ENDED], 0), 7, &never[1]);
    tell(rig, SPOOL_DEFER, rig_find(&all, id[PUT_OFF], 0), 3, &never[2]);
    for (uint16_t sub = 0; sub < 2; sub++)
        tell(rig, SPOOL_DONE, rig_find(&all, id[IN_PART], sub), 0, &never[3 + sub]);
    rig_items_free(&all);
}

/* One that cannot write either shows it so, and writes it when there is room: what was noted is not
 * thrown away with the notes of an earlier life, and nothing of it is done twice. */
static void a_start_on_a_disk_that_is_still_full_knows_it(void **state)
{
    struct rig *rig = *state;
    struct spool_id id[MESSAGES];
    tell_on_a_full_disk(rig, id);
    open_on_full_disk(rig);
    assert_as_told(rig, id);
    fault_off();
    wait_for_gate(rig, SPOOL_GATE_OPEN);
    rig_commit(rig, SLICE_LIT("room"), 1);
    struct rig_items all = rig_scan(rig, 10);
    for (unsigned i = 0; i < all.count; i++) /* and it can be ended as usual */
        if (spool_id_cmp(all.items[i].id, id[IN_PART]) == 0)
            assert_int_equal(rig_done(rig, &all.items[i]), SPOOL_OK);
    rig_items_free(&all);
    for (int i = 0; i < 2; i++) {
        all = rig_restart(rig);
        assert_int_equal(all.count, 2);
        assert_int_equal(rig_find(&all, id[PUT_OFF], 0)->attempts, 3);
        assert_readable(rig, &all);
        rig_items_free(&all);
        enum spool_rc rc;
        assert_null(rig_load(rig, id[ENDED], &rc));
        assert_null(rig_load(rig, id[IN_PART], &rc));
    }
}

/* Several such starts, of which none gets to write: the next one that can does. */
static void notes_wait_for_a_start_that_can_write(void **state)
{
    struct rig *rig = *state;
    struct spool_id id[MESSAGES];
    tell_on_a_full_disk(rig, id);
    for (int i = 0; i < 3; i++) {
        open_on_full_disk(rig);
        assert_as_told(rig, id);
    }
    rig_close(rig);
    fault_off();
    for (int i = 0; i < 2; i++) {
        rig_reopen(rig);
        assert_as_told(rig, id);
    }
}

/* There is nothing to be read yet: an error that says why. */
static void first_start(void **state)
{
    struct rig *rig = *state;
    struct err err = { .text = "" };
    fault_on(FAULT_WRITE, ENOSPC);
    assert_int_equal(spool_open(&rig->conf, &rig->spool, &err), RC_IO);
    assert_non_null(strstr(err.text, "No space left"));
    fault_off();
    rig_open(rig);
    rig_commit(rig, SLICE_LIT("one"), 1);
}

#define RIG_TEST(fn) cmocka_unit_test_setup_teardown(fn, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(no_space),
        RIG_TEST(read_only),
        RIG_TEST(no_sync),
        RIG_TEST(several_starts),
        RIG_TEST(first_start),
        RIG_TEST(a_deferral_is_no_newer_than_the_next_start),
        RIG_TEST(the_later_of_two_deferrals_stays),
        RIG_TEST(a_start_on_a_disk_that_is_still_full_knows_it),
        RIG_TEST(notes_wait_for_a_start_that_can_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
