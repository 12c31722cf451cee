#include "gateway/base/mem.h"

#include <assert.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *or_die(void *p, size_t size)
{
    if (!p) {
        fprintf(stderr, "waypost: out of memory (%zu bytes)\n", size);
        abort();
    }
    return p;
}

void *mem_zero(size_t size)
{
    return or_die(calloc(1, size ? size : 1), size);
}

void *mem_array(size_t count, size_t size)
{
    return or_die(calloc(count ? count : 1, size ? size : 1), count * size);
}

void *mem_grow(void *p, size_t count, size_t size)
{
    return or_die(reallocarray(p, count ? count : 1, size), count * size);
}

void *mem_copy(const void *p, size_t n)
{
    void *copy = or_die(malloc(n ? n : 1), n);
    if (n)
        memcpy(copy, p, n);
    return copy;
}

char *mem_strdup(const char *s)
{
    return mem_strndup(s, strlen(s));
}

char *mem_strndup(const char *p, size_t n)
{
    char *copy = or_die(malloc(n + 1), n + 1);
    if (n)
        memcpy(copy, p, n);
    copy[n] = '\0';
    return copy;
}

struct block {
    struct block *next;
    size_t size, used;
    alignas(max_align_t) unsigned char data[];
};

struct arena {
    struct block *head; /* the block being filled; older ones behind it */
    size_t block_size, used;
};

struct arena *arena_new(size_t block_size)
{
    struct arena *a = mem_zero(sizeof *a);
    assert(block_size > 0);
    a->block_size = block_size;
    return a;
}

void arena_reset(struct arena *a)
{
    while (a->head && a->head->next) {
        struct block *old = a->head;
        a->head = old->next;
        free(old);
    }
    if (a->head)
        a->head->used = 0;
    a->used = 0;
}

void arena_free(struct arena **arena)
{
    struct arena *a = *arena;
    if (!a)
        return;
    arena_reset(a);
    free(a->head);
    free(a);
    *arena = NULL;
}

static struct block *block_for(struct arena *a, size_t need)
{
    if (a->head && a->head->size - a->head->used >= need)
        return a->head;
    size_t size = need > a->block_size ? need : a->block_size;
    struct block *b = or_die(malloc(sizeof *b + size), size);
    b->size = size;
    b->used = 0;
    b->next = a->head;
    a->head = b;
    return b;
}

void *arena_alloc(struct arena *a, size_t size)
{
    const size_t align = alignof(max_align_t);
    assert(size < SIZE_MAX / 2);
    size_t need = (size + align - 1) & ~(align - 1);
    struct block *b = block_for(a, need);
    void *p = b->data + b->used;
    b->used += need;
    a->used += need;
    memset(p, 0, size);
    return p;
}

char *arena_strndup(struct arena *a, const char *p, size_t n)
{
    char *copy = arena_alloc(a, n + 1);
    if (n)
        memcpy(copy, p, n);
    return copy;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    assert(n >= 0);
    char *s = arena_alloc(a, (size_t)n + 1);
    va_start(ap, fmt);
    vsnprintf(s, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return s;
}

size_t arena_used(const struct arena *a)
{
    return a->used;
}
