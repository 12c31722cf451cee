/*
 * tests/unit/test_spool — the spool's contract for items and small messages, for every engine
 */
#include "tests/support/spool_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/mem.h"
#include "gateway/mail/body.h"

static const char *engine; /* of the running group */

static int setup(void **state)
{
    struct rig *rig = mem_zero(sizeof(*rig));
    rig_make(rig);
    rig->conf.engine = engine;
    rig_open(rig);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;
    rig_remove(rig);
    free(rig);
    return 0;
}

static void assert_body(struct rig *rig, struct spool_id id, const char *want)
{
    enum spool_rc rc;
    char *text = rig_load(rig, id, &rc);
    assert_int_equal(rc, SPOOL_OK);
    assert_string_equal(text, want);
    free(text);
}

static void assert_no_body(struct rig *rig, struct spool_id id)
{
    enum spool_rc rc;
    char *text = rig_load(rig, id, &rc);
    assert_int_equal(rc, SPOOL_NOT_FOUND);
    assert_null(text);
}

static void commit_survives_restart(void **state)
{
    struct rig *rig = *state;
    struct spool_id id = rig_commit(rig, SLICE_LIT("hello"), 1);
    struct rig_items all = rig_restart(rig);
    assert_int_equal(all.rc, SPOOL_OK);
    assert_int_equal(all.count, 1);
    const struct spool_item *item = &all.items[0];
    assert_int_equal(spool_id_cmp(item->id, id), 0);
    assert_int_equal(item->sub, 0);
    assert_int_equal(item->count, 1);
    assert_int_equal(item->lane, 2);
    assert_int_equal(item->accepted_ms, 1000);
    assert_int_equal(item->due_ms, 2000);
    assert_int_equal(item->expire_ms, 3000);
    assert_int_equal(item->body_size, 5);
    assert_true(slice_eq_str(item->dest, "d0"));
    assert_true(slice_eq_str(item->env, "d0"));
    assert_body(rig, id, "hello");
    rig_items_free(&all);
}

static void scan_leaves_out_what_this_process_committed(void **state)
{
    struct rig *rig = *state;
    struct spool_id old = rig_commit(rig, SLICE_LIT("old"), 1);
    rig_reopen(rig);
    rig_commit(rig, SLICE_LIT("new"), 1);
    struct rig_items all = rig_scan(rig, 10);
    assert_int_equal(all.count, 1);
    assert_int_equal(spool_id_cmp(all.items[0].id, old), 0);
    rig_items_free(&all);
}

static void done_removes_item_and_body(void **state)
{
    struct rig *rig = *state;
    uint64_t fence = 0;
    struct spool_id id = spool_new_id(rig->port);
    assert_int_equal(rig_try_commit(rig, id, SLICE_LIT("x"), 1, &fence), SPOOL_OK);
    struct spool_item item = rig_item(id, 0, "d0");
    item.fence = fence;
    assert_int_equal(rig_done(rig, &item), SPOOL_OK);
    assert_no_body(rig, id);
    struct rig_items all = rig_restart(rig);
    assert_int_equal(all.count, 0);
    assert_no_body(rig, id);
    rig_items_free(&all);
}

static void body_goes_with_the_last_sibling(void **state)
{
    struct rig *rig = *state;
    struct spool_id id = rig_commit(rig, SLICE_LIT("shared"), 3);
    static const uint16_t order[] = { 1, 0, 2 };
    for (int i = 0; i < 3; i++) {
        struct rig_items all = rig_restart(rig);
        assert_int_equal(all.count, 3 - i);
        assert_body(rig, id, "shared");
        for (unsigned j = 0; j < all.count; j++) {
            if (all.items[j].sub == order[i]) {
                assert_int_equal(rig_done(rig, &all.items[j]), SPOOL_OK);
                assert_int_equal(rig_done(rig, &all.items[j]), SPOOL_OK); /* a repeat: no harm */
            }
        }
        rig_items_free(&all);
    }
    assert_no_body(rig, id);
}

static void siblings_done_in_one_group(void **state)
{
    struct rig *rig = *state;
    uint64_t fence = 0;
    struct spool_id id = spool_new_id(rig->port);
    assert_int_equal(rig_try_commit(rig, id, SLICE_LIT("x"), 2, &fence), SPOOL_OK);
    struct spool_op ops[2];
    for (uint16_t i = 0; i < 2; i++) {
        ops[i] = (struct spool_op){ .kind = SPOOL_DONE, .item = rig_item(id, i, "d") };
        ops[i].item.count = 2;
        ops[i].item.fence = fence;
    }
    assert_int_equal(rig_apply(rig, ops, 2), SPOOL_OK);
    assert_no_body(rig, id);
}

static void deferral_rewrites_the_item(void **state)
{
    struct rig *rig = *state;
    rig_commit(rig, SLICE_LIT("x"), 1);
    for (uint16_t round = 1; round <= 3; round++) {
        struct rig_items all = rig_restart(rig);
        assert_int_equal(all.count, 1);
        assert_int_equal(all.items[0].attempts, round - 1);
        struct spool_op op = { .kind = SPOOL_DEFER, .item = all.items[0] };
        op.item.attempts = round;
        op.item.due_ms = 5000 * round;
        op.item.env = SLICE_LIT("a longer envelope than before");
        assert_int_equal(rig_apply(rig, &op, 1), SPOOL_OK);
        rig_items_free(&all);
        all = rig_restart(rig);
        assert_int_equal(all.items[0].attempts, round);
        assert_int_equal(all.items[0].due_ms, 5000 * round);
        assert_int_equal(all.items[0].body_size, 1);
        rig_items_free(&all);
    }
    struct rig_items all = rig_restart(rig);
    assert_true(slice_eq_str(all.items[0].env, "a longer envelope than before"));
    assert_int_equal(rig_done(rig, &all.items[0]), SPOOL_OK);
    rig_items_free(&all);
    all = rig_restart(rig);
    assert_int_equal(all.count, 0); /* no earlier version comes back */
    rig_items_free(&all);
}

static void bounce_replaces_the_item_at_once(void **state)
{
    struct rig *rig = *state;
    struct spool_id id = rig_commit(rig, SLICE_LIT("original"), 1);
    struct rig_items all = rig_restart(rig);
    struct spool_id bounce = spool_new_id(rig->port);
    struct spool_item added = rig_item(bounce, 0, "sender.example");
    struct body *body = body_new(0);
    body_append(body, SLICE_LIT("it failed"));
    struct spool_op ops[] = {
        { .kind = SPOOL_DONE, .item = all.items[0] },
        { .kind = SPOOL_ADD, .item = added, .add_body = body, .add_items = &added, .add_count = 1 },
    };
    assert_int_equal(rig_apply(rig, ops, 2), SPOOL_OK);
    body_unref(&body);
    rig_items_free(&all);
    all = rig_restart(rig);
    assert_int_equal(all.count, 1);
    assert_int_equal(spool_id_cmp(all.items[0].id, bounce), 0);
    assert_body(rig, bounce, "it failed");
    assert_no_body(rig, id);
    rig_items_free(&all);
}

static void wrong_fence_changes_nothing(void **state)
{
    struct rig *rig = *state;
    struct spool_id id = rig_commit(rig, SLICE_LIT("x"), 1);
    struct rig_items all = rig_restart(rig);
    struct spool_item stale = all.items[0];
    assert_true(spool_may_send(rig->port, &stale, 1000));
    rig_items_free(&all);
    all = rig_restart(rig); /* another life: the fence of the one before is void */
    stale.dest = stale.env = SLICE_LIT("d0");
    assert_int_not_equal(stale.fence, all.items[0].fence);
    assert_false(spool_may_send(rig->port, &stale, 1000));
    assert_int_equal(rig_done(rig, &stale), SPOOL_LOST_LEASE);
    struct spool_op ops[] = { { .kind = SPOOL_DONE, .item = all.items[0] },
                              { .kind = SPOOL_DEFER, .item = stale } };
    assert_int_equal(rig_apply(rig, ops, 2), SPOOL_LOST_LEASE); /* the group as a whole */
    assert_body(rig, id, "x");
    assert_int_equal(rig_done(rig, &all.items[0]), SPOOL_OK);
    assert_no_body(rig, id);
    rig_items_free(&all);
}

static void load_knows_its_limit(void **state)
{
    struct rig *rig = *state;
    struct spool_id id = rig_commit(rig, SLICE_LIT("12345"), 1);
    size_t len = 0;
    enum spool_rc rc;
    char *text = rig_read(rig, id, &len, &rc);
    assert_int_equal(rc, SPOOL_OK);
    assert_int_equal(len, 5);
    free(text);
    id = spool_new_id(rig->port);
    text = rig_read(rig, id, &len, &rc);
    assert_int_equal(rc, SPOOL_NOT_FOUND);
    free(text);
}

static void an_empty_body_is_a_body(void **state)
{
    struct rig *rig = *state;
    struct spool_id id = rig_commit(rig, SLICE_LIT(""), 1);
    assert_body(rig, id, "");
    size_t len = 1;
    enum spool_rc rc;
    free(rig_read(rig, id, &len, &rc));
    assert_int_equal(rc, SPOOL_OK);
    assert_int_equal(len, 0);
}

static void scan_of_many_is_paged_and_complete(void **state)
{
    enum { MESSAGES = 2000, WAITING = 200, PAGE = 64 };
    struct rig *rig = *state;
    static struct rig_answer answers[MESSAGES];
    struct body *body = body_new(0);
    body_append(body, SLICE_LIT("same"));
    memset(answers, 0, sizeof(answers));
    struct spool_id last = { 0 };
    for (unsigned i = 0; i < MESSAGES; i++) {
        struct spool_id id = spool_new_id(rig->port);
        assert_true(spool_id_cmp(last, id) < 0);
        last = id;
        struct spool_item item = rig_item(id, 0, "d");
        spool_commit(rig->port, id, body, &item, 1, rig_answered, &answers[i]);
        if (i >= WAITING)
            rig_wait(rig, &answers[i - WAITING].done);
    }
    body_unref(&body);
    for (unsigned i = 0; i < MESSAGES; i++) {
        rig_wait(rig, &answers[i].done);
        assert_int_equal(answers[i].rc, SPOOL_OK);
    }
    struct spool_stats stats;
    spool_get_stats(rig->spool, &stats);
    assert_int_equal(stats.commits, MESSAGES);
    assert_int_equal(stats.waiting, 0);
    assert_int_equal(stats.waiting_bytes, 0);
    assert_true(stats.syncs < MESSAGES); /* they shared flushes */
    rig_reopen(rig);
    struct rig_items all = rig_scan(rig, PAGE);
    assert_int_equal(all.count, MESSAGES);
    assert_true(all.page_max <= PAGE);
    assert_true(all.pages >= MESSAGES / PAGE);
    for (unsigned i = 1; i < all.count; i++)
        assert_true(spool_id_cmp(all.items[i - 1].id, all.items[i].id) < 0);
    rig_items_free(&all);
}

static void second_opening_is_refused(void **state)
{
    struct rig *rig = *state;
    struct spool *second = NULL;
    struct err err = { .text = "" };
    assert_int_equal(spool_open(&rig->conf, &second, &err), RC_IO);
    assert_null(second);
    assert_true(strlen(err.text) > 0);
}

static void gate_closes_below_min_free(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(spool_gate(rig->spool), SPOOL_GATE_OPEN);
    rig_close(rig);
    rig->conf.min_free = UINT64_MAX;
    rig_open(rig);
    assert_int_equal(spool_gate(rig->spool), SPOOL_GATE_DISK_LOW);
    struct spool_id id = spool_new_id(rig->port);
    assert_int_equal(rig_try_commit(rig, id, SLICE_LIT("x"), 1, NULL), SPOOL_LATER);
    assert_no_body(rig, id);
    assert_true(atomic_load(&rig->health) > 0);
}

#define RIG_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    static const char *const engines[] = { "local" };
    const struct CMUnitTest tests[] = {
        RIG_TEST(commit_survives_restart),
        RIG_TEST(scan_leaves_out_what_this_process_committed),
        RIG_TEST(done_removes_item_and_body),
        RIG_TEST(body_goes_with_the_last_sibling),
        RIG_TEST(siblings_done_in_one_group),
        RIG_TEST(deferral_rewrites_the_item),
        RIG_TEST(bounce_replaces_the_item_at_once),
        RIG_TEST(wrong_fence_changes_nothing),
        RIG_TEST(load_knows_its_limit),
        RIG_TEST(an_empty_body_is_a_body),
        RIG_TEST(scan_of_many_is_paged_and_complete),
        RIG_TEST(second_opening_is_refused),
        RIG_TEST(gate_closes_below_min_free),
    };
    int failed = 0;
    for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++) {
        engine = engines[i];
        failed += cmocka_run_group_tests_name(engine, tests, NULL, NULL);
    }
    return failed;
}
