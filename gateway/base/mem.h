/*
 * base/mem — allocation that cannot fail, and arenas for memory with one lifetime
 *
 *   mem_* die (abort, after one line on stderr) when the system has no memory: a daemon that cannot
 *   allocate cannot keep a promise either, and the supervisor starts a new one. mem_zero() memory
 *   is zeroed; release with free().
 *
 *   An arena belongs to one message, session or request. arena_alloc() memory is aligned for any
 *   type, zeroed, and lives until arena_reset() or arena_free(). Not thread-safe: one owner.
 */
#ifndef WAYPOST_BASE_MEM_H
#define WAYPOST_BASE_MEM_H

#include <stdarg.h>
#include <stddef.h>

void *mem_zero(size_t size) __attribute__((malloc, returns_nonnull));
void *mem_array(size_t count, size_t size) __attribute__((returns_nonnull)); /* overflow-checked */
void *mem_grow(void *p, size_t count, size_t size) __attribute__((returns_nonnull));
void *mem_copy(const void *p, size_t n) __attribute__((returns_nonnull));
char *mem_strdup(const char *s) __attribute__((returns_nonnull));
char *mem_strndup(const char *p, size_t n) __attribute__((returns_nonnull)); /* NUL-terminated */

struct arena;

struct arena *arena_new(size_t block_size); /* first block comes with the first allocation */
void arena_free(struct arena **arena);
void arena_reset(struct arena *arena); /* keeps the first block for reuse */
void *arena_alloc(struct arena *arena, size_t size) __attribute__((returns_nonnull));
char *arena_strndup(struct arena *arena, const char *p, size_t n); /* NUL-terminated */
char *arena_printf(struct arena *arena, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
size_t arena_used(const struct arena *arena); /* bytes handed out since the last reset */

#endif
