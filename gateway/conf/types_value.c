/*
 * conf/types_value — forms of value: switches, numbers, times, sizes, rates, choices, dates
 */

#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/conf/schema.h"

#define PARSE(name)                                                                                \
    static bool name(struct conf_reader *r, const struct conf_key *key,                            \
                     const struct yaml_node *node, void *target)
#define PUT(name) static void name(const struct conf_key *key, const void *value, struct buf *out)

static bool in_range(const struct conf_key *key, uint64_t value)
{
    return key->max == 0 || (value >= key->min && value <= key->max);
}

PARSE(parse_bool)
{
    (void)r, (void)key;
    bool yes = slice_eq_str(node->text, "true");
    *(bool *)target = yes;
    return yes || slice_eq_str(node->text, "false");
}

static void expect_bool(const struct conf_key *key, struct buf *out)
{
    (void)key;
    buf_puts(out, "true or false");
}

PUT(put_bool)
{
    (void)key;
    buf_puts(out, *(const bool *)value ? "true" : "false");
}

PARSE(parse_uint)
{
    (void)r;
    uint64_t v;
    if (!slice_to_u64(node->text, INT64_MAX, &v) || !in_range(key, v))
        return false;
    *(uint64_t *)target = v;
    return true;
}

static void expect_uint(const struct conf_key *key, struct buf *out)
{
    buf_puts(out, "a number");
    if (key->max)
        buf_printf(out, " from %ju to %ju", (uintmax_t)key->min, (uintmax_t)key->max);
}

PUT(put_uint)
{
    (void)key;
    buf_put_u64(out, *(const uint64_t *)value);
}

PARSE(parse_workers)
{
    if (!slice_eq_str(node->text, "auto"))
        return parse_uint(r, key, node, target);
    *(uint64_t *)target = 0;
    return true;
}

static void expect_workers(const struct conf_key *key, struct buf *out)
{
    buf_puts(out, "auto or ");
    expect_uint(key, out);
}

PUT(put_workers)
{
    if (*(const uint64_t *)value)
        put_uint(key, value, out);
    else
        buf_puts(out, "auto");
}

PARSE(parse_duration)
{
    (void)r;
    int64_t ms;
    if (units_duration(node->text, &ms) != RC_OK || !in_range(key, (uint64_t)ms))
        return false;
    *(int64_t *)target = ms;
    return true;
}

static void expect_duration(const struct conf_key *key, struct buf *out)
{
    buf_puts(out, "a time such as 500ms 30s 5m 4h 5d");
    if (!key->max)
        return;
    buf_puts(out, ", from ");
    units_put_duration(out, (int64_t)key->min);
    buf_puts(out, " to ");
    units_put_duration(out, (int64_t)key->max);
}

PUT(put_duration)
{
    (void)key;
    units_put_duration(out, *(const int64_t *)value);
}

PARSE(parse_size)
{
    (void)r;
    uint64_t bytes;
    if (units_size(node->text, &bytes) != RC_OK || !in_range(key, bytes))
        return false;
    *(uint64_t *)target = bytes;
    return true;
}

static void expect_size(const struct conf_key *key, struct buf *out)
{
    buf_puts(out, "a size such as 64KiB 50MiB 2GiB");
    if (!key->max)
        return;
    buf_puts(out, ", from ");
    units_put_size(out, key->min);
    buf_puts(out, " to ");
    units_put_size(out, key->max);
}

PUT(put_size)
{
    (void)key;
    units_put_size(out, *(const uint64_t *)value);
}

PARSE(parse_rate)
{
    (void)r, (void)key;
    struct rate rate;
    if (units_rate(node->text, &rate) != RC_OK || rate.count == 0)
        return false;
    *(struct rate *)target = rate;
    return true;
}

static void expect_rate(const struct conf_key *key, struct buf *out)
{
    (void)key;
    buf_puts(out, "a rate above zero such as 2/s 500/min 1000/h 20000/day");
}

PUT(put_rate)
{
    (void)key;
    const struct rate *rate = value;
    if (rate->count)
        units_put_rate(out, *rate);
    else
        buf_puts(out, "none");
}

PARSE(parse_byte_rate)
{
    (void)r, (void)key;
    struct rate rate;
    if (units_byte_rate(node->text, &rate) != RC_OK || rate.count == 0)
        return false;
    *(struct rate *)target = rate;
    return true;
}

static void expect_byte_rate(const struct conf_key *key, struct buf *out)
{
    (void)key;
    buf_puts(out, "a rate of bytes above zero such as 512KiB/s 10MiB/s 20GiB/day");
}

PUT(put_byte_rate)
{
    (void)key;
    const struct rate *rate = value;
    if (rate->count)
        units_put_byte_rate(out, *rate);
    else
        buf_puts(out, "none");
}

PARSE(parse_enum)
{
    (void)r;
    const char *const *names = key->more;
    for (unsigned i = 0; names[i]; i++) {
        if (!slice_eq_str(node->text, names[i]))
            continue;
        *(unsigned *)target = i;
        return true;
    }
    return false;
}

static void expect_enum(const struct conf_key *key, struct buf *out)
{
    const char *const *names = key->more;
    buf_puts(out, names[1] ? "one of" : "only");
    for (unsigned i = 0; names[i]; i++)
        buf_printf(out, " %s", names[i]);
}

PUT(put_enum)
{
    const char *const *names = key->more;
    buf_puts(out, names[*(const unsigned *)value]);
}

static const char *const level_names[] = { "debug", "info", "warning", "error", NULL };

PARSE(parse_level)
{
    (void)r, (void)key;
    return log_level_of(node->text.p, target);
}

static void expect_level(const struct conf_key *key, struct buf *out)
{
    (void)key;
    buf_puts(out, "one of debug info warning error");
}

PUT(put_level)
{
    (void)key;
    buf_puts(out, level_names[*(const enum log_level *)value]);
}

PARSE(parse_date)
{
    (void)r, (void)key;
    char text[] = "2026-11-20T00:00:00Z";
    const size_t date = sizeof "2026-11-20" - 1;
    if (node->text.n != date)
        return false;
    memcpy(text, node->text.p, date);
    return clock_parse_rfc3339(slice_of(text), target);
}

static void expect_date(const struct conf_key *key, struct buf *out)
{
    (void)key;
    buf_puts(out, "a date such as 2026-11-20");
}

PUT(put_date)
{
    (void)key;
    int64_t ms = *(const int64_t *)value;
    char text[40];
    struct buf full;
    buf_init(&full, sizeof text);
    clock_put_rfc3339(&full, ms);
    struct slice s = buf_slice(&full);
    if (ms)
        buf_put(out, s.p, s.n < 10 ? s.n : 10);
    else
        buf_puts(out, "none");
    buf_free(&full);
}

#define TYPE(id, doc, c_type)                                                                      \
    const struct conf_type type_##id = { .name = (doc),                                            \
                                         .parse = parse_##id,                                      \
                                         .expected = expect_##id,                                  \
                                         .put = put_##id,                                          \
                                         .size = sizeof(c_type) }
TYPE(bool, "true, false", bool);
TYPE(uint, "number", uint64_t);
TYPE(workers, "auto, number", uint64_t);
TYPE(duration, "time", int64_t);
TYPE(size, "size", uint64_t);
TYPE(rate, "rate", struct rate);
TYPE(byte_rate, "rate of bytes", struct rate);
TYPE(enum, "choice", unsigned);
TYPE(level, "choice", enum log_level);
TYPE(date, "date", int64_t);
