/*
 * base/slice — a view of bytes somebody else owns
 *
 *   Not NUL-terminated. A slice is valid as long as the memory it points into; functions that keep
 *   one copy it. The empty slice may have a NULL pointer.
 */
#ifndef WAYPOST_BASE_SLICE_H
#define WAYPOST_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slice {
    const char *p;
    size_t n;
};

/* For printf: "%.*s", SLICE_FMT(s) */
#define SLICE_FMT(s) (int)(s).n, (s).p ? (s).p : ""
#define SLICE_LIT(lit) ((struct slice){ "" lit, sizeof(lit) - 1 })
#define SLICE_INIT(lit)                                                                            \
    {                                                                                              \
        "" lit, sizeof(lit) - 1                                                                    \
    } /* in the initialiser of a static table */

struct slice slice_of(const char *s); /* NULL gives the empty slice */
bool slice_eq(struct slice a, struct slice b);
bool slice_ieq(struct slice a, struct slice b); /* ASCII case folded */
bool slice_eq_str(struct slice a, const char *s);
bool slice_ieq_str(struct slice a, const char *s);
bool slice_starts_with(struct slice s, const char *prefix);
bool slice_istarts_with(struct slice s, const char *prefix);
bool slice_ends_with(struct slice s, const char *suffix);
struct slice slice_skip(struct slice s, size_t n); /* without its first n <= s.n bytes */
struct slice slice_trim(struct slice s);           /* blanks and tabs at both ends */
/* Splits at the first `sep`: *head_r before it, *tail_r after it. Without one: head is all,
 * false. */
bool slice_cut(struct slice s, char sep, struct slice *head_r, struct slice *tail_r);
/* Digits only, no sign, no blanks; false on anything else or above `max`. */
bool slice_to_u64(struct slice s, uint64_t max, uint64_t *value_r);

int ascii_lower(int c);
void ascii_lower_copy(char *dst, const char *src, size_t n);

/* 64-bit hash of bytes (wyhash-like mixing, seeded once per process at start): for tables whose
 * keys come from the network. slice_hash_stable() has a fixed seed: the same in every process and
 * run. */
uint64_t slice_hash(struct slice s);
uint64_t slice_hash_stable(struct slice s);
void slice_hash_seed(uint64_t seed);

#endif
