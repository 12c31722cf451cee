/*
 * tests/sim/test_scheduler_slots — what each kind of mail may hold of a site's sessions
 *
 *   Sessions that take their time, in virtual time; arrivals, sizes and changes of the limit are
 *   drawn from seeds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka.h needs the four above */
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/support/sched_world.h"

enum { SLOTS_MOST = 40, SMALL_BETWEEN = 16 };

struct sessions {
    struct world w;
    int64_t ends_ms[SLOTS_MOST];
    struct sim_mail *carries[SLOTS_MOST]; /* NULL: it is free */
    bool breaks;                          /* some do, before their mail was tried */
};

static uint32_t held(const struct world *w, enum lane from)
{
    uint32_t n = 0;
    for (enum lane lane = from; lane < LANE_COUNT; lane++)
        n += w->sched.slots.busy[lane];
    return n;
}

static void check_slots(const struct world *w)
{
    const struct slots *s = &w->sched.slots;
    assert_true(slots_held(s) <= s->all);
    assert_true(held(w, LANE_HIGH) + slots_kept(s->all, LANE_HIGH) <= s->all);
    assert_true(held(w, LANE_NORMAL) + slots_kept(s->all, LANE_NORMAL) <= s->all);
    assert_true(s->large <= slots_large_most(s->all));
}

static void end_those_due(struct sessions *s)
{
    for (int i = 0; i < SLOTS_MOST; i++) {
        struct sim_mail *m = s->carries[i];
        if (!m || s->ends_ms[i] > s->w.now_ms)
            continue;
        slots_leave(&s->w.sched.slots, m->is.lane, sched_is_large(m->is.bytes));
        s->carries[i] = NULL;
        free(m);
    }
}

static void carry(struct sessions *s, struct sim_mail *m)
{
    int i = 0;
    while (s->carries[i])
        i++;
    s->carries[i] = m;
    s->ends_ms[i] =
        s->w.now_ms + 20 + (int64_t)(m->is.bytes / 5000) + (int64_t)rnd_below(&s->w.rnd, 60);
    slots_take(&s->w.sched.slots, m->is.lane, sched_is_large(m->is.bytes));
}

/* False: one was put back, so that more may wait than has to. */
static bool begin_what_may(struct sessions *s)
{
    struct world *w = &s->w;
    for (struct sim_mail *m; (m = world_take(w));) {
        if (s->breaks && rnd_below(&w->rnd, 50) == 0) {
            sched_put_back(&w->sched, m->flow, &m->node, w->now_ms);
            return false;
        }
        carry(s, m);
    }
    return true;
}

static void sessions_end(struct sessions *s)
{
    for (int i = 0; i < SLOTS_MOST; i++)
        free(s->carries[i]);
    world_end(&s->w);
}

static void arrive(struct world *w)
{
    enum lane lane = rnd_below(&w->rnd, 20) ? (enum lane)(1 + rnd_below(&w->rnd, 3)) : LANE_URGENT;
    bool large = rnd_below(&w->rnd, 100) == 0;
    if (rnd_below(&w->rnd, 100) < w->sched.slots.all * 6)
        world_send(w, (int)rnd_below(&w->rnd, FLOWS), lane, rnd_below(&w->rnd, CLIENTS),
                   large ? SCHED_LARGE * (1 + rnd_below(&w->rnd, 10)) : some_bytes(&w->rnd));
}

/* Kept slots are free for those they are kept for. */
static void check_urgent(const struct world *w)
{
    const struct slots *s = &w->sched.slots;
    if (s->busy[LANE_URGENT] < slots_kept(s->all, LANE_HIGH))
        assert_true(w->sched.ready[SCHED_SMALL_MAIL][LANE_URGENT] == 0);
}

/* As docs/SCHEDULER.md has it. */
static void so_many_are_kept(void **state)
{
    static const struct {
        uint32_t all, for_urgent, left, large;
    } rows[] = {
        { 1, 0, 1, 1 },      { 2, 0, 2, 1 },   { 3, 1, 2, 1 },   { 4, 1, 3, 1 },
        { 5, 1, 4, 1 },      { 7, 1, 6, 1 },   { 8, 1, 6, 2 },   { 10, 1, 8, 2 },
        { 15, 1, 13, 3 },    { 16, 2, 12, 4 }, { 20, 2, 16, 5 }, { 40, 5, 30, 10 },
        { 100, 12, 76, 25 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(slots_kept(rows[i].all, LANE_URGENT), 0);
        assert_int_equal(slots_kept(rows[i].all, LANE_HIGH), rows[i].for_urgent);
        assert_int_equal(rows[i].all - slots_kept(rows[i].all, LANE_NORMAL), rows[i].left);
        assert_int_equal(rows[i].all - slots_kept(rows[i].all, LANE_BULK), rows[i].left);
        assert_int_equal(slots_large_most(rows[i].all), rows[i].large);
    }
}

/* Drawn arrivals up to twice what the site can carry, large ones among them, and a limit that
 * changes: no kind of mail ever holds more than its slots, and urgent mail does not wait while one
 * is kept for it. What began under a higher limit has three seconds to end. */
static void slots_are_kept(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sessions s = { .breaks = true };
        struct world *w = &s.w;
        int64_t settled_ms = 0;
        world_make(w, seed, 1 + (uint32_t)(seed * 3) % SLOTS_MOST);
        for (int step = 0; step < 40000; step++, w->now_ms += 2) {
            if (step % 5000 == 4999) {
                w->sched.slots.all = 1 + (uint32_t)rnd_below(&w->rnd, SLOTS_MOST);
                settled_ms = w->now_ms + 3000;
            }
            end_those_due(&s);
            if (step % 100 == 0)
                sched_flow_trim(&w->flows[step / 100 % FLOWS]);
            arrive(w);
            bool all = begin_what_may(&s);
            if (w->now_ms < settled_ms)
                continue;
            check_slots(w);
            if (all)
                check_urgent(w);
        }
        sessions_end(&s);
    }
}

/* What may go, while urgent mail is first: before a small urgent one goes nothing but small mail to
 * whose lane something is owed of the seventeenth. `passed`: the cost of that since the last urgent
 * one. No slot is free while one waits. */
static void begin_urgent_first(struct sessions *s, uint64_t *passed)
{
    struct world *w = &s->w;
    const uint32_t *waiting = &w->sched.ready[SCHED_SMALL_MAIL][LANE_URGENT];
    for (bool waits = *waiting;; waits = *waiting) {
        struct sim_mail *m = world_take(w);
        if (!m)
            break;
        if (m->is.lane == LANE_URGENT)
            *passed = 0;
        else if (waits)
            *passed += sched_cost(m->is.bytes);
        assert_true(*passed <= SCHED_COST_MOST + SCHED_COST_MOST / LANES_URGENT_SHARE);
        carry(s, m);
    }
    assert_true(!*waiting || slots_held(&w->sched.slots) >= w->sched.slots.all);
}

/* Every number of slots, few of them above all, with more of each lane than can go, large mail
 * among it, and urgent mail in stretches: it has the next slot that becomes free. */
static void urgent_mail_has_the_next_slot(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sessions s = { .breaks = false };
        struct world *w = &s.w;
        uint64_t passed = 0;
        world_make(w, seed, (uint32_t)seed);
        for (int step = 0; step < 10000; step++, w->now_ms += 2) {
            end_those_due(&s);
            for (enum lane lane = LANE_HIGH; lane < LANE_COUNT; lane++)
                if (w->sched.ready[SCHED_SMALL_MAIL][lane] < 10)
                    world_send(w, 0, lane, rnd_below(&w->rnd, CLIENTS), some_bytes(&w->rnd));
            if (w->sched.ready[SCHED_LARGE_MAIL][LANE_NORMAL] < 3)
                world_send(w, 0, LANE_NORMAL, 1, SCHED_LARGE);
            if (step / 1000 % 2 && rnd_below(&w->rnd, 40) < seed + 1)
                world_send(w, 0, LANE_URGENT, rnd_below(&w->rnd, CLIENTS), some_bytes(&w->rnd));
            begin_urgent_first(&s, &passed);
        }
        sessions_end(&s);
    }
}

/* A message of 1 GiB, and more behind it: small mail of the same client passes them. */
static void large_mail_holds_up_no_small(void **state)
{
    (void)state;
    static const uint32_t slots[] = { 2, 3, 5, 20 };
    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++) {
        struct sessions s = { .breaks = false };
        world_make(&s.w, 1, slots[i]);
        for (int n = 0; n < 40; n++)
            world_send(&s.w, 0, LANE_NORMAL, 1, 1u << 30);
        for (int n = 0; n < 40; n++)
            world_send(&s.w, 0, LANE_NORMAL, 1, 3000);
        begin_what_may(&s);
        assert_int_equal(s.w.sched.slots.large, 1);
        assert_true(s.w.sched.slots.busy[LANE_NORMAL] > 1);
        sessions_end(&s);
    }
}

/* One session: large mail has its turn, and small mail has most of them. */
static void one_session_is_shared(void **state)
{
    (void)state;
    struct sessions s = { .breaks = false };
    int large = 0, small = SMALL_BETWEEN;
    world_make(&s.w, 1, 1);
    for (int n = 0; n < 170; n++) {
        world_send(&s.w, 0, LANE_NORMAL, 1, SCHED_LARGE);
        world_send(&s.w, 0, LANE_NORMAL, 1, 3000);
    }
    for (int n = 0; n < 170; n++) {
        struct sim_mail *m = world_take(&s.w);
        bool is_large = sched_is_large(m->is.bytes);
        large += is_large;
        assert_true(!is_large || small >= SMALL_BETWEEN); /* between two of them */
        small = is_large ? 0 : small + 1;
        slots_take(&s.w.sched.slots, m->is.lane, is_large);
        slots_leave(&s.w.sched.slots, m->is.lane, is_large);
        free(m);
    }
    assert_int_equal(large, 170 / (SMALL_BETWEEN + 1));
    sessions_end(&s);
}

/* Every twentieth step one client of little mail sends one; two others have mail all the time. */
static void run_with_company(struct sessions *s)
{
    struct world *w = &s->w;
    uint32_t all = w->sched.slots.all, left = all - slots_kept(all, LANE_NORMAL);
    for (int step = 1; step <= 4000; step++, w->now_ms += 5) {
        end_those_due(s);
        if (step % 20 == 0) {
            struct sim_mail *m = world_send(w, 0, LANE_NORMAL, 7, 3000);
            struct sched_flow *flow;
            assert_ptr_equal(sched_next(&w->sched, NULL, SCHED_SLOT, w->now_ms, &flow), &m->node);
        }
        while (w->sched.ready[SCHED_SMALL_MAIL][LANE_NORMAL] < 100) {
            world_send(w, 0, LANE_NORMAL, 1, some_bytes(&w->rnd) / 100);
            world_send(w, 0, LANE_NORMAL, 2, some_bytes(&w->rnd) / 100);
        }
        begin_what_may(s);
        if (step > 100)
            assert_true(s->w.sched.slots.busy[LANE_NORMAL] >= left - 1);
    }
}

/* Who sends little finds a slot free at once, whatever others have waiting; that costs them one
 * of eight or more. */
static void a_slot_is_left_to_little_mail(void **state)
{
    static const uint32_t slots[] = { 10, 11, 20, SLOTS_MOST };
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sessions s = { .breaks = false };
        world_make(&s.w, seed, slots[seed % 4]);
        run_with_company(&s);
        sessions_end(&s);
    }
}

/* When the first of those that normal mail holds is free; now, if one is. */
static int64_t first_end_ms(const struct sessions *s)
{
    int64_t first = INT64_MAX;
    if (slots_allow(&s->w.sched.slots, LANE_NORMAL, false))
        return s->w.now_ms;
    for (int i = 0; i < SLOTS_MOST; i++)
        if (s->carries[i] && s->ends_ms[i] < first)
            first = s->ends_ms[i];
    return first;
}

static bool is_carried(const struct sessions *s, const struct sim_mail *m)
{
    for (int i = 0; i < SLOTS_MOST; i++)
        if (s->carries[i] == m)
            return true;
    return false;
}

/* Where there are too few slots to leave one free: who sends little waits for the end of the first
 * message under way, whatever others have waiting, and the others have all slots meanwhile. */
static void little_mail_is_next_where_slots_are_few(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        for (uint32_t slots = 1; slots <= 9; slots++) {
            struct sessions s = { .breaks = false };
            int64_t due_ms = INT64_MAX;
            struct sim_mail *little = NULL;
            world_make(&s.w, seed, slots);
            for (unsigned step = 1; step <= 8000; step++, s.w.now_ms += 5) {
                end_those_due(&s);
                while (s.w.sched.ready[SCHED_SMALL_MAIL][LANE_NORMAL] < 50)
                    world_send(&s.w, 0, LANE_NORMAL, 1 + step % 2, some_bytes(&s.w.rnd) / 100);
                if (step % 800 == 0) {
                    due_ms = first_end_ms(&s);
                    little = world_send(&s.w, 0, LANE_NORMAL, 7, 3000);
                }
                begin_what_may(&s);
                assert_int_equal(s.w.sched.slots.busy[LANE_NORMAL],
                                 slots - slots_kept(slots, LANE_NORMAL));
                if (little && s.w.now_ms >= due_ms) {
                    assert_true(is_carried(&s, little));
                    little = NULL;
                }
            }
            sessions_end(&s);
        }
    }
}

/* A client that is alone has all of them, also soon after the last of others has gone. */
static void who_is_alone_has_all(void **state)
{
    (void)state;
    struct sessions s = { .breaks = false };
    world_make(&s.w, 1, 20);
    world_send(&s.w, 0, LANE_NORMAL, 7, 3000);
    for (int step = 0; step < 4000; step++, s.w.now_ms += 5) {
        end_those_due(&s);
        while (s.w.sched.ready[SCHED_SMALL_MAIL][LANE_NORMAL] < 20)
            world_send(&s.w, 0, LANE_NORMAL, 1, 3000);
        begin_what_may(&s);
        if (step > 400)
            assert_int_equal(s.w.sched.slots.busy[LANE_NORMAL], 16);
    }
    sessions_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(so_many_are_kept),
        cmocka_unit_test(slots_are_kept),
        cmocka_unit_test(urgent_mail_has_the_next_slot),
        cmocka_unit_test(large_mail_holds_up_no_small),
        cmocka_unit_test(one_session_is_shared),
        cmocka_unit_test(a_slot_is_left_to_little_mail),
        cmocka_unit_test(little_mail_is_next_where_slots_are_few),
        cmocka_unit_test(who_is_alone_has_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
