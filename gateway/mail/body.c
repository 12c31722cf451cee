#include "gateway/mail/body.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"

enum {
    HEADROOM = 640,      /* a usual Received field; a longer head moves the data once */
    HINT_MAX = 64 * 1024 /* a client may announce much and send nothing */
};

struct body {
    _Atomic unsigned refs;
    size_t start, end, cap; /* content is mem[start..end) */
    size_t head;            /* bytes of it that were prepended */
    char *mem;
};

static _Atomic size_t memory_total;

static void set_capacity(struct body *b, size_t cap)
{
    b->mem = mem_grow(b->mem, cap, 1);
    /* Statistics only: nothing else is ordered by it. */
    atomic_fetch_add_explicit(&memory_total, cap - b->cap, memory_order_relaxed);
    b->cap = cap;
}

struct body *body_new(size_t size_hint)
{
    struct body *b = mem_zero(sizeof *b);
    atomic_init(&b->refs, 1);
    b->start = b->end = HEADROOM;
    set_capacity(b, HEADROOM + (size_hint < HINT_MAX ? size_hint : HINT_MAX));
    return b;
}

static bool building(const struct body *b)
{
    return atomic_load_explicit(&b->refs, memory_order_relaxed) == 1;
}

void body_append(struct body *b, struct slice data)
{
    assert(building(b));
    if (data.n == 0)
        return;
    if (b->cap - b->end < data.n) {
        size_t cap = b->cap + b->cap / 2;
        set_capacity(b, cap - b->end >= data.n ? cap : b->end + data.n);
    }
    memcpy(b->mem + b->end, data.p, data.n);
    b->end += data.n;
}

void body_prepend(struct body *b, struct slice head)
{
    assert(building(b));
    if (head.n == 0)
        return;
    if (b->start < head.n) {
        size_t shift = head.n - b->start;
        if (b->cap - b->end < shift)
            set_capacity(b, b->end + shift);
        memmove(b->mem + b->start + shift, b->mem + b->start, b->end - b->start);
        b->start += shift;
        b->end += shift;
    }
    b->start -= head.n;
    b->head += head.n;
    memcpy(b->mem + b->start, head.p, head.n);
}

struct body *body_ref(struct body *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

void body_unref(struct body **body)
{
    struct body *b = *body;
    *body = NULL;
    /* Release our reads before the last owner, who acquires them all, frees the memory. */
    if (!b || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1)
        return;
    atomic_fetch_sub_explicit(&memory_total, b->cap, memory_order_relaxed);
    free(b->mem);
    free(b);
}

size_t body_size(const struct body *b)
{
    return b->end - b->start;
}

struct slice body_slice(const struct body *b)
{
    return (struct slice){ b->mem + b->start, b->end - b->start };
}

size_t body_head_size(const struct body *b)
{
    return b->head;
}

size_t body_memory_total(void)
{
    return atomic_load_explicit(&memory_total, memory_order_relaxed);
}
