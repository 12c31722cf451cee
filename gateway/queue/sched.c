#include "gateway/queue/sched.h"

#include <assert.h>

void sched_init(struct sched *s, sched_look_fn *look)
{
    *s = (struct sched){ .look = look, .end = LANE_COUNT, .slots = { .all = 1 } };
    list_init(&s->flows);
}

void sched_flow_init(struct sched *s, struct sched_flow *flow)
{
    list_push_back(&s->flows, &flow->link);
}

void sched_flow_end(struct sched_flow *flow)
{
    list_del(&flow->link);
    for (int size = 0; size < SCHED_SIZES; size++)
        for (int lane = 0; lane < LANE_COUNT; lane++)
            fair_free(&flow->fair[size][lane]);
}

void sched_flow_trim(struct sched_flow *flow)
{
    for (int size = 0; size < SCHED_SIZES; size++)
        for (int lane = 0; lane < LANE_COUNT; lane++)
            if (fair_count(flow->fair[size][lane]) == 0)
                fair_free(&flow->fair[size][lane]);
}

bool sched_is_large(uint64_t bytes)
{
    return bytes >= SCHED_LARGE;
}

uint64_t sched_cost(uint64_t bytes)
{
    return bytes + SCHED_MESSAGE_COST;
}

static enum sched_size size_of(const struct sched_mail *m)
{
    return sched_is_large(m->bytes) ? SCHED_LARGE_MAIL : SCHED_SMALL_MAIL;
}

/* ---- coming and leaving ---- */

static struct fair *enter(struct sched *s, struct sched_flow *flow, const struct sched_mail *m,
                          int64_t now_ms)
{
    enum sched_size size = size_of(m);
    struct fair **fair = &flow->fair[size][m->lane];
    if (!*fair)
        *fair = fair_new(size == SCHED_LARGE_MAIL ? SCHED_GRAIN_LARGE : SCHED_GRAIN);
    if (fair_count(*fair) == 0 && flow->spent[size][m->lane] < s->flow_now[size][m->lane])
        flow->spent[size][m->lane] = s->flow_now[size][m->lane];
    if (s->ready[size][m->lane]++ == 0)
        lanes_join(&s->lanes[size], m->lane, now_ms);
    flow->ready[m->lane]++;
    return *fair;
}

void sched_add(struct sched *s, struct sched_flow *flow, struct list *node, int64_t now_ms)
{
    struct sched_mail m;
    s->look(node, &m);
    fair_add(enter(s, flow, &m, now_ms), m.client, node);
}

void sched_add_first(struct sched *s, struct sched_flow *flow, struct list *node, int64_t now_ms)
{
    struct sched_mail m;
    s->look(node, &m);
    fair_add_first(enter(s, flow, &m, now_ms), m.client, node);
}

void sched_put_back(struct sched *s, struct sched_flow *flow, struct list *node, int64_t now_ms)
{
    struct sched_mail m;
    s->look(node, &m);
    enum sched_size size = size_of(&m);
    uint64_t cost = sched_cost(m.bytes), *spent = &flow->spent[size][m.lane];
    fair_put_back(enter(s, flow, &m, now_ms), m.client, node, cost);
    lanes_refund(&s->lanes[size], m.lane, cost);
    *spent -= *spent < cost ? *spent : cost;
}

void sched_del(struct sched *s, struct sched_flow *flow, struct list *node)
{
    struct sched_mail m;
    s->look(node, &m);
    enum sched_size size = size_of(&m);
    assert(s->ready[size][m.lane] > 0 && flow->ready[m.lane] > 0);
    s->ready[size][m.lane]--;
    flow->ready[m.lane]--;
    fair_del(flow->fair[size][m.lane], node);
}

bool sched_each(struct sched_flow *flow, bool (*fn)(void *arg, struct list *line), void *arg)
{
    for (int lane = 0; lane < LANE_COUNT; lane++)
        for (int size = 0; size < SCHED_SIZES; size++)
            if (!fair_each(flow->fair[size][lane], fn, arg))
                return false;
    return true;
}

void sched_drain(struct sched_flow *flow, struct list *to)
{
    for (int lane = 0; lane < LANE_COUNT; lane++)
        for (int size = 0; size < SCHED_SIZES; size++)
            fair_drain(flow->fair[size][lane], to);
}

/* ---- whose turn it is ---- */

/* What stands in front of each lane of one size, and whether it may go. */
struct fronts {
    struct sched_flow *flow[LANE_COUNT];
    struct list *node[LANE_COUNT];
    uint64_t cost[LANE_COUNT]; /* 0: none that may go */
    enum lane lane;            /* whose turn it is; LANE_COUNT: none */
};

static struct sched_flow *next_flow(const struct sched *s, enum sched_size size, enum lane lane)
{
    struct sched_flow *best = NULL;
    LIST_EACH (at, &s->flows) {
        struct sched_flow *flow = CONTAINER_OF(at, struct sched_flow, link);
        if (fair_count(flow->fair[size][lane]) &&
            (!best || flow->spent[size][lane] < best->spent[size][lane]))
            best = flow;
    }
    return best;
}

/* A slot is left to clients that send little; large mail has slots of its own. */
static bool front_may_go(const struct sched *s, struct fair *fair, enum sched_size size,
                         enum lane lane, enum sched_for what)
{
    return size == SCHED_LARGE_MAIL || slots_allow_more(&s->slots, lane, what == SCHED_SLOT) ||
           !fair_front_leaves_room(fair);
}

static bool may_go(const struct sched *s, enum sched_size size, enum lane lane, enum sched_for what)
{
    if (what == SCHED_BEHIND)
        return size == SCHED_SMALL_MAIL;
    return slots_allow(&s->slots, lane, size == SCHED_LARGE_MAIL);
}

static void look_at_fronts(const struct sched *s, struct sched_flow *only, enum sched_size size,
                           enum sched_for what, int64_t now_ms, struct fronts *f)
{
    *f = (struct fronts){ .lane = LANE_COUNT };
    for (enum lane lane = LANE_URGENT; lane < s->end; lane++) {
        if (!s->ready[size][lane] || !may_go(s, size, lane, what))
            continue;
        struct sched_flow *flow = only ? only : next_flow(s, size, lane);
        assert(flow);
        struct fair *fair = flow->fair[size][lane];
        struct list *node = fair_count(fair) ? fair_front(fair) : NULL;
        if (!node || !front_may_go(s, fair, size, lane, what))
            continue;
        f->flow[lane] = flow;
        f->node[lane] = node;
        struct sched_mail m;
        s->look(node, &m);
        f->cost[lane] = sched_cost(m.bytes);
    }
    f->lane = lanes_next(&s->lanes[size], f->cost, now_ms);
}

struct list *sched_next(struct sched *s, struct sched_flow *only, enum sched_for what,
                        int64_t now_ms, struct sched_flow **flow_r)
{
    struct fronts small, large, *turn = &small;
    look_at_fronts(s, only, SCHED_SMALL_MAIL, what, now_ms, &small);
    look_at_fronts(s, only, SCHED_LARGE_MAIL, what, now_ms, &large);
    /* Urgent mail that has to let others go first, for what they are owed, lets no large ones. */
    enum lane first = small.cost[LANE_URGENT] ? LANE_URGENT : small.lane;
    if (large.lane != LANE_COUNT &&
        (first == LANE_COUNT || slots_large_first(&s->slots, first, large.lane)))
        turn = &large;
    if (turn->lane == LANE_COUNT)
        return NULL;
    *flow_r = turn->flow[turn->lane];
    return turn->node[turn->lane];
}

/* Its lane and its flow. */
static void charge(struct sched *s, struct sched_flow *flow, const struct sched_mail *m,
                   enum sched_for what, int64_t now_ms)
{
    enum sched_size size = size_of(m);
    uint64_t cost = sched_cost(m->bytes);
    struct fronts f;
    look_at_fronts(s, NULL, size, what, now_ms, &f);
    f.cost[m->lane] = cost;
    lanes_charge(&s->lanes[size], m->lane, f.cost, now_ms);
    if (s->flow_now[size][m->lane] < flow->spent[size][m->lane])
        s->flow_now[size][m->lane] = flow->spent[size][m->lane];
    flow->spent[size][m->lane] += cost;
}

void sched_charge(struct sched *s, struct sched_flow *flow, struct list *node, enum sched_for what,
                  int64_t now_ms)
{
    struct sched_mail m;
    s->look(node, &m);
    charge(s, flow, &m, what, now_ms);
    fair_charge(flow->fair[size_of(&m)][m.lane], m.client, sched_cost(m.bytes));
}

void sched_charge_again(struct sched *s, struct sched_flow *flow, struct list *node, int64_t now_ms)
{
    struct sched_mail m;
    s->look(node, &m);
    charge(s, flow, &m, SCHED_SLOT, now_ms);
    fair_charge_again(flow->fair[size_of(&m)][m.lane], m.client, sched_cost(m.bytes));
}
