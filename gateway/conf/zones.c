#include "gateway/conf/zones.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

#include "gateway/base/addr.h"
#include "gateway/base/units.h"
#include "gateway/conf/zones_data.h"

enum { ZONES_MAX = 256, NAMES_MAX = 8, CODES_MAX = 32, POINTS_MAX = 1000 };

const char *const zone_kind_names[] = { "hard", "soft", "report", NULL };

struct reader {
    struct arena *arena;
    struct zones *zones;
    struct zone *zone; /* the list whose lines these are; NULL: none yet */
};

/* The next word of *line; empty at its end. */
static struct slice word(struct slice *line)
{
    struct slice head;
    *line = slice_trim(*line);
    slice_cut(*line, ' ', &head, line);
    return head;
}

static const char *keep(const struct reader *r, struct slice s)
{
    return arena_strndup(r->arena, s.p, s.n);
}

/* ---- words ---- */

static bool read_answer(struct slice text, uint32_t *answer_r)
{
    struct addr a;
    if (addr_parse(text, &a) != RC_OK || a.family != ADDR_V4 || a.port || a.bytes[0] != 127)
        return false;
    *answer_r = (uint32_t)a.bytes[0] << 24 | (uint32_t)a.bytes[1] << 16 |
                (uint32_t)a.bytes[2] << 8 | a.bytes[3];
    return true;
}

static bool read_range(struct slice text, struct zone_code *code)
{
    struct slice first, last;
    if (!slice_cut(text, '-', &first, &last))
        last = first;
    return read_answer(first, &code->first) && read_answer(last, &code->last) &&
           code->first <= code->last;
}

static bool overlaps(const struct zone_code *codes, size_t n, const struct zone_code *code)
{
    for (size_t i = 0; i < n; i++)
        if (codes[i].first <= code->last && code->first <= codes[i].last)
            return true;
    return false;
}

static bool is_domain(struct slice name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-.KEY", name.p[i]))
            return false;
    return name.n > 0 && name.n < 200 && name.p[0] != '.' && name.p[name.n - 1] != '.';
}

/* ---- lines: each gives what was expected instead, NULL when it is good ---- */

static const char *line_list(struct reader *r, struct slice rest)
{
    if (r->zones->n == ZONES_MAX)
        return "fewer lists";
    struct zone *z = r->zone = &r->zones->at[r->zones->n++];
    *z = (struct zone){ .title = "", .link = "" };
    z->names = arena_alloc(r->arena, NAMES_MAX * sizeof *z->names);
    z->codes = arena_alloc(r->arena, CODES_MAX * sizeof *z->codes);
    z->errors = arena_alloc(r->arena, CODES_MAX * sizeof *z->errors);
    for (struct slice name; (name = word(&rest)).n;) {
        if (!is_domain(name) || z->name_n == NAMES_MAX)
            return "some domain names";
        z->names[z->name_n++] = (struct slice){ keep(r, name), name.n };
    }
    return z->name_n ? NULL : "some domain names";
}

static const char *line_title(struct reader *r, struct slice rest)
{
    r->zone->title = keep(r, rest);
    return rest.n ? NULL : "a title";
}

static const char *line_link(struct reader *r, struct slice rest)
{
    r->zone->link = keep(r, rest);
    return slice_starts_with(rest, "https://") ? NULL : "a URL that begins with https://";
}

static const char *line_interval(struct reader *r, struct slice rest)
{
    bool good = units_duration(rest, &r->zone->interval_ms) == RC_OK && r->zone->interval_ms > 0;
    return good ? NULL : "a time such as 5m";
}

static const char *line_families(struct reader *r, struct slice rest)
{
    for (struct slice family; (family = word(&rest)).n;) {
        if (slice_eq_str(family, "v4"))
            r->zone->v4 = true;
        else if (slice_eq_str(family, "v6"))
            r->zone->v6 = true;
        else
            return "v4, v6 or both";
    }
    return r->zone->v4 || r->zone->v6 ? NULL : "v4, v6 or both";
}

static const char *line_expires(struct reader *r, struct slice rest)
{
    r->zone->expires = slice_eq_str(rest, "yes");
    return r->zone->expires || slice_eq_str(rest, "no") ? NULL : "yes or no";
}

static const char *line_code(struct reader *r, struct slice rest)
{
    struct zone *z = r->zone;
    struct zone_code code = { 0 };
    uint64_t points;
    if (!read_range(word(&rest), &code) || overlaps(z->codes, z->code_n, &code))
        return "an answer in 127.0.0.0/8 that is not there yet";
    if (!slice_to_u64(word(&rest), POINTS_MAX, &points))
        return "points up to 1000";
    struct slice kind = word(&rest);
    while (zone_kind_names[code.kind] && !slice_eq_str(kind, zone_kind_names[code.kind]))
        code.kind++;
    if (!zone_kind_names[code.kind] || (code.kind == ZONE_REPORT) != (points == 0))
        return "hard, soft, or report without points";
    code.points = (unsigned)points;
    code.text = keep(r, rest);
    if (!rest.n || z->code_n == CODES_MAX)
        return "a text, and fewer codes";
    z->codes[z->code_n++] = code;
    return NULL;
}

static const char *line_error(struct reader *r, struct slice rest)
{
    struct zone *z = r->zone;
    struct zone_code code = { 0 };
    if (!read_range(word(&rest), &code) || overlaps(z->errors, z->error_n, &code))
        return "an answer in 127.0.0.0/8 that is not there yet";
    code.text = keep(r, rest);
    if (!rest.n || z->error_n == CODES_MAX)
        return "a text, and fewer errors";
    z->errors[z->error_n++] = code;
    return NULL;
}

static const char *line_refuse(struct reader *r, struct slice rest)
{
    struct slice name = word(&rest);
    if (!is_domain(name) || !rest.n || r->zones->refused_n == ZONES_MAX)
        return "a domain name and why";
    r->zone = NULL;
    r->zones->refused[r->zones->refused_n++] =
        (struct zone_refusal){ { keep(r, name), name.n }, keep(r, rest) };
    return NULL;
}

static const struct line {
    const char *word;
    bool of_list; /* belongs below a `list` */
    const char *(*read)(struct reader *r, struct slice rest);
} lines[] = {
    { "list", false, line_list },        { "title", true, line_title },
    { "link", true, line_link },         { "interval", true, line_interval },
    { "families", true, line_families }, { "expires", true, line_expires },
    { "code", true, line_code },         { "error", true, line_error },
    { "refuse", false, line_refuse },
};

static const char *read_line(struct reader *r, struct slice line)
{
    struct slice first = word(&line);
    line = slice_trim(line);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        if (!slice_eq_str(first, lines[i].word))
            continue;
        if (lines[i].of_list && !r->zone)
            return "a list before it";
        return lines[i].read(r, line);
    }
    return "list, title, link, interval, families, expires, code, error or refuse";
}

/* What a list lacks, NULL when it is whole. */
static const char *lacks(const struct zone *z)
{
    if (!z->title[0] || !z->interval_ms || !z->code_n || !(z->v4 || z->v6))
        return "a title, an interval, families and a code for the list before it";
    return NULL;
}

enum rc zones_parse(struct slice text, struct arena *arena, struct zones *zones_r, struct err *err)
{
    struct zones zones = { 0 };
    struct reader r = { arena, &zones, NULL };
    struct slice line;
    zones.at = arena_alloc(arena, ZONES_MAX * sizeof *zones.at);
    zones.refused = arena_alloc(arena, ZONES_MAX * sizeof *zones.refused);
    for (unsigned number = 1; text.n; number++) {
        const struct zone *before = r.zone;
        slice_cut(text, '\n', &line, &text);
        line = slice_trim(line);
        if (!line.n || line.p[0] == '#')
            continue;
        const char *expected = memchr(line.p, '\0', line.n) ? "text" : read_line(&r, line);
        if (!expected && before && before != r.zone)
            expected = lacks(before);
        if (expected)
            return err_set(err, RC_PARSE, "line %u: expected %s", number, expected);
    }
    if (r.zone && lacks(r.zone))
        return err_set(err, RC_PARSE, "at the end: expected %s", lacks(r.zone));
    *zones_r = zones;
    return RC_OK;
}

/* ---- the shipped table ---- */

static pthread_once_t builtin_once = PTHREAD_ONCE_INIT;
static struct zones builtin;
static struct arena *builtin_arena; /* reachable for ever: no leak */

static void read_builtin(void)
{
    builtin_arena = arena_new(16384);
    enum rc rc =
        zones_parse((struct slice){ zones_data, zones_data_size }, builtin_arena, &builtin, NULL);
    assert(rc == RC_OK);
    (void)rc;
}

const struct zones *zones_builtin(void)
{
    pthread_once(&builtin_once, read_builtin);
    return &builtin;
}

/* ---- looking up ---- */

static bool matches(struct slice pattern, struct slice name)
{
    struct slice label, rest;
    if (!slice_starts_with(pattern, "KEY."))
        return slice_ieq(pattern, name);
    return slice_cut(name, '.', &label, &rest) && label.n &&
           slice_ieq(slice_skip(pattern, 4), rest);
}

const struct zone *zones_find(const struct zones *zones, struct slice name)
{
    for (size_t i = 0; i < zones->n; i++)
        for (size_t k = 0; k < zones->at[i].name_n; k++)
            if (matches(zones->at[i].names[k], name))
                return &zones->at[i];
    return NULL;
}

const char *zones_refusal(const struct zones *zones, struct slice name)
{
    for (size_t i = 0; i < zones->refused_n; i++) {
        struct slice refused = zones->refused[i].name;
        if (name.n < refused.n || !slice_ieq(slice_skip(name, name.n - refused.n), refused))
            continue;
        if (name.n == refused.n || name.p[name.n - refused.n - 1] == '.')
            return zones->refused[i].why;
    }
    return NULL;
}

void zone_put_link(const char *link, const struct addr *address, struct buf *out)
{
    static const char mark[] = "{address}";
    char text[ADDR_TEXT_MAX];
    const char *at = strstr(link, mark);
    if (at && address->family == ADDR_NONE)
        return;
    buf_put(out, link, at ? (size_t)(at - link) : strlen(link));
    if (at) {
        buf_puts(out, addr_host_text(address, text));
        buf_puts(out, at + sizeof mark - 1);
    }
}

const struct zone_code *zone_code_find(const struct zone_code *codes, size_t n, uint32_t answer)
{
    for (size_t i = 0; i < n; i++)
        if (codes[i].first <= answer && answer <= codes[i].last)
            return &codes[i];
    return NULL;
}
