/* tests/support/sched_world — see the header */
#include "tests/support/sched_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka.h needs the four above */
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"

static void look(struct list *node, struct sched_mail *mail_r)
{
    *mail_r = CONTAINER_OF(node, struct sim_mail, node)->is;
}

void world_make(struct world *w, uint64_t seed, uint32_t slots)
{
    memset(w, 0, sizeof *w);
    rnd_seed(&w->rnd, seed);
    w->now_ms = 1000;
    sched_init(&w->sched, look);
    w->sched.slots.all = slots;
    for (int i = 0; i < FLOWS; i++)
        sched_flow_init(&w->sched, &w->flows[i]);
}

struct sim_mail *world_send(struct world *w, int flow, enum lane lane, uint64_t client,
                            uint64_t bytes)
{
    struct sim_mail *m = mem_zero(sizeof *m);
    m->is = (struct sched_mail){ lane, client, bytes };
    m->flow = &w->flows[flow];
    list_init(&m->node);
    sched_add(&w->sched, m->flow, &m->node, w->now_ms);
    return m;
}

struct sim_mail *world_take(struct world *w)
{
    struct sched_flow *flow = NULL;
    struct list *node = sched_next(&w->sched, NULL, SCHED_SLOT, w->now_ms, &flow);
    if (!node)
        return NULL;
    struct sim_mail *m = CONTAINER_OF(node, struct sim_mail, node);
    assert_ptr_equal(flow, m->flow);
    sched_charge(&w->sched, flow, node, SCHED_SLOT, w->now_ms);
    sched_del(&w->sched, flow, node);
    w->given[m->is.lane] += sched_cost(m->is.bytes);
    return m;
}

void world_end(struct world *w)
{
    w->sched.slots = (struct slots){ .all = UINT32_MAX };
    for (struct sim_mail *m; (m = world_take(w));)
        free(m);
    for (int i = 0; i < FLOWS; i++)
        sched_flow_end(&w->flows[i]);
}

uint64_t some_bytes(struct rnd *rnd)
{
    uint64_t most = 1u << (8 + rnd_below(rnd, 13)); /* 256 bytes to just below 1 MiB */
    return rnd_below(rnd, most < SCHED_LARGE ? most : SCHED_LARGE);
}

uint64_t apart(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}
