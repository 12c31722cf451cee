#include "gateway/base/slice.h"

#include <assert.h>
#include <string.h>

struct slice slice_of(const char *s)
{
    return (struct slice){ s, s ? strlen(s) : 0 };
}

bool slice_eq(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

int ascii_lower(int c)
{
    return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

void ascii_lower_copy(char *dst, const char *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (char)ascii_lower((unsigned char)src[i]);
}

static bool same_folded(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (ascii_lower((unsigned char)a[i]) != ascii_lower((unsigned char)b[i]))
            return false;
    return true;
}

bool slice_ieq(struct slice a, struct slice b)
{
    return a.n == b.n && same_folded(a.p, b.p, a.n);
}

bool slice_eq_str(struct slice a, const char *s)
{
    return slice_eq(a, slice_of(s));
}

bool slice_ieq_str(struct slice a, const char *s)
{
    return slice_ieq(a, slice_of(s));
}

bool slice_starts_with(struct slice s, const char *prefix)
{
    size_t n = strlen(prefix);
    return s.n >= n && memcmp(s.p, prefix, n) == 0;
}

bool slice_istarts_with(struct slice s, const char *prefix)
{
    size_t n = strlen(prefix);
    return s.n >= n && same_folded(s.p, prefix, n);
}

bool slice_ends_with(struct slice s, const char *suffix)
{
    size_t n = strlen(suffix);
    return s.n >= n && memcmp(s.p + s.n - n, suffix, n) == 0;
}

struct slice slice_skip(struct slice s, size_t n)
{
    assert(n <= s.n);
    return n ? (struct slice){ s.p + n, s.n - n } : s; /* NULL + 0 is not allowed in C */
}

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

struct slice slice_trim(struct slice s)
{
    while (s.n && blank(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n && blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

bool slice_cut(struct slice s, char sep, struct slice *head_r, struct slice *tail_r)
{
    const char *at = s.n ? memchr(s.p, sep, s.n) : NULL;
    size_t n = at ? (size_t)(at - s.p) : s.n;
    *head_r = (struct slice){ s.p, n };
    *tail_r = at ? (struct slice){ at + 1, s.n - n - 1 } : (struct slice){ NULL, 0 };
    return at != NULL;
}

bool slice_to_u64(struct slice s, uint64_t max, uint64_t *value_r)
{
    uint64_t v = 0;
    if (s.n == 0)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(s.p[i] - '0');
        if (v > (UINT64_MAX - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    if (v > max)
        return false;
    *value_r = v;
    return true;
}

static uint64_t hash_seed_value = 0x9e3779b97f4a7c15u;

void slice_hash_seed(uint64_t seed)
{
    hash_seed_value = seed;
}

__extension__ typedef unsigned __int128 u128;

static uint64_t mix(uint64_t a, uint64_t b)
{
    u128 product = (u128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_bytes(struct slice s, uint64_t seed)
{
    uint64_t h = seed ^ 0xa0761d6478bd642fu, v = 0;
    size_t n = s.n;
    const char *p = s.p;
    for (; n >= 8; n -= 8, p += 8) {
        memcpy(&v, p, 8);
        h = mix(h ^ v, 0xe7037ed1a0b428dbu);
    }
    v = 0;
    if (n)
        memcpy(&v, p, n);
    h = mix(h ^ v, 0x8ebc6af09c88c6e3u ^ s.n);
    return mix(h, 0x589965cc75374cc3u);
}

uint64_t slice_hash(struct slice s)
{
    return hash_bytes(s, hash_seed_value);
}

uint64_t slice_hash_stable(struct slice s)
{
    return hash_bytes(s, 0);
}
