#include "gateway/base/units.h"

#include <limits.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit durations[] = {
    { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 },
};
static const struct unit sizes[] = {
    { "", 1 }, { "KiB", 1u << 10 }, { "MiB", 1u << 20 }, { "GiB", 1u << 30 }, { "TiB", 1ull << 40 },
};
static const struct unit periods[] = {
    { "s", 1000 },
    { "min", 60000 },
    { "h", 3600000 },
    { "day", 86400000 },
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const struct unit *unit_named(const struct unit *units, size_t n, struct slice name)
{
    for (size_t i = 0; i < n; i++)
        if (slice_eq_str(name, units[i].name))
            return &units[i];
    return NULL;
}

static size_t digits(struct slice s)
{
    size_t n = 0;
    while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
        n++;
    return n;
}

static enum rc scaled(struct slice s, const struct unit *units, size_t count, uint64_t *value_r)
{
    size_t n = digits(s);
    uint64_t v;
    const struct unit *u = unit_named(units, count, slice_skip(s, n));
    if (n == 0 || !u)
        return RC_PARSE;
    if (!slice_to_u64((struct slice){ s.p, n }, INT64_MAX, &v) || v > INT64_MAX / u->factor)
        return RC_LIMIT;
    *value_r = v * u->factor;
    return RC_OK;
}

enum rc units_duration(struct slice s, int64_t *ms_r)
{
    uint64_t v;
    if (slice_eq_str(s, "0")) {
        *ms_r = 0;
        return RC_OK;
    }
    enum rc rc = scaled(s, durations, COUNT(durations), &v);
    if (rc == RC_OK)
        *ms_r = (int64_t)v;
    return rc;
}

enum rc units_size(struct slice s, uint64_t *bytes_r)
{
    return scaled(s, sizes, COUNT(sizes), bytes_r);
}

static enum rc per_period(struct slice s, struct slice *count_r, int64_t *per_ms_r)
{
    struct slice period;
    if (!slice_cut(s, '/', count_r, &period))
        return RC_PARSE;
    const struct unit *u = unit_named(periods, COUNT(periods), period);
    if (!u)
        return RC_PARSE;
    *per_ms_r = (int64_t)u->factor;
    return RC_OK;
}

enum rc units_rate(struct slice s, struct rate *rate_r)
{
    struct slice count;
    if (per_period(s, &count, &rate_r->per_ms) != RC_OK || digits(count) != count.n)
        return RC_PARSE;
    if (!slice_to_u64(count, INT64_MAX, &rate_r->count))
        return count.n ? RC_LIMIT : RC_PARSE;
    return RC_OK;
}

enum rc units_byte_rate(struct slice s, struct rate *rate_r)
{
    struct slice size;
    enum rc rc = per_period(s, &size, &rate_r->per_ms);
    return rc == RC_OK ? units_size(size, &rate_r->count) : rc;
}

static void put_scaled(struct buf *b, const struct unit *units, size_t count, uint64_t v)
{
    size_t i = count - 1;
    while (i > 0 && (v == 0 || v % units[i].factor != 0))
        i--;
    buf_put_u64(b, v / units[i].factor);
    buf_puts(b, units[i].name);
}

void units_put_duration(struct buf *b, int64_t ms)
{
    put_scaled(b, durations, COUNT(durations), ms < 0 ? 0 : (uint64_t)ms);
}

void units_put_size(struct buf *b, uint64_t bytes)
{
    put_scaled(b, sizes, COUNT(sizes), bytes);
}

static void put_period(struct buf *b, struct rate rate)
{
    for (size_t i = 0; i < COUNT(periods); i++)
        if ((int64_t)periods[i].factor == rate.per_ms)
            buf_printf(b, "/%s", periods[i].name);
}

void units_put_rate(struct buf *b, struct rate rate)
{
    buf_put_u64(b, rate.count);
    put_period(b, rate);
}

void units_put_byte_rate(struct buf *b, struct rate rate)
{
    units_put_size(b, rate.count);
    put_period(b, rate);
}
