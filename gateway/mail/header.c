#include "gateway/mail/header.h"

#include <assert.h>
#include <string.h>

#include "gateway/base/utf8.h"

enum state {
    LINE_START,
    FIRST_LINE_START, /* as LINE_START, but there is no field to continue */
    NAME,
    AFTER_NAME, /* blanks between name and colon (RFC 5322 section 4.5.8) */
    VALUE,
    EMPTY_CR, /* a line that began with CR */
    TOO_LARGE
};

void header_scan_init(struct header_scan *scan, const struct slice *wanted, size_t wanted_n,
                      uint64_t limit)
{
    assert(wanted_n <= HEADER_WANTED_MAX);
    *scan = (struct header_scan){ .wanted = wanted, .wanted_n = wanted_n, .limit = limit };
    buf_init(&scan->kept, (size_t)HEADER_WANTED_MAX * HEADER_VALUE_MAX);
    header_scan_reset(scan);
}

void header_scan_reset(struct header_scan *scan)
{
    scan->size = scan->line_at = 0;
    scan->received = 0;
    scan->has_8bit = scan->done = false;
    scan->state = FIRST_LINE_START;
    scan->name_n = 0;
    scan->capture = -1;
    memset(scan->values, 0, sizeof scan->values[0] * scan->wanted_n);
    buf_clear(&scan->kept);
}

void header_scan_free(struct header_scan *scan)
{
    buf_free(&scan->kept);
}

static void field_begins(struct header_scan *scan)
{
    struct slice name = { scan->name, scan->name_n };
    scan->capture = -1;
    scan->state = VALUE;
    if (name.n == HEADER_NAME_MAX)
        return; /* maybe cut */
    if (slice_eq_str(name, "received"))
        scan->received++;
    for (size_t i = 0; i < scan->wanted_n; i++) {
        struct header_value *v = &scan->values[i];
        if (v->present || !slice_eq(name, scan->wanted[i]))
            continue;
        *v = (struct header_value){ (uint32_t)buf_len(&scan->kept), 0, true };
        scan->capture = (int)i;
    }
}

/* Unfolding (RFC 5322 section 2.2.3) takes out the line ends and nothing else. */
static void keep_value(struct header_scan *scan, struct slice piece)
{
    struct header_value *v = &scan->values[scan->capture];
    for (size_t i = 0; i < piece.n && v->n < HEADER_VALUE_MAX; i++) {
        if (piece.p[i] == '\r' || piece.p[i] == '\n')
            continue;
        buf_putc(&scan->kept, piece.p[i]);
        v->n++;
    }
}

/* Takes the rest of the value's line, or of `data`. */
static size_t value_bytes(struct header_scan *scan, struct slice data)
{
    const char *lf = memchr(data.p, '\n', data.n);
    size_t n = lf ? (size_t)(lf - data.p) + 1 : data.n;
    struct slice piece = { data.p, n };
    if (!scan->has_8bit)
        scan->has_8bit = !utf8_is_ascii(piece);
    if (scan->capture >= 0)
        keep_value(scan, piece);
    if (lf)
        scan->state = LINE_START;
    return n;
}

/* The line being read is no field: the section ended before it. */
static void not_a_field(struct header_scan *scan)
{
    scan->size = scan->line_at;
    scan->done = true;
}

static void line_starts(struct header_scan *scan, char c)
{
    bool first = scan->state == FIRST_LINE_START;
    scan->line_at = scan->size - 1;
    if (c == '\n') {
        scan->done = true;
    } else if (c == '\r') {
        scan->state = EMPTY_CR;
    } else if (c == ' ' || c == '\t') {
        scan->state = VALUE;
        if (first)
            not_a_field(scan);
        else if (scan->capture >= 0)
            keep_value(scan, (struct slice){ &c, 1 });
    } else {
        scan->state = NAME;
        scan->name_n = 0;
    }
}

static void name_byte(struct header_scan *scan, char c)
{
    if (c == ':') {
        if (scan->name_n)
            field_begins(scan);
        else
            not_a_field(scan);
    } else if (c == ' ' || c == '\t') {
        scan->state = AFTER_NAME;
    } else if (c < '!' || c > '~' || scan->state == AFTER_NAME) {
        not_a_field(scan);
    } else if (scan->name_n < HEADER_NAME_MAX) {
        scan->name[scan->name_n++] = (char)ascii_lower((unsigned char)c);
    }
}

static void one_byte(struct header_scan *scan, char c)
{
    scan->size++;
    switch ((enum state)scan->state) {
    case LINE_START:
    case FIRST_LINE_START:
        line_starts(scan, c);
        if (scan->state == NAME)
            name_byte(scan, c);
        break;
    case NAME:
    case AFTER_NAME:
        name_byte(scan, c);
        break;
    case EMPTY_CR:
        if (c == '\n')
            scan->done = true;
        else
            not_a_field(scan);
        break;
    case VALUE:
    case TOO_LARGE:
        break;
    }
}

enum rc header_scan_feed(struct header_scan *scan, struct slice data)
{
    while (data.n && !scan->done && scan->state != TOO_LARGE) {
        if (scan->size >= scan->limit) {
            scan->state = TOO_LARGE;
            break;
        }
        size_t n = 1;
        if (scan->state == VALUE) {
            uint64_t room = scan->limit - scan->size;
            n = value_bytes(scan, (struct slice){ data.p, data.n < room ? data.n : (size_t)room });
            scan->size += n;
        } else {
            one_byte(scan, data.p[0]);
        }
        data.p += n;
        data.n -= n;
    }
    if (scan->done)
        return RC_OK;
    return scan->state == TOO_LARGE ? RC_LIMIT : RC_AGAIN;
}

bool header_scan_value(const struct header_scan *scan, size_t i, struct slice *value_r)
{
    assert(i < scan->wanted_n);
    const struct header_value *v = &scan->values[i];
    struct slice kept = buf_slice(&scan->kept);
    *value_r =
        v->n ? slice_trim((struct slice){ kept.p + v->at, v->n }) : (struct slice){ NULL, 0 };
    return v->present;
}
