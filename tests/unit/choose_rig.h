/*
 * tests/unit/choose_rig — four egresses and what is known of their paths
 *
 *   A test changes what it is about in `facts`, `advice` or `q` of the struct rig that is its
 *   state, and asks pick(); reason() tells what became of each. The seed is fixed.
 */
#ifndef WAYPOST_TESTS_UNIT_CHOOSE_RIG_H
#define WAYPOST_TESTS_UNIT_CHOOSE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/base/mem.h"
#include "policies/choose.h"

enum { N = 4 };

/* Four egresses a, b, c, d towards one group: round trips of 20, 40, 80 and 160 ms. */
struct rig {
    struct conf_egress egress[N];
    struct conf conf;
    struct egress_facts facts[N];
    uint16_t all[N];
    struct advice *advice;
    struct choice_rows rows;
    struct choice_request q;
    struct rnd rnd;
    struct choice choice;
};

static int set_up(void **state)
{
    static const char *const names[N] = { "a", "b", "c", "d" };
    struct rig *r = mem_zero(sizeof *r);
    r->advice = advice_new(N, 1);
    r->advice->made_ms = 1000;
    r->advice->group[0].carrier = r->advice->group[0].region =
        advice_text(r->advice, slice_of("x"));
    r->advice->group[0].preferred = r->advice->group[0].preferred_large = 0;
    for (int e = 0; e < N; e++) {
        r->egress[e] =
            (struct conf_egress){ .name = slice_of(names[e]), .weight = 1, .usable = true };
        r->facts[e].usable = true;
        r->all[e] = (uint16_t)e;
        r->advice->egress[e].name = slice_of(names[e]);
        r->advice->path[e] = (struct advice_path){
            .state = PATH_UP, .rtt_ms = (float)(20 << e), .rtt_var_ms = 1, .samples = 200
        };
    }
    r->conf.egress.at = r->egress;
    r->conf.egress.n = N;
    choice_rows_fill(&r->conf, r->advice, &r->rows);
    rnd_seed(&r->rnd, 1);
    r->q = (struct choice_request){ .conf = &r->conf,
                                    .allowed = { r->all, N },
                                    .facts = r->facts,
                                    .advice = r->advice,
                                    .rows = &r->rows,
                                    .now_ms = 2000,
                                    .bytes = 20000,
                                    .lane = LANE_NORMAL,
                                    .tls = true,
                                    .sticky = EGRESS_NONE,
                                    .incumbent = EGRESS_NONE,
                                    .sharers = 1 };
    *state = r;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *r = *state;
    advice_unref(&r->advice);
    free(r);
    return 0;
}

static int pick(struct rig *r)
{
    return choose(&r->q, &r->rnd, &r->choice);
}

static enum choice_reason reason(const struct rig *r, uint16_t egress)
{
    for (uint32_t i = 0; i < r->choice.n; i++)
        if (r->choice.at[i].egress == egress)
            return r->choice.at[i].reason;
    fail_msg("egress %u is no candidate", egress);
    return CHOICE_REASONS;
}

#endif
