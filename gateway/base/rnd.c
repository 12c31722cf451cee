#include "gateway/base/rnd.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/random.h>

static uint64_t splitmix(uint64_t *x)
{
    uint64_t z = (*x += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void rnd_seed(struct rnd *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        r->s[i] = splitmix(&seed);
}

void rnd_system_bytes(void *p, size_t n)
{
    assert(n <= 256);
    if (getrandom(p, n, 0) != (ssize_t)n)
        abort();
}

void rnd_seed_system(struct rnd *r)
{
    uint64_t seed = 0;
    rnd_system_bytes(&seed, sizeof seed);
    rnd_seed(r, seed);
}

static uint64_t rotl(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

uint64_t rnd_u64(struct rnd *r)
{
    uint64_t *s = r->s, result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint64_t rnd_below(struct rnd *r, uint64_t n)
{
    assert(n > 0);
    uint64_t reject = (0 - n) % n; /* values below it would favour small results */
    for (;;) {
        uint64_t x = rnd_u64(r);
        if (x >= reject)
            return x % n;
    }
}

double rnd_unit(struct rnd *r)
{
    return (double)(rnd_u64(r) >> 11) * 0x1.0p-53;
}

int64_t rnd_jitter(struct rnd *r, int64_t value, int percent)
{
    double span = (double)value * percent / 100.0;
    return value + (int64_t)((rnd_unit(r) * 2.0 - 1.0) * span);
}
