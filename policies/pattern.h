/*
 * policies/pattern — one compiled pattern of a rule
 *
 *   Forms: exact text; globs with any number of `*` (any run of characters, also none); `*@domain`
 * is such a glob. Addresses and domains match without regard to ASCII case, as do all texts.
 * Networks
 *   ("10.0.0.0/8", "2001:db8::1") match addresses. Ranges (">1MiB" "<=10KiB" "1MiB..5MiB" "4096")
 *   match sizes, both ends of `..` included. Windows ("08:00-18:00", "mon-fri 22:00-06:00",
 * "sat,sun") match a time of the week in UTC; the end is not included and may lie after midnight.
 *
 *   Compiling copies into the arena; matching allocates nothing and is pure.
 */
#ifndef WAYPOST_POLICIES_PATTERN_H
#define WAYPOST_POLICIES_PATTERN_H

#include "gateway/base/addr.h"
#include "gateway/base/mem.h"
#include "gateway/base/rc.h"
#include "gateway/base/slice.h"

enum pattern_kind {
    PATTERN_ANY,    /* "*" */
    PATTERN_EXACT,  /* no star */
    PATTERN_SUFFIX, /* "*x" */
    PATTERN_PREFIX, /* "x*" */
    PATTERN_GLOB    /* anything else */
};

/* Text, matched without ASCII case. */
struct pattern {
    enum pattern_kind kind;
    struct slice text; /* lower case; SUFFIX and PREFIX without their star */
};

struct size_range {
    uint64_t min, max; /* both included */
};

/* Minutes of the day on the days of `days` (bit 0 is Monday); end <= start: over midnight. */
struct time_window {
    uint8_t days;
    uint16_t start, end;
};

void pattern_compile(struct arena *arena, struct slice text, struct pattern *pattern_r);
bool pattern_match(const struct pattern *p, struct slice subject);
bool pattern_match_any(const struct pattern *p, size_t n, struct slice subject);

/* RC_PARSE when the text is none. */
enum rc size_range_parse(struct slice text, struct size_range *range_r);
enum rc time_window_parse(struct slice text, struct time_window *window_r);
bool time_window_match(const struct time_window *w, int64_t wall_ms);

#endif
