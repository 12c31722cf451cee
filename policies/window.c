/*
 * policies/window — times of the week, UTC: "08:00-18:00", "mon-fri 22:00-06:00", "sat,sun"
 */
#include "policies/pattern.h"

enum { DAY_MINUTES = 24 * 60, ALL_DAYS = 0x7f };

static bool parse_clock(struct slice text, uint16_t *minutes_r)
{
    struct slice hour, minute;
    uint64_t h, m;
    if (!slice_cut(text, ':', &hour, &minute) || hour.n != 2 || minute.n != 2 ||
        !slice_to_u64(hour, 24, &h) || !slice_to_u64(minute, 59, &m) || (h == 24 && m > 0))
        return false;
    *minutes_r = (uint16_t)(h * 60 + m);
    return true;
}

static int parse_day(struct slice text)
{
    static const char *const names[] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };
    for (int i = 0; i < 7; i++)
        if (slice_ieq_str(text, names[i]))
            return i;
    return -1;
}

/* "mon", "mon-fri", "sat-mon", joined by commas. */
static bool parse_days(struct slice text, uint8_t *days_r)
{
    bool more = true;
    *days_r = 0;
    while (more) {
        struct slice item, first, last;
        more = slice_cut(text, ',', &item, &text);
        bool range = slice_cut(item, '-', &first, &last);
        int from = parse_day(first), to = range ? parse_day(last) : from;
        if (from < 0 || to < 0)
            return false;
        for (int d = from;; d = (d + 1) % 7) {
            *days_r |= (uint8_t)(1u << d);
            if (d == to)
                break;
        }
    }
    return true;
}

static bool parse_hours(struct slice text, struct time_window *w)
{
    struct slice start, end;
    return slice_cut(text, '-', &start, &end) && parse_clock(start, &w->start) &&
           parse_clock(end, &w->end) && w->start < DAY_MINUTES && w->start != w->end;
}

enum rc time_window_parse(struct slice text, struct time_window *window_r)
{
    struct time_window w = { ALL_DAYS, 0, DAY_MINUTES };
    struct slice first, rest;
    bool two = slice_cut(slice_trim(text), ' ', &first, &rest);
    bool good;
    if (two)
        good = parse_days(first, &w.days) && parse_hours(slice_trim(rest), &w);
    else
        good = parse_hours(first, &w) || parse_days(first, &w.days);
    if (!good)
        return RC_PARSE;
    *window_r = w;
    return RC_OK;
}

static bool day_in(const struct time_window *w, int64_t day)
{
    return w->days & (1u << day);
}

bool time_window_match(const struct time_window *w, int64_t wall_ms)
{
    int64_t minutes = wall_ms / 60000;
    int64_t day = (minutes / DAY_MINUTES + 3) % 7; /* 1970-01-01 was a Thursday */
    int64_t minute = minutes % DAY_MINUTES;
    if (w->start < w->end)
        return day_in(w, day) && minute >= w->start && minute < w->end;
    /* Over midnight: the hours after it belong to the day before. */
    if (minute >= w->start)
        return day_in(w, day);
    return minute < w->end && day_in(w, (day + 6) % 7);
}
