/*
 * tests/unit/test_spool_bodies — the spool's contract for bodies that come and go in pieces
 */
#include "tests/support/spool_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/mem.h"
#include "gateway/mail/body.h"

enum { KIB = 1024, MIB = 1024 * KIB };

static const char *engine;
static const unsigned char *key;
static const unsigned char some_key[32] = "an AES-256 key for the tests...";

static int setup(void **state)
{
    struct rig *rig = mem_zero(sizeof(*rig));
    rig_make(rig);
    rig->conf.engine = engine;
    rig->conf.key = key;
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

/* Text in which every offset differs from its neighbours at any distance that a chunk can have. */
static char *make_text(size_t n)
{
    char *text = mem_zero(n + 1);
    uint32_t x = 12345;
    for (size_t i = 0; i < n; i++) {
        x = x * 1664525 + 1013904223;
        text[i] = (char)('a' + (x >> 24) % 26);
    }
    return text;
}

struct sending {
    struct spool_writer *w;
    const char *text;
    size_t len, at, piece;
    unsigned waits;
    struct rig_answer answer;
};

/* Sends until told to stop; goes on from drain. */
static void send_more(void *arg)
{
    struct sending *s = arg;
    while (s->at < s->len) {
        size_t n = s->len - s->at < s->piece ? s->len - s->at : s->piece;
        bool more = spool_writer_append(s->w, s->text + s->at, n);
        s->at += n;
        if (!more) {
            s->waits++;
            return;
        }
    }
}

static void send_all(struct rig *rig, struct sending *s)
{
    send_more(s);
    for (int i = 0; i < 3000 && s->at < s->len; i++)
        loop_turn(rig->loop, 20);
    assert_int_equal(s->at, s->len);
}

static struct spool_id store_text(struct rig *rig, const char *text, size_t len, const char *head)
{
    struct spool_id id = spool_new_id(rig->port);
    struct sending s = { .text = text, .len = len, .piece = 10007 };
    struct spool_item item = rig_item(id, 0, "d0");
    s.w = spool_writer_begin(rig->port, id, send_more, &s);
    send_all(rig, &s);
    if (head)
        spool_writer_prepend(s.w, head, strlen(head));
    assert_int_equal(spool_writer_size(s.w), len + (head ? strlen(head) : 0));
    spool_writer_commit(&s.w, &item, 1, rig_answered, &s.answer);
    assert_null(s.w);
    rig_wait(rig, &s.answer.done);
    assert_int_equal(s.answer.rc, SPOOL_OK);
    return id;
}

static void assert_text(struct rig *rig, struct spool_id id, const char *want, size_t len)
{
    enum spool_rc rc;
    size_t got_len = 0;
    char *got = rig_read(rig, id, &got_len, &rc);
    assert_int_equal(rc, SPOOL_OK);
    assert_int_equal(got_len, len);
    assert_true(len == 0 || memcmp(got, want, len) == 0);
    free(got);
}

static void sizes_around_the_borders(void **state)
{
    struct rig *rig = *state;
    static const size_t sizes[] = {
        0, 1, 4096, 256 * KIB - 1, 256 * KIB, 256 * KIB + 1, 512 * KIB, 512 * KIB + 1, 3 * MIB + 17
    };
    char *text = make_text(4 * MIB);
    struct spool_id ids[sizeof(sizes) / sizeof(sizes[0])];
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        ids[i] = store_text(rig, text, sizes[i], NULL);
    struct rig_items all = rig_restart(rig);
    assert_int_equal(all.count, sizeof(sizes) / sizeof(sizes[0]));
    for (size_t i = 0; i < all.count; i++) {
        assert_int_equal(all.items[i].body_size, sizes[i]);
        assert_text(rig, ids[i], text, sizes[i]);
        enum spool_rc rc;
        char *whole = rig_load(rig, ids[i], &rc);
        assert_int_equal(rc, SPOOL_OK);
        assert_memory_equal(whole, text, sizes[i]);
        free(whole);
    }
    rig_items_free(&all);
    free(text);
}

static void head_comes_before_the_body(void **state)
{
    struct rig *rig = *state;
    enum { LEN = MIB };
    char *text = make_text(LEN + 6);
    memmove(text + 6, text, LEN);
    memcpy(text, "Head: ", 6);
    struct spool_id small = store_text(rig, text + 6, 100, "Head: ");
    struct spool_id large = store_text(rig, text + 6, LEN, "Head: ");
    assert_text(rig, small, text, 106);
    assert_text(rig, large, text, LEN + 6);
    enum spool_rc rc;
    char *whole = rig_load(rig, large, &rc);
    assert_memory_equal(whole, text, LEN + 6);
    free(whole);
    free(text);
}

struct stepper {
    bool done;
    char first[8];
    size_t n;
};

static void on_step(void *arg, enum spool_rc rc, const char *data, size_t n)
{
    struct stepper *s = arg;
    assert_int_equal(rc, SPOOL_OK);
    s->n = n;
    memcpy(s->first, data, n < sizeof(s->first) ? n : sizeof(s->first));
    s->done = true;
}

/* A session breaks off while the read-ahead is under way; the next attempt starts over. */
static void closed_in_the_middle(void **state)
{
    struct rig *rig = *state;
    enum { LEN = 2 * MIB };
    char *text = make_text(LEN);
    struct spool_id id = store_text(rig, text, LEN, NULL);
    for (int attempt = 0; attempt < 3; attempt++) {
        struct spool_reader *r = spool_reader_open(rig->port, id);
        for (int window = 0; window < attempt; window++) {
            struct stepper s = { .done = false };
            spool_reader_next(r, on_step, &s);
            rig_wait(rig, &s.done);
        }
        struct stepper never = { .done = false };
        spool_reader_next(r, on_step, &never);
        spool_reader_close(&r); /* no callback after it */
        rig_turns(rig, 60);
        assert_false(never.done);
    }
    assert_text(rig, id, text, LEN);
    free(text);
}

static void senders_are_slowed_not_stored(void **state)
{
    struct rig *rig = *state;
    rig_close(rig);
    rig->conf.mem_max = 512 * KIB;
    rig_open(rig);
    enum { LEN = 8 * MIB, WRITERS = 4 };
    char *text = make_text(LEN);
    struct sending s[WRITERS];
    struct spool_id ids[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        ids[i] = spool_new_id(rig->port);
        s[i] = (struct sending){ .text = text, .len = LEN, .piece = 64 * KIB };
        s[i].w = spool_writer_begin(rig->port, ids[i], send_more, &s[i]);
        send_more(&s[i]);
        assert_true(s[i].waits > 0);
    }
    uint64_t most = 0;
    for (int i = 0; i < WRITERS; i++) {
        for (int turn = 0; turn < 3000 && s[i].at < LEN; turn++) {
            struct spool_stats stats;
            loop_turn(rig->loop, 20);
            spool_get_stats(rig->spool, &stats);
            most = stats.waiting_bytes > most ? stats.waiting_bytes : most;
        }
        struct spool_item item = rig_item(ids[i], 0, "d");
        spool_writer_commit(&s[i].w, &item, 1, rig_answered, &s[i].answer);
        rig_wait(rig, &s[i].answer.done);
        assert_int_equal(s[i].answer.rc, SPOOL_OK);
    }
    assert_true(most <= 512 * KIB + WRITERS * 512 * KIB);
    for (int i = 0; i < WRITERS; i++)
        assert_text(rig, ids[i], text, LEN);
    free(text);
}

static void abort_leaves_nothing(void **state)
{
    struct rig *rig = *state;
    enum { LEN = 2 * MIB };
    char *text = make_text(LEN);
    static const size_t lens[] = { 0, 100, 300 * KIB, LEN };
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        struct spool_id id = spool_new_id(rig->port);
        struct sending s = { .text = text, .len = lens[i], .piece = 64 * KIB };
        s.w = spool_writer_begin(rig->port, id, send_more, &s);
        send_all(rig, &s);
        spool_writer_abort(&s.w);
        assert_null(s.w);
        enum spool_rc rc;
        assert_null(rig_load(rig, id, &rc));
        assert_int_equal(rc, SPOOL_NOT_FOUND);
    }
    struct spool_stats stats;
    spool_get_stats(rig->spool, &stats);
    for (int i = 0; i < 3000 && stats.waiting_bytes; i++) {
        rig_turns(rig, 1);
        spool_get_stats(rig->spool, &stats);
    }
    assert_int_equal(stats.waiting_bytes, 0);
    struct rig_items all = rig_restart(rig);
    assert_int_equal(all.count, 0);
    rig_items_free(&all);
    free(text);
}

static void large_body_goes_with_its_item(void **state)
{
    struct rig *rig = *state;
    enum { LEN = 4 * MIB };
    char *text = make_text(LEN);
    struct spool_id gone = store_text(rig, text, LEN, "H: x\r\n");
    struct spool_id stays = store_text(rig, text, LEN, NULL);
    struct rig_items all = rig_restart(rig);
    assert_int_equal(all.count, 2);
    assert_int_equal(rig_done(rig, &all.items[0]), SPOOL_OK);
    rig_items_free(&all);
    rig_turns(rig, 1200); /* the done is flushed, the chunks are dropped */
    enum spool_rc rc;
    assert_null(rig_load(rig, gone, &rc));
    assert_int_equal(rc, SPOOL_NOT_FOUND);
    all = rig_restart(rig);
    assert_int_equal(all.count, 1);
    assert_text(rig, stays, text, LEN);
    rig_items_free(&all);
    free(text);
}

static void on_last_step(void *arg, enum spool_rc rc, const char *data, size_t n)
{
    struct rig_answer *answer = arg;
    (void)data;
    (void)n;
    answer->done = true;
    answer->rc = rc;
}

/* Mail that ends while its body is read (an operator dropped it) is gone, not damaged. */
static void ended_while_it_is_read(void **state)
{
    struct rig *rig = *state;
    enum { LEN = 4 * MIB };
    char *text = make_text(LEN);
    struct spool_id id = store_text(rig, text, LEN, NULL);
    struct rig_items all = rig_restart(rig);
    struct spool_reader *r = spool_reader_open(rig->port, id);
    struct stepper first = { .done = false };
    struct rig_answer last = { .done = false };
    struct spool_stats stats;
    spool_reader_next(r, on_step, &first);
    rig_wait(rig, &first.done);
    assert_int_equal(rig_done(rig, &all.items[0]), SPOOL_OK);
    rig_turns(rig, 1200); /* the done is flushed, the chunks are dropped */
    struct stepper ahead = { .done = false };
    spool_reader_next(r, on_step, &ahead); /* fetched before */
    rig_wait(rig, &ahead.done);
    spool_reader_next(r, on_last_step, &last);
    rig_wait(rig, &last.done);
    assert_int_equal(last.rc, SPOOL_NOT_FOUND);
    spool_reader_close(&r);
    spool_get_stats(rig->spool, &stats);
    assert_int_equal(stats.corrupt, 0);
    rig_items_free(&all);
    free(text);
}

#define RIG_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    static const char *const engines[] = { "local" };
    const struct CMUnitTest tests[] = {
        RIG_TEST(sizes_around_the_borders), RIG_TEST(head_comes_before_the_body),
        RIG_TEST(closed_in_the_middle),     RIG_TEST(senders_are_slowed_not_stored),
        RIG_TEST(abort_leaves_nothing),     RIG_TEST(large_body_goes_with_its_item),
        RIG_TEST(ended_while_it_is_read),
    };
    int failed = 0;
    for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++) {
        engine = engines[i];
        key = NULL;
        failed += cmocka_run_group_tests_name(engine, tests, NULL, NULL);
        key = some_key;
        failed += cmocka_run_group_tests_name("sealed", tests, NULL, NULL);
    }
    return failed;
}
