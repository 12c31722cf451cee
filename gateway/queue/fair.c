#include "gateway/queue/fair.h"

#include <assert.h>
#include <stdlib.h>

#include "gateway/base/mem.h"

enum { SLOTS_FIRST = 4, SPARE_CLIENTS = 8 };

struct client {
    struct list link; /* on a round, or parked */
    struct client *chain;
    uint64_t key;
    uint64_t spent; /* since ever, on the scale that rounds divide into grains */
    struct list first, line;
    bool parked, served; /* served: since it is known here */
};

struct fair {
    bool walked;           /* inside fair_each(): no client goes away */
    uint64_t grain, round; /* the one that is being served */
    uint32_t used;         /* bit i: rounds[i] is not empty */
    uint32_t count, clients_n, slots_n;
    uint64_t last;                   /* who was served last; 0: nobody */
    uint32_t company;                /* turns until a client that is served alone counts as alone */
    struct list rounds[FAIR_ROUNDS]; /* by number modulo FAIR_ROUNDS */
    struct list parked; /* of the present round, without mail: their debt is still good */
    struct client **slots;
};

/* ---- clients by key ---- */

static struct client **slot_of(const struct fair *f, uint64_t key)
{
    uint64_t mixed = key * 0x9e3779b97f4a7c15u;
    return &f->slots[(mixed >> 32) & (f->slots_n - 1)];
}

static struct client *find(const struct fair *f, uint64_t key)
{
    struct client *c = *slot_of(f, key);
    while (c && c->key != key)
        c = c->chain;
    return c;
}

static void hang_in(struct fair *f, struct client *c)
{
    struct client **slot = slot_of(f, c->key);
    c->chain = *slot;
    *slot = c;
}

static void grow(struct fair *f)
{
    struct client **old = f->slots;
    uint32_t n = f->slots_n;
    f->slots_n = n * 2;
    f->slots = mem_zero(f->slots_n * sizeof(struct client *));
    for (uint32_t i = 0; i < n; i++) {
        for (struct client *c = old[i], *next; c; c = next) {
            next = c->chain;
            hang_in(f, c);
        }
    }
    free(old);
}

/* ---- rounds ---- */

static unsigned place_of(uint64_t round)
{
    return (unsigned)(round % FAIR_ROUNDS);
}

static void leave_round(struct fair *f, struct client *c)
{
    unsigned at = place_of(c->spent / f->grain);
    list_del(&c->link);
    if (!c->parked && list_empty(&f->rounds[at]))
        f->used &= ~(1u << at);
    c->parked = false;
}

/* Where what it has spent puts it, and never further away than the rounds reach. */
static void file(struct fair *f, struct client *c, bool first)
{
    uint64_t now = f->round * f->grain, most = now + (FAIR_ROUNDS - 1) * f->grain;
    if (c->spent < now)
        c->spent = now;
    else if (c->spent > most)
        c->spent = most;
    unsigned at = place_of(c->spent / f->grain);
    if (first)
        list_push_front(&f->rounds[at], &c->link);
    else
        list_push_back(&f->rounds[at], &c->link);
    f->used |= 1u << at;
}

static void forget(struct fair *f, struct client *c)
{
    struct client **at = slot_of(f, c->key);
    while (*at != c)
        at = &(*at)->chain;
    *at = c->chain;
    leave_round(f, c);
    f->clients_n--;
    free(c);
}

static struct client *client_of(struct fair *f, uint64_t key)
{
    struct client *c = find(f, key);
    if (c)
        return c;
    if (f->clients_n == f->slots_n)
        grow(f);
    c = mem_zero(sizeof *c);
    c->key = key;
    list_init(&c->first);
    list_init(&c->line);
    list_init(&c->link);
    c->spent = f->round * f->grain;
    hang_in(f, c);
    f->clients_n++;
    file(f, c, true);
    return c;
}

/* All rounds up to the next one with somebody in it are over, and with them old debts. */
static void advance(struct fair *f)
{
    LIST_EACH (at, &f->parked)
        forget(f, CONTAINER_OF(at, struct client, link));
    unsigned here = place_of(f->round);
    uint32_t ahead = here ? f->used >> here | f->used << (FAIR_ROUNDS - here) : f->used;
    f->round += ahead ? (unsigned)__builtin_ctz(ahead) : 1;
}

static void park(struct fair *f, struct client *c)
{
    leave_round(f, c);
    c->parked = true;
    list_push_back(&f->parked, &c->link);
}

/* ---- what callers see ---- */

struct fair *fair_new(uint64_t grain)
{
    struct fair *f = mem_zero(sizeof *f);
    f->grain = grain;
    f->slots_n = SLOTS_FIRST;
    f->slots = mem_zero(SLOTS_FIRST * sizeof(struct client *));
    list_init(&f->parked);
    for (int i = 0; i < FAIR_ROUNDS; i++)
        list_init(&f->rounds[i]);
    return f;
}

void fair_free(struct fair **fair)
{
    struct fair *f = *fair;
    if (!f)
        return;
    for (uint32_t i = 0; i < f->slots_n; i++) {
        for (struct client *c = f->slots[i], *next; c; c = next) {
            next = c->chain;
            free(c);
        }
    }
    free(f->slots);
    free(f);
    *fair = NULL;
}

uint32_t fair_count(const struct fair *fair)
{
    return fair ? fair->count : 0;
}

static struct list *front_line(struct client *c)
{
    return list_empty(&c->first) ? &c->line : &c->first;
}

static void add_to(struct fair *f, struct client *c, struct list *line, struct list *node)
{
    list_push_back(line, node);
    f->count++;
    if (c->parked) {
        leave_round(f, c);
        file(f, c, false);
    }
}

void fair_add(struct fair *f, uint64_t key, struct list *node)
{
    struct client *c = client_of(f, key);
    add_to(f, c, &c->line, node);
}

void fair_add_first(struct fair *f, uint64_t key, struct list *node)
{
    struct client *c = client_of(f, key);
    add_to(f, c, &c->first, node);
}

void fair_put_back(struct fair *f, uint64_t key, struct list *node, uint64_t cost)
{
    struct client *c = client_of(f, key);
    list_push_front(front_line(c), node);
    f->count++;
    leave_round(f, c);
    c->spent = c->spent > cost ? c->spent - cost : 0;
    file(f, c, true);
}

/* Nobody waits, so nobody's debt matters. */
static void tidy(struct fair *f)
{
    if (f->count || f->walked || f->clients_n <= SPARE_CLIENTS)
        return;
    for (uint32_t i = 0; i < f->slots_n; i++) {
        for (struct client *c = f->slots[i], *next; c; c = next) {
            next = c->chain;
            leave_round(f, c);
            free(c);
        }
        f->slots[i] = NULL;
    }
    f->clients_n = 0;
}

void fair_del(struct fair *f, struct list *node)
{
    assert(f->count > 0);
    list_del(node);
    f->count--;
    tidy(f);
}

struct list *fair_front(struct fair *f)
{
    while (f->count && f->used) {
        struct list *round = &f->rounds[place_of(f->round)];
        if (list_empty(round)) {
            advance(f);
            continue;
        }
        struct client *c = CONTAINER_OF(round->next, struct client, link);
        if (!list_empty(front_line(c)))
            return front_line(c)->next;
        park(f, c);
    }
    return NULL;
}

static void spend(struct fair *f, struct client *c, uint64_t cost)
{
    leave_round(f, c);
    c->spent += cost;
    c->served = true;
    file(f, c, false);
}

void fair_charge(struct fair *f, uint64_t key, uint64_t cost)
{
    struct client *c = find(f, key);
    assert(c);
    spend(f, c, cost);
    if (f->last && f->last != key)
        f->company = FAIR_COMPANY;
    else if (f->company)
        f->company--;
    f->last = key;
}

/* Where nobody waits, nobody's debt matters. */
void fair_charge_again(struct fair *f, uint64_t key, uint64_t cost)
{
    if (fair_count(f))
        spend(f, client_of(f, key), cost);
}

bool fair_front_leaves_room(struct fair *f)
{
    if (!f->company || !fair_front(f))
        return false;
    const struct list *round = &f->rounds[place_of(f->round)];
    return CONTAINER_OF(round->next, struct client, link)->served;
}

static bool each_line(const struct fair *f, bool (*fn)(void *arg, struct list *line), void *arg)
{
    for (uint32_t i = 0; i < f->slots_n; i++)
        for (struct client *c = f->slots[i]; c; c = c->chain)
            if ((!list_empty(&c->first) && !fn(arg, &c->first)) ||
                (!list_empty(&c->line) && !fn(arg, &c->line)))
                return false;
    return true;
}

bool fair_each(struct fair *f, bool (*fn)(void *arg, struct list *line), void *arg)
{
    if (!f)
        return true;
    f->walked = true;
    bool all = each_line(f, fn, arg);
    f->walked = false;
    tidy(f);
    return all;
}

void fair_drain(struct fair *f, struct list *to)
{
    for (uint32_t i = 0; f && i < f->slots_n; i++)
        for (struct client *c = f->slots[i]; c; c = c->chain) {
            list_splice_back(to, &c->first);
            list_splice_back(to, &c->line);
        }
}
