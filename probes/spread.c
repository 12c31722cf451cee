#include "probes/spread.h"

#include <math.h>
#include <string.h>

#include "gateway/base/varint.h"

static const double GROWTH = 1.02;
static const double LEAST_MS = 0.001, MOST_MS = 1e9;

enum { VERSION = 1, INDEX_MAX = 2000 };

/* Bucket i holds (GROWTH^(i-1), GROWTH^i]. */
static int32_t index_of(double ms)
{
    double value = ms < LEAST_MS ? LEAST_MS : ms > MOST_MS ? MOST_MS : ms;
    return (int32_t)ceil(log(value) / log(GROWTH));
}

static double value_of(int32_t index)
{
    return 2 * pow(GROWTH, index) / (GROWTH + 1);
}

static uint32_t sum(uint32_t a, uint32_t b)
{
    return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

/* The two lowest become one. */
static void collapse(struct spread *s)
{
    s->at[1].count = sum(s->at[1].count, s->at[0].count);
    s->used--;
    memmove(s->at, s->at + 1, s->used * sizeof s->at[0]);
}

static void add(struct spread *s, int32_t index, uint32_t count)
{
    uint32_t i = s->used;
    while (i > 0 && s->at[i - 1].index > index)
        i--;
    if (i > 0 && s->at[i - 1].index == index) {
        s->at[i - 1].count = sum(s->at[i - 1].count, count);
        return;
    }
    if (s->used == SPREAD_BUCKETS) {
        if (i == 0) { /* below all: it would be collapsed at once */
            s->at[0].count = sum(s->at[0].count, count);
            return;
        }
        collapse(s);
        i--;
    }
    memmove(s->at + i + 1, s->at + i, (s->used - i) * sizeof s->at[0]);
    s->at[i] = (struct spread_bucket){ index, count };
    s->used++;
}

void spread_add(struct spread *s, double ms)
{
    if (ms >= 0) /* not for NaN either */
        add(s, index_of(ms), 1);
}

void spread_merge(struct spread *into, const struct spread *from)
{
    for (uint32_t i = from->used; i > 0; i--) /* the highest first: those are kept apart */
        add(into, from->at[i - 1].index, from->at[i - 1].count);
}

uint64_t spread_count(const struct spread *s)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < s->used; i++)
        n += s->at[i].count;
    return n;
}

double spread_quantile(const struct spread *s, double q)
{
    double rank = ceil(q * (double)spread_count(s));
    uint64_t below = 0;
    for (uint32_t i = 0; i < s->used; i++) {
        below += s->at[i].count;
        if ((double)below >= rank)
            return value_of(s->at[i].index);
    }
    return -1;
}

void spread_pack(const struct spread *s, struct buf *out)
{
    int32_t before = 0;
    put_u8(out, VERSION);
    for (uint32_t i = 0; i < s->used; i++) {
        put_varint(out, zigzag_of(s->at[i].index - before));
        put_varint(out, s->at[i].count);
        before = s->at[i].index;
    }
}

enum rc spread_unpack(struct slice bytes, struct spread *s)
{
    struct cursor c = cur_of(bytes.p, bytes.n);
    int64_t index = 0;
    s->used = 0;
    bool ok = cur_u8(&c) == VERSION;
    while (ok && cur_left(&c) && s->used < SPREAD_BUCKETS) {
        int64_t step = zigzag_to(cur_varint(&c));
        uint64_t count = cur_varint(&c);
        ok = !c.bad && step >= -INDEX_MAX && step <= 2 * INDEX_MAX && (s->used == 0 || step > 0) &&
             count > 0 && count <= UINT32_MAX;
        index += ok ? step : 0;
        ok = ok && index >= -INDEX_MAX && index <= INDEX_MAX;
        if (ok)
            s->at[s->used++] = (struct spread_bucket){ (int32_t)index, (uint32_t)count };
    }
    if (ok && !c.bad && cur_left(&c) == 0)
        return RC_OK;
    s->used = 0;
    return RC_PARSE;
}
