#include "gateway/smtp/data.h"

#include <string.h>

enum decode_state { LINE_START, TEXT, AFTER_CR, DOT, DOT_CR };

/*
 * The end of data is reached from DOT_CR by LF only, DOT_CR from DOT by CR only, DOT from
 * LINE_START only, and LINE_START only by CRLF (or at the very start):
 *
 *   LINE_START --"."--> DOT --CR--> DOT_CR --LF--> end
 *       ^                \__any__> TEXT  \__any__> TEXT, bad_eol
 *       |
 *   TEXT --CR--> AFTER_CR --LF--> LINE_START        TEXT --LF--> TEXT, bad_eol
 */
static enum decode_state text_byte(struct dot_decoder *d, char c)
{
    if (c == '\n')
        d->bad_eol = true;
    return c == '\r' ? AFTER_CR : TEXT;
}

/* One byte outside of plain text. *keep_r: it is data. RC_OK: it ended the data. */
static enum rc special_byte(struct dot_decoder *d, char c, bool *keep_r)
{
    *keep_r = true;
    switch ((enum decode_state)d->state) {
    case LINE_START:
        *keep_r = c != '.';
        d->state = c == '.' ? DOT : (uint8_t)text_byte(d, c);
        break;
    case TEXT:
        d->state = (uint8_t)text_byte(d, c);
        break;
    case AFTER_CR:
        d->bad_eol |= c != '\n';
        d->state = c == '\n' ? LINE_START : c == '\r' ? AFTER_CR : TEXT;
        break;
    case DOT:
        *keep_r = c != '\r';
        d->state = c == '\r' ? DOT_CR : (uint8_t)text_byte(d, c);
        break;
    case DOT_CR:
        *keep_r = false;
        if (c == '\n')
            return RC_OK;
        d->bad_eol = true;
        d->state = c == '\r' ? AFTER_CR : TEXT;
        break;
    }
    return RC_AGAIN;
}

/* Bytes of whole and partial lines from `p` on that are data as they stand: it stops before a dot
 * at a line start. Called in TEXT; leaves the state that holds behind those bytes. */
static size_t text_run(struct dot_decoder *d, const char *start, const char *end)
{
    const char *p = start;
    while (p < end) {
        const char *lf = memchr(p, '\n', (size_t)(end - p));
        const char *stop = lf ? lf : end;
        bool ends_cr = stop > p && stop[-1] == '\r';
        size_t inner = (size_t)(stop - p) - ends_cr;
        if (inner && memchr(p, '\r', inner))
            d->bad_eol = true;
        if (!lf) {
            d->state = ends_cr ? AFTER_CR : TEXT;
            return (size_t)(end - start);
        }
        p = lf + 1;
        if (!ends_cr) {
            d->bad_eol = true;
            continue;
        }
        if (p == end || *p == '.') {
            d->state = LINE_START;
            break;
        }
    }
    return (size_t)(p - start);
}

enum rc dot_decode(struct dot_decoder *d, struct slice in, size_t *used_r, struct slice *span_r)
{
    size_t i = 0, start = 0;
    *used_r = 0;
    *span_r = (struct slice){ in.p, 0 };
    while (i < in.n) {
        bool keep;
        if (d->state == TEXT) {
            i += text_run(d, in.p + i, in.p + in.n);
            continue;
        }
        if (special_byte(d, in.p[i], &keep) == RC_OK) {
            *used_r = i + 1;
            *span_r = (struct slice){ in.p + start, 0 };
            return RC_OK;
        }
        i++;
        if (keep)
            continue;
        /* The byte is no data: hand out what came before it, or begin behind it. */
        if (i - 1 > start) {
            *used_r = i;
            *span_r = (struct slice){ in.p + start, i - 1 - start };
            return RC_AGAIN;
        }
        start = i;
    }
    *used_r = in.n;
    *span_r = slice_skip(in, start);
    return RC_AGAIN;
}

static bool at_line_start(const struct dot_encoder *e)
{
    return !e->started || (e->last[0] == '\r' && e->last[1] == '\n');
}

static void remember(struct dot_encoder *e, struct slice span)
{
    for (size_t i = span.n > 2 ? span.n - 2 : 0; i < span.n; i++) {
        e->last[0] = e->last[1];
        e->last[1] = (uint8_t)span.p[i];
    }
    e->started = true;
}

/* Offset of the first dot behind a CRLF; in.n when there is none. Dots are rarer than lines. */
static size_t next_dot(struct slice in)
{
    const char *end = in.p + in.n;
    for (const char *p = in.p; p < end; p++) {
        p = memchr(p, '.', (size_t)(end - p));
        if (!p)
            break;
        if (p - in.p >= 2 && p[-1] == '\n' && p[-2] == '\r')
            return (size_t)(p - in.p);
    }
    return in.n;
}

bool dot_encode(struct dot_encoder *e, struct slice *in, struct slice *span_r)
{
    if (in->n == 0)
        return false;
    size_t n;
    if (in->p[0] == '.' && !e->stuff && at_line_start(e)) {
        n = 0; /* this dot itself must be doubled */
    } else if (in->n > 1 && in->p[0] == '\n' && in->p[1] == '.' && e->last[1] == '\r') {
        n = 1; /* CR in the piece before */
    } else {
        n = next_dot(*in);
    }
    e->stuff = n < in->n;
    /* The dot ends this span and, still at the front of the rest, begins the next one. */
    *span_r = (struct slice){ in->p, n + e->stuff };
    remember(e, (struct slice){ in->p, n });
    in->p += n;
    in->n -= n;
    return true;
}

struct slice dot_encode_end(const struct dot_encoder *e)
{
    return at_line_start(e) ? SLICE_LIT(".\r\n") : SLICE_LIT("\r\n.\r\n");
}
