#include "gateway/base/clock.h"

#include <time.h>

static int64_t read_us(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

int64_t clock_mono_ms(void)
{
    return read_us(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_wall_ms(void)
{
    return read_us(CLOCK_REALTIME) / 1000;
}

static void split(int64_t wall_ms, struct tm *tm, int *ms)
{
    int64_t sec = wall_ms / 1000;
    *ms = (int)(wall_ms % 1000);
    if (*ms < 0) {
        *ms += 1000;
        sec--;
    }
    time_t t = (time_t)sec;
    gmtime_r(&t, tm);
}

/* n digits, zeros in front. No printf: every message has such a time in its Received field. */
static void put_digits(struct buf *b, int value, size_t n)
{
    char *at = buf_reserve(b, n);
    if (!at)
        return;
    for (size_t i = n; i > 0; i--, value /= 10)
        at[i - 1] = (char)('0' + value % 10);
    buf_commit(b, n);
}

static void put_time(struct buf *b, const struct tm *tm)
{
    put_digits(b, tm->tm_hour, 2);
    buf_putc(b, ':');
    put_digits(b, tm->tm_min, 2);
    buf_putc(b, ':');
    put_digits(b, tm->tm_sec, 2);
}

void clock_put_rfc3339(struct buf *b, int64_t wall_ms)
{
    struct tm tm;
    int ms;
    split(wall_ms, &tm, &ms);
    put_digits(b, tm.tm_year + 1900, 4);
    buf_putc(b, '-');
    put_digits(b, tm.tm_mon + 1, 2);
    buf_putc(b, '-');
    put_digits(b, tm.tm_mday, 2);
    buf_putc(b, 'T');
    put_time(b, &tm);
    buf_putc(b, '.');
    put_digits(b, ms, 3);
    buf_putc(b, 'Z');
}

void clock_put_rfc5322(struct buf *b, int64_t wall_ms)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct tm tm;
    int ms;
    split(wall_ms, &tm, &ms);
    buf_put(b, days + 3 * tm.tm_wday, 3);
    buf_puts(b, ", ");
    put_digits(b, tm.tm_mday, 2);
    buf_putc(b, ' ');
    buf_put(b, months + 3 * tm.tm_mon, 3);
    buf_putc(b, ' ');
    put_digits(b, tm.tm_year + 1900, 4);
    buf_putc(b, ' ');
    put_time(b, &tm);
    buf_puts(b, " +0000");
}

/* ---- reading ---- */

static int64_t days_since_1970(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2; /* the year begins in March: a leap day is its last */
    int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return 365 * year + year / 4 - year / 100 + year / 400 + of_year - 719468;
}

static int64_t days_of(int64_t year, int64_t month)
{
    return days_since_1970(month == 12 ? year + 1 : year, month == 12 ? 1 : month + 1, 1) -
           days_since_1970(year, month, 1);
}

/* `digits` digits within a range, then the byte `end` (0: none is asked for). */
static bool take_number(struct slice *text, size_t digits, const int64_t range[2], char end,
                        int64_t *number_r)
{
    uint64_t number;
    size_t used = digits + (end != 0);
    if (text->n < used || !slice_to_u64((struct slice){ text->p, digits }, 9999, &number) ||
        (end && text->p[digits] != end && text->p[digits] != (end | 0x20)))
        return false;
    *number_r = (int64_t)number;
    *text = slice_skip(*text, used);
    return *number_r >= range[0] && *number_r <= range[1];
}

static bool take_fraction(struct slice *text, int64_t *ms_r)
{
    int64_t unit = 100;
    size_t n = 1;
    *ms_r = 0;
    if (text->n == 0 || text->p[0] != '.')
        return true;
    for (; n < text->n && text->p[n] >= '0' && text->p[n] <= '9'; n++, unit /= 10)
        *ms_r += unit * (text->p[n] - '0');
    *text = slice_skip(*text, n);
    return n > 1;
}

static bool take_offset(struct slice text, int64_t *minutes_r)
{
    static const int64_t hours[2] = { 0, 23 }, minutes[2] = { 0, 59 };
    int64_t h, m;
    *minutes_r = 0;
    if (text.n == 1 && (text.p[0] == 'Z' || text.p[0] == 'z'))
        return true;
    if (text.n == 0 || (text.p[0] != '+' && text.p[0] != '-'))
        return false;
    int64_t sign = text.p[0] == '-' ? -1 : 1;
    text = slice_skip(text, 1);
    if (!take_number(&text, 2, hours, ':', &h) || !take_number(&text, 2, minutes, 0, &m))
        return false;
    *minutes_r = sign * (60 * h + m);
    return text.n == 0;
}

bool clock_parse_rfc3339(struct slice text, int64_t *wall_ms_r)
{
    static const struct {
        int64_t range[2];
        uint8_t digits;
        char end;
    } parts[] = { { { 1970, 9999 }, 4, '-' }, { { 1, 12 }, 2, '-' }, { { 1, 31 }, 2, 'T' },
                  { { 0, 23 }, 2, ':' },      { { 0, 59 }, 2, ':' }, { { 0, 60 }, 2, 0 } };
    enum { YEAR, MONTH, DAY, HOUR, MINUTE, SECOND, PARTS };
    int64_t at[PARTS], ms, offset;
    for (size_t i = 0; i < PARTS; i++)
        if (!take_number(&text, parts[i].digits, parts[i].range, parts[i].end, &at[i]))
            return false;
    if (at[DAY] > days_of(at[YEAR], at[MONTH]) || !take_fraction(&text, &ms) ||
        !take_offset(text, &offset))
        return false;
    int64_t minutes =
        days_since_1970(at[YEAR], at[MONTH], at[DAY]) * 1440 + at[HOUR] * 60 + at[MINUTE] - offset;
    *wall_ms_r = (minutes * 60 + at[SECOND]) * 1000 + ms;
    return *wall_ms_r >= 0;
}
