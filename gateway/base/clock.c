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
