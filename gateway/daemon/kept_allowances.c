#include "gateway/daemon/kept_allowances.h"

#include "gateway/base/cursor.h"
#include "gateway/daemon/keeper.h"

/*
 * u32 MAGIC, u8 state; when it rests: u64 wall clock, u64 microseconds since the last doubt (beyond
 * LONG: none that matters), then for each that owes u64 key and u64 microseconds until its next
 * mail is due.
 */
enum { MAGIC = 0x31715057 }; /* "WPq1" */
enum { RUNS, RESTS };
static const char FILE_NAME[] = "allowances.bin";
static const uint64_t WALL_MOST = 1000000000000000, LONG = UINT64_C(2) * 3600 * 1000 * 1000;

static void restore(struct cursor *c, struct allowances *allowances, int64_t now_us,
                    int64_t wall_ms)
{
    int64_t wrote_ms = (int64_t)cur_most(c, cur_u64(c), WALL_MOST);
    int64_t passed_us = wall_ms > wrote_ms ? (wall_ms - wrote_ms) * 1000 : 0;
    uint64_t doubt = cur_u64(c);
    if (!c->bad && doubt <= LONG)
        allowances_doubt(allowances, now_us - (int64_t)doubt - passed_us);
    while (!c->bad && cur_left(c)) {
        uint64_t key = cur_u64(c);
        int64_t left_us = (int64_t)cur_most(c, cur_u64(c), LONG) - passed_us;
        if (!c->bad && key && left_us > 0)
            allowance_owe(allowances, key, now_us + left_us);
    }
}

enum rc kept_allowances_read(struct slice bytes, struct allowances *allowances, int64_t now_us,
                             int64_t wall_ms, struct err *err)
{
    struct cursor c = cur_of(bytes.p, bytes.n);
    bool ours = cur_u32(&c) == MAGIC;
    bool rests = cur_most(&c, cur_u8(&c), RESTS) == RESTS;
    if (ours && !c.bad && rests)
        restore(&c, allowances, now_us, wall_ms);
    else if (ours && !c.bad)
        allowances_doubt(allowances, now_us);
    if (ours && !c.bad && !cur_left(&c))
        return RC_OK;
    return err_set(err, RC_PARSE, "not what is left of allowances");
}

struct loading {
    struct allowances *allowances;
    int64_t wall_ms, now_us;
};

static bool take(void *arg, struct slice bytes, struct err *err)
{
    const struct loading *l = arg;
    return kept_allowances_read(bytes, l->allowances, l->now_us, l->wall_ms, err) == RC_OK;
}

/* Twice: the copy of before must not say that it rests. */
static void note_running(struct keeper *keeper)
{
    struct buf b;
    buf_init(&b, KEPT_ALLOWANCES_MAX);
    put_u32(&b, MAGIC);
    put_u8(&b, RUNS);
    for (int copy = 0; copy < 2; copy++) {
        keeper_save(keeper, FILE_NAME, buf_slice(&b));
        (void)keeper_wait(keeper); /* a failure is in the log */
    }
    buf_free(&b);
}

void kept_allowances_begin(struct keeper *keeper, struct allowances *allowances, int64_t now_us,
                           int64_t wall_ms)
{
    struct loading loading = { allowances, wall_ms, now_us };
    enum rc rc = keeper_load(keeper, FILE_NAME, KEPT_ALLOWANCES_MAX, take, &loading);
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        allowances_doubt(allowances, loading.now_us);
    note_running(keeper);
}

static void put_owed(void *arg, uint64_t key, int64_t left_us)
{
    struct buf *out = arg;
    put_u64(out, key);
    put_u64(out, (uint64_t)left_us);
}

void kept_allowances_put(struct buf *out, const struct allowances *allowances, int64_t now_us,
                         int64_t wall_ms)
{
    int64_t doubt_us;
    bool doubted = allowances_doubted(allowances, &doubt_us);
    put_u32(out, MAGIC);
    put_u8(out, RESTS);
    put_u64(out, (uint64_t)(wall_ms > 0 ? wall_ms : 0));
    put_u64(out, doubted ? (uint64_t)(now_us - doubt_us) : UINT64_MAX);
    allowances_each(allowances, now_us, put_owed, out);
}

void kept_allowances_end(struct keeper *keeper, const struct allowances *allowances, int64_t now_us,
                         int64_t wall_ms)
{
    struct buf b;
    buf_init(&b, KEPT_ALLOWANCES_MAX);
    kept_allowances_put(&b, allowances, now_us, wall_ms);
    keeper_save(keeper, FILE_NAME, buf_slice(&b));
    buf_free(&b);
}
