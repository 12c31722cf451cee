#include "gateway/base/json.h"

#include <math.h>
#include <string.h>

#include "gateway/base/clock.h"

static void comma(struct buf *b)
{
    size_t n = buf_len(b);
    char last = n ? b->mem[b->end - 1] : '{';
    if (last != '{' && last != '[' && last != ':' && last != '\n')
        buf_putc(b, ',');
}

void json_open(struct buf *b, char bracket)
{
    comma(b);
    buf_putc(b, bracket);
}

void json_close(struct buf *b, char bracket)
{
    buf_putc(b, bracket);
}

/* Length of the well-formed UTF-8 sequence at p, 0 when there is none (RFC 3629 section 4). */
static size_t utf8_len(const unsigned char *p, size_t n)
{
    if (p[0] < 0x80)
        return 1;
    if (n >= 2 && p[0] >= 0xc2 && p[0] <= 0xdf && (p[1] & 0xc0) == 0x80)
        return 2;
    if (n >= 3 && (p[0] & 0xf0) == 0xe0 && (p[1] & 0xc0) == 0x80 && (p[2] & 0xc0) == 0x80 &&
        !(p[0] == 0xe0 && p[1] < 0xa0) && !(p[0] == 0xed && p[1] >= 0xa0))
        return 3;
    if (n >= 4 && p[0] >= 0xf0 && p[0] <= 0xf4 && (p[1] & 0xc0) == 0x80 && (p[2] & 0xc0) == 0x80 &&
        (p[3] & 0xc0) == 0x80 && !(p[0] == 0xf0 && p[1] < 0x90) && !(p[0] == 0xf4 && p[1] >= 0x90))
        return 4;
    return 0;
}

static void put_escaped(struct buf *b, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    switch (c) {
    case '"':
        buf_put(b, "\\\"", 2);
        return;
    case '\\':
        buf_put(b, "\\\\", 2);
        return;
    case '\n':
        buf_put(b, "\\n", 2);
        return;
    case '\r':
        buf_put(b, "\\r", 2);
        return;
    case '\t':
        buf_put(b, "\\t", 2);
        return;
    default:
        buf_put(b, "\\u00", 4);
        buf_putc(b, hex[c >> 4]);
        buf_putc(b, hex[c & 15]);
    }
}

static bool plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static void put_string(struct buf *b, struct slice s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    buf_putc(b, '"');
    for (size_t i = 0; i < s.n;) {
        size_t run = i;
        while (run < s.n && plain(p[run]))
            run++;
        buf_put(b, p + i, run - i);
        i = run;
        if (i == s.n)
            break;
        size_t k = utf8_len(p + i, s.n - i);
        if (p[i] < 0x80)
            put_escaped(b, p[i]);
        else
            buf_put(b, k ? (const char *)p + i : "\xef\xbf\xbd", k ? k : 3);
        i += k ? k : 1;
    }
    buf_putc(b, '"');
}

void json_key(struct buf *b, const char *key)
{
    comma(b);
    if (!key)
        return;
    buf_putc(b, '"');
    buf_puts(b, key);
    buf_put(b, "\":", 2);
}

void json_str(struct buf *b, const char *key, struct slice value)
{
    json_key(b, key);
    put_string(b, value);
}

void json_cstr(struct buf *b, const char *key, const char *value)
{
    if (value)
        json_str(b, key, slice_of(value));
}

void json_int(struct buf *b, const char *key, int64_t value)
{
    json_key(b, key);
    if (value < 0)
        buf_putc(b, '-');
    buf_put_u64(b, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

static void put_decimals(struct buf *b, const char *key, double value, int decimals)
{
    json_key(b, key);
    if (isfinite(value))
        buf_printf(b, "%.*f", decimals, value);
    else
        buf_puts(b, "null");
}

void json_num(struct buf *b, const char *key, double value)
{
    put_decimals(b, key, value, 3);
}

void json_share(struct buf *b, const char *key, double value)
{
    put_decimals(b, key, value, 6);
}

void json_bool(struct buf *b, const char *key, bool value)
{
    json_key(b, key);
    buf_puts(b, value ? "true" : "false");
}

void json_time(struct buf *b, const char *key, int64_t wall_ms)
{
    json_key(b, key);
    buf_putc(b, '"');
    clock_put_rfc3339(b, wall_ms);
    buf_putc(b, '"');
}
