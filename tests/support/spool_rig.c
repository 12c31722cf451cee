/*
 * tests/support/spool_rig — see spool_rig.h
 */
#include "tests/support/spool_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/buf.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/mail/body.h"
#include "tests/support/temp_dir.h"

enum { TURNS_MAX = 3000, TURN_MS = 20 };

static void on_corrupt(void *arg, const char *family, struct spool_id id, const char *why)
{
    struct rig *rig = arg;
    (void)family;
    (void)id;
    (void)why;
    atomic_fetch_add(&rig->corrupt, 1);
}

static void on_health(void *arg, enum spool_gate gate, const char *why)
{
    struct rig *rig = arg;
    (void)gate;
    (void)why;
    atomic_fetch_add(&rig->health, 1);
}

void rig_make(struct rig *rig)
{
    *rig = (struct rig){ 0 };
    temp_dir_make(rig->dir, sizeof rig->dir);
    log_set_level(LOG_ERROR);
    rig->conf.dir = rig->dir;
    snprintf(rig->scratch_dir, sizeof rig->scratch_dir, "/dev/shm/wp-unit-XXXXXX");
    assert_non_null(mkdtemp(rig->scratch_dir));
    rig->conf.scratch_dir = rig->scratch_dir;
    rig->conf.events = (struct spool_events){ on_corrupt, on_health, rig };
}

void rig_open(struct rig *rig)
{
    struct err err = { .text = "" };
    enum rc rc = spool_open(&rig->conf, &rig->spool, &err);
    if (rc != RC_OK)
        fail_msg("spool_open: %s", err.text);
    rig->loop = loop_new();
    rig->port = spool_port_new(rig->spool, rig->loop, 1);
}

void rig_close(struct rig *rig)
{
    spool_port_free(&rig->port);
    spool_close(&rig->spool);
    if (rig->loop)
        loop_free(&rig->loop);
}

void rig_reopen(struct rig *rig)
{
    rig_close(rig);
    rig_open(rig);
}

void rig_remove(struct rig *rig)
{
    rig_close(rig);
    temp_dir_remove(rig->dir);
    temp_dir_remove(rig->scratch_dir);
}

void rig_wait(struct rig *rig, const bool *done)
{
    for (int i = 0; i < TURNS_MAX && !*done; i++)
        loop_turn(rig->loop, TURN_MS);
    assert_true(*done);
}

void rig_turns(struct rig *rig, int64_t ms)
{
    int64_t end = loop_now_ms(rig->loop) + ms;
    for (int i = 0; i < TURNS_MAX && loop_now_ms(rig->loop) < end; i++)
        loop_turn(rig->loop, TURN_MS);
}

struct spool_item rig_item(struct spool_id id, uint16_t sub, const char *text)
{
    return (struct spool_item){ .id = id,
                                .sub = sub,
                                .count = 1,
                                .lane = 2,
                                .accepted_ms = 1000,
                                .due_ms = 2000,
                                .expire_ms = 3000,
                                .dest = slice_of(text),
                                .env = slice_of(text) };
}

void rig_answered(void *arg, enum spool_rc rc, uint64_t fence)
{
    struct rig_answer *answer = arg;
    assert_false(answer->done);
    *answer = (struct rig_answer){ true, rc, fence };
}

enum spool_rc rig_try_commit(struct rig *rig, struct spool_id id, struct slice text, unsigned n,
                             uint64_t *fence_r)
{
    enum { ITEMS = 16 };
    static const char *const names[ITEMS] = {
        "d0", "d1", "d2",  "d3",  "d4",  "d5",  "d6",  "d7",
        "d8", "d9", "d10", "d11", "d12", "d13", "d14", "d15"
    };
    struct spool_item items[ITEMS];
    struct rig_answer answer = { .done = false };
    assert_true(n <= ITEMS);
    for (unsigned i = 0; i < n; i++)
        items[i] = rig_item(id, (uint16_t)i, names[i]);
    struct body *body = body_new(text.n);
    body_append(body, text);
    spool_commit(rig->port, id, body, items, n, rig_answered, &answer);
    body_unref(&body);
    assert_false(answer.done); /* never from inside the call */
    rig_wait(rig, &answer.done);
    if (fence_r)
        *fence_r = answer.fence;
    return answer.rc;
}

struct spool_id rig_commit(struct rig *rig, struct slice body, unsigned n)
{
    struct spool_id id = spool_new_id(rig->port);
    assert_int_equal(rig_try_commit(rig, id, body, n, NULL), SPOOL_OK);
    return id;
}

enum spool_rc rig_apply(struct rig *rig, const struct spool_op *ops, unsigned n)
{
    struct rig_answer answer = { .done = false };
    spool_apply(rig->port, ops, n, rig_answered, &answer);
    assert_false(answer.done);
    rig_wait(rig, &answer.done);
    return answer.rc;
}

enum spool_rc rig_done(struct rig *rig, const struct spool_item *item)
{
    struct spool_op op = { .kind = SPOOL_DONE, .item = *item };
    return rig_apply(rig, &op, 1);
}

static struct slice copy_slice(struct slice s)
{
    return (struct slice){ mem_strndup(s.p ? s.p : "", s.n), s.n };
}

static void on_page(void *arg, enum spool_rc rc, const struct spool_item *items, unsigned n)
{
    struct rig_items *all = arg;
    assert_false(all->done);
    if (n == 0) {
        all->done = true;
        all->rc = rc;
        return;
    }
    assert_int_equal(rc, SPOOL_OK);
    all->pages++;
    all->page_max = n > all->page_max ? n : all->page_max;
    all->items = mem_grow(all->items, all->count + n, sizeof(*all->items));
    for (unsigned i = 0; i < n; i++) {
        struct spool_item *item = &all->items[all->count++];
        *item = items[i];
        item->dest = copy_slice(items[i].dest);
        item->env = copy_slice(items[i].env);
    }
}

struct rig_items rig_scan(struct rig *rig, unsigned page)
{
    struct rig_items all = { .done = false };
    spool_scan(rig->port, page, on_page, &all);
    assert_false(all.done);
    rig_wait(rig, &all.done);
    return all;
}

void rig_items_free(struct rig_items *all)
{
    for (unsigned i = 0; i < all->count; i++) {
        free((char *)(uintptr_t)all->items[i].dest.p);
        free((char *)(uintptr_t)all->items[i].env.p);
    }
    free(all->items);
    *all = (struct rig_items){ .done = false };
}

const struct spool_item *rig_find(const struct rig_items *items, struct spool_id id, uint16_t sub)
{
    for (unsigned i = 0; i < items->count; i++)
        if (spool_id_cmp(items->items[i].id, id) == 0 && items->items[i].sub == sub)
            return &items->items[i];
    return NULL;
}

struct rig_items rig_restart(struct rig *rig)
{
    rig_reopen(rig);
    return rig_scan(rig, 100);
}

struct got_body {
    bool done;
    enum spool_rc rc;
    char *text;
};

static void on_body(void *arg, enum spool_rc rc, struct body *body)
{
    struct got_body *got = arg;
    got->done = true;
    got->rc = rc;
    if (rc == SPOOL_OK)
        got->text = mem_strndup(body_slice(body).p, body_size(body));
    body_unref(&body);
}

char *rig_load(struct rig *rig, struct spool_id id, enum spool_rc *rc_r)
{
    struct got_body got = { .done = false };
    spool_load(rig->port, id, UINT64_MAX, on_body, &got);
    rig_wait(rig, &got.done);
    *rc_r = got.rc;
    return got.text;
}

struct reading {
    bool done;
    enum spool_rc rc;
    struct buf text;
    struct spool_reader *reader;
};

static void on_window(void *arg, enum spool_rc rc, const char *data, size_t n)
{
    struct reading *reading = arg;
    assert_true(n <= 256 * 1024);
    reading->rc = rc;
    reading->done = rc != SPOOL_OK || n == 0;
    buf_put(&reading->text, data, n);
    if (!reading->done)
        spool_reader_next(reading->reader, on_window, arg);
}

char *rig_read(struct rig *rig, struct spool_id id, size_t *len_r, enum spool_rc *rc_r)
{
    struct reading reading = { .reader = spool_reader_open(rig->port, id) };
    buf_init(&reading.text, (size_t)1 << 30);
    spool_reader_next(reading.reader, on_window, &reading);
    assert_false(reading.done);
    rig_wait(rig, &reading.done);
    spool_reader_close(&reading.reader);
    *rc_r = reading.rc;
    return buf_take(&reading.text, len_r);
}
