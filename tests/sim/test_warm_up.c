/*
 * tests/sim/test_warm_up — ten days of a new address beside an old one, in virtual time
 *
 *   Standing, allowance and choice as control and relay use them: a mail every 20 seconds, the old
 *   way known and twice as fast. The new address must be used up to its quota, with small mail of
 *   no hurry only, so that it grows each day, until its share fits into the quota.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/base/mem.h"
#include "gateway/delivery/allowance.h"
#include "policies/choose.h"
#include "reputation/standing.h"

enum { OLD, NEW, EGRESSES, SECOND_MS = 1000, HOUR_MS = 3600 * SECOND_MS, DAYS = 10 };
static const int64_t BEGAN_MS = 1750000000000;

struct world {
    struct conf_egress egress[EGRESSES];
    struct conf conf;
    uint16_t all[EGRESSES];
    struct egress_facts facts[EGRESSES];
    struct advice *advice;
    struct choice_rows rows;
    struct choice_request q;
    struct choice choice;
    struct rnd rnd;
    struct standing *standing;
    struct allowances *allowances;
    int64_t now_ms;
};

static int set_up(void **state)
{
    static const struct standing_hooks none = { NULL, NULL };
    struct world *w = mem_zero(sizeof *w);
    struct standing_member member[EGRESSES] = {
        { .egress = SLICE_LIT("old") }, { .egress = SLICE_LIT("new"), .warmup_ms = BEGAN_MS }
    };
    struct standing_config config = { .member = member, .member_n = EGRESSES };
    w->advice = advice_new(EGRESSES, 1);
    for (uint16_t e = 0; e < EGRESSES; e++) {
        w->egress[e] =
            (struct conf_egress){ .name = member[e].egress, .weight = 1, .usable = true };
        w->all[e] = e;
        w->advice->egress[e].name = member[e].egress;
    }
    w->advice->path[OLD] =
        (struct advice_path){ .state = PATH_UP, .rtt_ms = 30, .rtt_var_ms = 1, .samples = 200 };
    w->advice->path[NEW] = (struct advice_path){ .state = PATH_UP, .rtt_ms = 60, .samples = 3 };
    w->advice->group[0].carrier = w->advice->group[0].region =
        advice_text(w->advice, slice_of("x"));
    w->conf.egress.at = w->egress;
    w->conf.egress.n = EGRESSES;
    choice_rows_fill(&w->conf, w->advice, &w->rows);
    rnd_seed(&w->rnd, 5);
    w->q = (struct choice_request){ .conf = &w->conf,
                                    .allowed = { w->all, EGRESSES },
                                    .facts = w->facts,
                                    .advice = w->advice,
                                    .rows = &w->rows,
                                    .sticky = EGRESS_NONE,
                                    .incumbent = EGRESS_NONE,
                                    .sharers = 1 };
    w->now_ms = BEGAN_MS;
    w->standing = standing_new(&none, w->now_ms);
    standing_configure(w->standing, &config, w->now_ms);
    w->allowances = allowances_new();
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    standing_free(&w->standing);
    allowances_free(&w->allowances);
    advice_unref(&w->advice);
    free(w);
    return 0;
}

static struct standing_provider_view view(const struct world *w, int egress)
{
    struct standing_provider_view v;
    assert_true(standing_provider_find(w->standing, egress, SLICE_LIT("p"), w->now_ms, &v));
    return v;
}

/* As delivery/repute does it, from the row that control makes of the view. */
static void look(struct world *w)
{
    for (int e = 0; e < EGRESSES; e++) {
        struct standing_provider_view v = view(w, e);
        bool limited = v.quota_per_hour >= 0;
        w->facts[e] = (struct egress_facts){
            .usable = true,
            .receiver = limited ? RECEIVER_WARMS : RECEIVER_TAKES,
            .spent = limited && !allowance_left(w->allowances, (uint64_t)e + 1,
                                                (uint32_t)v.quota_per_hour, w->now_ms * 1000)
        };
    }
}

static int one_mail(struct world *w)
{
    struct standing_reply taken = { .reply_class = STANDING_DELIVERED, .sender_domain = 1 };
    look(w);
    w->q.now_ms = w->advice->made_ms = w->now_ms;
    w->q.lane = rnd_below(&w->rnd, 10) ? LANE_NORMAL : LANE_URGENT;
    w->q.bytes = rnd_below(&w->rnd, 10) ? 20000 : 500000;
    int e = choose(&w->q, &w->rnd, &w->choice);
    assert_true(e != EGRESS_NONE);
    struct standing_provider_view v = view(w, e);
    if (v.quota_per_hour >= 0)
        assert_true(allowance_take(w->allowances, (uint64_t)e + 1, (uint32_t)v.quota_per_hour,
                                   w->now_ms * 1000));
    assert_true(e == OLD || (w->q.lane == LANE_NORMAL && w->q.bytes < 500000));
    standing_take(w->standing, e, SLICE_LIT("p"), 1, w->now_ms);
    standing_reply(w->standing, e, SLICE_LIT("p"), &taken, w->now_ms);
    return e;
}

static void test_a_new_address_is_warmed_up(void **state)
{
    struct world *w = *state;
    unsigned by_new = 0, first_day = 0;
    for (int64_t end = BEGAN_MS + (int64_t)DAYS * 24 * HOUR_MS; w->now_ms < end;) {
        w->now_ms += 20 * SECOND_MS;
        standing_tick(w->standing, w->now_ms);
        by_new += one_mail(w) == NEW;
        if (w->now_ms <= BEGAN_MS + 24 * HOUR_MS)
            first_day = by_new;
    }
    assert_in_range(first_day, 400, 24 * 20); /* of 20 an hour */
    struct standing_provider_view v = view(w, NEW);
    assert_int_equal(v.state, STANDING_CLEAN);
    assert_true(v.quota_per_hour < 0);
    assert_true(by_new > 4 * 24 * 20); /* not warm before its quota sufficed */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_new_address_is_warmed_up, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
