/*
 * tests/sim/test_concurrency — a limit found out from a server that does not tell it
 *
 *   Servers of several kinds in virtual time, milliseconds a step, mail without end: with a hard
 *   limit, with a limit that changes, noisy, slow, gone for a while.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka.h needs the four above */
#include <cmocka.h>

#include <string.h>

#include "gateway/base/rnd.h"
#include "policies/concurrency.h"

enum { MOST = 40, MINUTE = 60000, SEEDS = 2, LEAVING = 256 };

/* What a server is like; changes while a test runs. */
struct server {
    uint32_t limit;   /* refuses beyond */
    uint32_t workers; /* beyond, all of its sessions are slower; 0: no such bound */
    double noise;     /* share of refusals whatever we do */
    int64_t rtt_ms, service_ms;
};

enum phase { FREE, ON_THE_WAY, ASKED, SERVED };

struct run {
    struct concurrency c;
    struct server server;
    struct rnd rnd;
    int64_t now_ms;
    struct {
        enum phase phase;
        uint32_t level;
        int64_t at_ms;
        bool refused;
        double left; /* of the work at the server */
    } slot[MOST];
    uint32_t in_use, at_server, working;
    uint32_t leaving[LEAVING]; /* by time */
    uint64_t taken, refused, served, level_sum, steps;
};

static void run_make(struct run *r, uint64_t seed, struct server server)
{
    memset(r, 0, sizeof *r);
    rnd_seed(&r->rnd, seed);
    r->server = server;
    r->now_ms = 1000;
    concurrency_init(&r->c, MOST);
}

static void reset_counts(struct run *r)
{
    r->taken = r->refused = r->served = r->level_sum = r->steps = 0;
}

/* To the server, and back, is half a round trip each. It counts a session from the arrival of the
 * connection to that of its end. */
static void begin(struct run *r, int i)
{
    r->slot[i].phase = ON_THE_WAY;
    r->slot[i].level = ++r->in_use;
    r->slot[i].at_ms = r->now_ms + r->server.rtt_ms / 2;
}

static void leave_at(struct run *r, int64_t at_ms)
{
    r->leaving[at_ms % LEAVING]++;
}

static void arrive(struct run *r, int i)
{
    r->slot[i].refused = r->at_server >= r->server.limit || rnd_unit(&r->rnd) < r->server.noise;
    r->at_server += !r->slot[i].refused;
    r->slot[i].phase = ASKED;
    r->slot[i].at_ms = r->now_ms + r->server.rtt_ms / 2;
}

static void answer(struct run *r, int i)
{
    if (r->slot[i].refused) {
        r->slot[i].phase = FREE;
        r->in_use--;
        r->refused++;
        concurrency_refused(&r->c, r->slot[i].level, r->now_ms);
        return;
    }
    r->slot[i].phase = SERVED;
    r->slot[i].at_ms = r->now_ms;
    r->slot[i].left = (double)rnd_jitter(&r->rnd, r->server.service_ms, 30);
    r->working++;
    r->taken++;
    concurrency_taken(&r->c, r->slot[i].level, r->now_ms);
}

static void work(struct run *r, int i)
{
    const struct server *s = &r->server;
    bool crowded = s->workers && r->working > s->workers;
    r->slot[i].left -= crowded ? (double)s->workers / r->working : 1;
    if (r->slot[i].left > 0)
        return;
    r->slot[i].phase = FREE;
    uint32_t standing = r->working;
    r->in_use--;
    r->working--;
    r->served++;
    leave_at(r, r->now_ms + s->rtt_ms / 2);
    concurrency_served(&r->c, standing, (double)(r->now_ms - r->slot[i].at_ms), r->now_ms);
}

static void step(struct run *r)
{
    r->now_ms++;
    r->at_server -= r->leaving[r->now_ms % LEAVING];
    r->leaving[r->now_ms % LEAVING] = 0;
    uint32_t left = r->in_use; /* most slots are free most of the time */
    for (int i = 0; i < MOST && left > 0; i++) {
        left -= r->slot[i].phase != FREE;
        if (r->slot[i].phase == ON_THE_WAY && r->now_ms >= r->slot[i].at_ms)
            arrive(r, i);
        else if (r->slot[i].phase == ASKED && r->now_ms >= r->slot[i].at_ms)
            answer(r, i);
        else if (r->slot[i].phase == SERVED)
            work(r, i);
    }
    uint32_t limit = concurrency_limit(&r->c, r->now_ms);
    for (int i = 0; i < MOST && r->in_use < limit; i++)
        if (r->slot[i].phase == FREE)
            begin(r, i);
    r->level_sum += r->working;
    r->steps++;
}

static void run_for(struct run *r, int64_t ms)
{
    for (int64_t end = r->now_ms + ms; r->now_ms < end;)
        step(r);
}

/* Percent of the slots that such a server has, used on average. */
static double used_pct(const struct run *r, uint32_t slots)
{
    const struct server *s = &r->server;
    double share = (double)r->level_sum / (double)r->steps / slots;
    /* what comes and goes holds its slot and cannot work */
    return 100 * share * (double)(s->service_ms + s->rtt_ms) / (double)s->service_ms;
}

static double refused_pct(const struct run *r)
{
    return 100.0 * (double)r->refused / (double)(r->refused + r->taken);
}

static void a_hard_limit_is_found_and_used(void **state)
{
    (void)state;
    static const struct server servers[] = { { 7, 0, 0, 5, 50 },
                                             { 7, 0, 0, 40, 400 },
                                             { 1, 0, 0, 5, 50 },
                                             { 20, 0, 0, 20, 150 },
                                             { 2, 0, 0, 20, 1000 } };
    for (size_t i = 0; i < sizeof servers / sizeof *servers; i++) {
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            struct run r;
            run_make(&r, seed, servers[i]);
            run_for(&r, MINUTE);
            reset_counts(&r);
            run_for(&r, 3 * MINUTE);
            assert_true(used_pct(&r, servers[i].limit) >= 95);
            assert_true(refused_pct(&r) <= 2);
        }
    }
}

static void a_changed_limit_is_followed(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct run r;
        run_make(&r, seed, (struct server){ 12, 0, 0, 5, 50 });
        run_for(&r, MINUTE);
        r.server.limit = 3;
        run_for(&r, 10000);
        reset_counts(&r);
        run_for(&r, 2 * MINUTE);
        assert_true(used_pct(&r, 3) >= 95);
        assert_true(refused_pct(&r) <= 2);
        r.server.limit = 12;
        run_for(&r, 2 * MINUTE);
        reset_counts(&r);
        run_for(&r, 2 * MINUTE);
        assert_true(used_pct(&r, 12) >= 95);
        assert_true(refused_pct(&r) <= 2);
    }
}

/* One refusal in twenty, whatever we do: it costs those and little else. */
static void noise_does_not_make_it_collapse(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct run r;
        run_make(&r, seed, (struct server){ MOST, 0, 0.05, 5, 50 });
        run_for(&r, MINUTE);
        reset_counts(&r);
        run_for(&r, 3 * MINUTE);
        assert_true(used_pct(&r, MOST) >= 85);
        /* with a limit besides */
        run_make(&r, seed, (struct server){ 10, 0, 0.05, 5, 50 });
        run_for(&r, MINUTE);
        reset_counts(&r);
        run_for(&r, 3 * MINUTE);
        assert_true(used_pct(&r, 10) >= 85);
        assert_true(refused_pct(&r) <= 5 + 3);
    }
}

/* Eight at a time go at full speed, more only slow all of them down: nearly all it can do, without
 * waiting more than about twice as long as needed. */
static void a_slow_server_is_not_crowded(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct run r;
        run_make(&r, seed, (struct server){ MOST, 8, 0, 5, 200 });
        run_for(&r, MINUTE);
        reset_counts(&r);
        run_for(&r, 3 * MINUTE);
        double could = 3.0 * MINUTE * 8 / 200;
        assert_true((double)r.served >= 0.95 * could);
        assert_true(r.c.limit >= 8 && r.c.limit <= 24);
        /* it gets slower for all, as one with trouble of its own does */
        r.server.workers = 2;
        run_for(&r, 2 * MINUTE);
        assert_true(r.c.limit <= 8);
    }
}

/* Refuses everything for ten minutes: few attempts meanwhile, and soon back at the old limit. */
static void it_comes_back_half_open(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct run r;
        run_make(&r, seed, (struct server){ 7, 0, 0, 5, 50 });
        run_for(&r, MINUTE);
        r.server.limit = 0;
        run_for(&r, 1000);
        reset_counts(&r);
        run_for(&r, 10 * MINUTE);
        assert_true(r.refused <= 8);
        assert_int_equal(concurrency_limit(&r.c, r.now_ms), 0);
        r.server.limit = 7;
        r.now_ms = concurrency_until(&r.c);
        run_for(&r, 5000);
        reset_counts(&r);
        run_for(&r, MINUTE);
        assert_true(used_pct(&r, 7) >= 95);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hard_limit_is_found_and_used),
        cmocka_unit_test(a_changed_limit_is_followed),
        cmocka_unit_test(noise_does_not_make_it_collapse),
        cmocka_unit_test(a_slow_server_is_not_crowded),
        cmocka_unit_test(it_comes_back_half_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
