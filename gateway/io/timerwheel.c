/*
 * io/timerwheel — see the header for the contract
 *
 *   Seven levels of 64 slots. Time is a tick number read as 6-bit digits; `now` is the tick up to
 *   which everything has come out. A node lies on the level of the highest digit in which its
 *   tick differs from `now`, in the slot of that digit. So on every level only slots beyond now's
 *   own digit are occupied, all of level 0 comes before all of level 1 and so on: the next thing
 *   to happen is the lowest occupied slot of the first occupied level. Reaching a slot of level 0
 *   makes its nodes due; reaching one of a higher level files its nodes again, further down.
 */
#include "gateway/io/timerwheel.h"

#include <assert.h>
#include <stdlib.h>

#include "gateway/base/mem.h"

enum { LEVELS = 7, DIGIT = 6, SLOTS = 1 << DIGIT };

static const uint64_t tick_max = ((uint64_t)1 << (LEVELS * DIGIT)) - 1;

struct wheel {
    int64_t tick_ms;
    uint64_t now; /* tick */
    size_t count;
    uint64_t occupied[LEVELS];
    struct list slot[LEVELS][SLOTS];
    struct list due;
};

struct place {
    unsigned level, slot;
};

struct wheel *wheel_new(int64_t tick_ms, int64_t now_ms)
{
    assert(tick_ms > 0 && now_ms >= 0);
    struct wheel *w = mem_zero(sizeof *w);
    w->tick_ms = tick_ms;
    w->now = (uint64_t)(now_ms / tick_ms);
    list_init(&w->due);
    for (unsigned l = 0; l < LEVELS; l++)
        for (unsigned s = 0; s < SLOTS; s++)
            list_init(&w->slot[l][s]);
    return w;
}

void wheel_free(struct wheel **wheel)
{
    free(*wheel);
    *wheel = NULL;
}

void wheel_node_init(struct wheel_node *node)
{
    list_init(&node->link);
    node->due_ms = 0;
}

bool wheel_armed(const struct wheel_node *node)
{
    return !list_empty(&node->link);
}

/* The tick at whose beginning due_ms has certainly passed. */
static uint64_t tick_of(const struct wheel *w, int64_t due_ms)
{
    if (due_ms <= 0)
        return 0;
    uint64_t tick = (uint64_t)due_ms / (uint64_t)w->tick_ms;
    if ((uint64_t)due_ms % (uint64_t)w->tick_ms)
        tick++;
    return tick < tick_max ? tick : tick_max;
}

static struct place place_of(const struct wheel *w, uint64_t tick)
{
    uint64_t differ = tick ^ w->now;
    unsigned level = (63u - (unsigned)__builtin_clzll(differ)) / DIGIT;
    return (struct place){ level, (unsigned)(tick >> (level * DIGIT)) & (SLOTS - 1) };
}

static void file_node(struct wheel *w, struct wheel_node *node)
{
    uint64_t tick = tick_of(w, node->due_ms);
    struct place at = place_of(w, tick > w->now ? tick : w->now + 1);
    list_push_back(&w->slot[at.level][at.slot], &node->link);
    w->occupied[at.level] |= (uint64_t)1 << at.slot;
}

void wheel_add(struct wheel *w, struct wheel_node *node, int64_t due_ms)
{
    wheel_del(w, node);
    node->due_ms = due_ms;
    file_node(w, node);
    w->count++;
}

/* A node that is alone on its ring apart from the head was the last of its slot. Which slot that is
 * follows from the head's position, so a node filed under "next tick" is found too. */
void wheel_del(struct wheel *w, struct wheel_node *node)
{
    if (!wheel_armed(node))
        return;
    struct list *head = node->link.next;
    bool last = head == node->link.prev;
    list_del(&node->link);
    w->count--;
    if (!last || head == &w->due)
        return;
    size_t index = (size_t)(head - &w->slot[0][0]);
    assert(index < (size_t)LEVELS * SLOTS);
    w->occupied[index / SLOTS] &= ~((uint64_t)1 << (index % SLOTS));
}

/* The next slot to be reached and its tick; false when the wheel is empty. */
static bool next_slot(const struct wheel *w, struct place *at_r, uint64_t *tick_r)
{
    for (unsigned level = 0; level < LEVELS; level++) {
        if (!w->occupied[level])
            continue;
        unsigned slot = (unsigned)__builtin_ctzll(w->occupied[level]);
        uint64_t above = w->now >> ((level + 1) * DIGIT) << DIGIT;
        *at_r = (struct place){ level, slot };
        *tick_r = (above | slot) << (level * DIGIT);
        return true;
    }
    return false;
}

static void reach_slot(struct wheel *w, struct place at, uint64_t tick)
{
    struct list nodes;
    list_init(&nodes);
    list_splice_back(&nodes, &w->slot[at.level][at.slot]);
    w->occupied[at.level] &= ~((uint64_t)1 << at.slot);
    w->now = tick;
    for (struct list *link; (link = list_pop_front(&nodes));) {
        struct wheel_node *node = CONTAINER_OF(link, struct wheel_node, link);
        if (at.level == 0 || tick_of(w, node->due_ms) <= tick)
            list_push_back(&w->due, link);
        else
            file_node(w, node);
    }
}

struct wheel_node *wheel_pop(struct wheel *w, int64_t now_ms)
{
    uint64_t target = (uint64_t)(now_ms / w->tick_ms), tick;
    struct place at;
    while (list_empty(&w->due) && w->now < target) {
        if (next_slot(w, &at, &tick) && tick <= target)
            reach_slot(w, at, tick);
        else
            w->now = target;
    }
    struct list *link = list_pop_front(&w->due);
    if (!link)
        return NULL;
    w->count--;
    return CONTAINER_OF(link, struct wheel_node, link);
}

int64_t wheel_next_ms(const struct wheel *w)
{
    struct place at;
    uint64_t tick;
    if (!list_empty(&w->due))
        return (int64_t)w->now * w->tick_ms;
    return next_slot(w, &at, &tick) ? (int64_t)tick * w->tick_ms : INT64_MAX;
}

size_t wheel_count(const struct wheel *w)
{
    return w->count;
}

static bool slot_valid(const struct wheel *w, unsigned level, unsigned slot, size_t *count)
{
    const struct list *head = &w->slot[level][slot];
    bool marked = w->occupied[level] >> slot & 1;
    if (marked == list_empty(head) || (marked && slot <= (w->now >> (level * DIGIT) & (SLOTS - 1))))
        return false;
    LIST_EACH (link, head) {
        const struct wheel_node *node = CONTAINER_OF(link, struct wheel_node, link);
        uint64_t tick = tick_of(w, node->due_ms);
        struct place at = { level, slot }; /* right as it is, had it been overdue when added */
        if (tick > w->now)
            at = place_of(w, tick);
        if (at.level != level || at.slot != slot || link->next->prev != link)
            return false;
        ++*count;
    }
    return true;
}

bool wheel_validate(const struct wheel *w)
{
    size_t count = 0;
    for (unsigned level = 0; level < LEVELS; level++)
        for (unsigned slot = 0; slot < SLOTS; slot++)
            if (!slot_valid(w, level, slot, &count))
                return false;
    LIST_EACH (link, &w->due)
        count++;
    return count == w->count;
}
