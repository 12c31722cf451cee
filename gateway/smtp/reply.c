#include "gateway/smtp/reply.h"

#include <string.h>

#include "gateway/smtp/limits.h"

enum { PREFIX = 4 }; /* three digits and a separator */

void reply_parser_init(struct reply_parser *p)
{
    *p = (struct reply_parser){ .failed = RC_OK };
    buf_init(&p->text, SMTP_REPLY_KEEP_MAX);
}

void reply_parser_reset(struct reply_parser *p)
{
    struct buf text = p->text;
    buf_clear(&text);
    *p = (struct reply_parser){ .text = text };
}

void reply_parser_free(struct reply_parser *p)
{
    buf_free(&p->text);
}

/* Appends as much as may be kept: the same bytes however the input was cut. */
static void keep(struct reply_parser *p, struct slice s)
{
    size_t room = p->text.limit - buf_len(&p->text);
    buf_put(&p->text, s.p, s.n < room ? s.n : room);
}

static enum rc line_begins(struct reply_parser *p)
{
    if (++p->lines > SMTP_REPLY_LINES_MAX)
        return RC_LIMIT;
    if (p->code && p->code != p->line_code)
        return RC_PARSE;
    if (p->lines > 1)
        keep(p, SLICE_LIT("\n"));
    p->code = p->line_code;
    return RC_OK;
}

/* Byte `at` of a line: its code or the separator. */
static enum rc prefix_byte(struct reply_parser *p, char c)
{
    if (p->at < 3) {
        bool first = p->at == 0;
        if (c < (first ? '2' : '0') || c > (first ? '5' : '9'))
            return RC_PARSE;
        p->line_code = (uint16_t)((first ? 0 : p->line_code * 10) + (c - '0'));
        p->at++;
        return RC_AGAIN;
    }
    bool ends = c == '\r' || c == '\n';
    if (!ends && c != ' ' && c != '-' && c != '\t')
        return RC_PARSE;
    p->last = c != '-';
    p->after_cr = c == '\r';
    p->at = c == '\n' ? 0 : PREFIX;
    enum rc rc = line_begins(p);
    if (rc)
        return rc;
    return c == '\n' ? RC_OK : RC_AGAIN;
}

/* Text of a line up to its LF; RC_OK when that was found. */
static enum rc text_bytes(struct reply_parser *p, struct slice data, size_t *used_r)
{
    const char *lf = memchr(data.p, '\n', data.n);
    struct slice piece = { data.p, lf ? (size_t)(lf - data.p) : data.n };
    *used_r = piece.n + (lf != NULL);
    if (piece.n) {
        if (p->after_cr)
            keep(p, SLICE_LIT("\r"));
        p->after_cr = piece.p[piece.n - 1] == '\r';
        piece.n -= p->after_cr;
        keep(p, piece);
    }
    if (!lf)
        return RC_AGAIN;
    p->after_cr = false;
    p->at = 0;
    return RC_OK;
}

static struct enhanced find_enhanced(struct slice text, unsigned code)
{
    struct slice line;
    struct enhanced found;
    bool more = true;
    while (more) {
        more = slice_cut(text, '\n', &line, &text);
        if (enhanced_parse(line, &found, NULL) && found.class_ == code / 100)
            return found;
    }
    return (struct enhanced){ 0, 0, 0 };
}

static enum rc complete(struct reply_parser *p, struct reply *reply_r)
{
    p->complete = true;
    struct slice text = buf_slice(&p->text);
    *reply_r = (struct reply){ p->code, find_enhanced(text, p->code), text };
    return RC_OK;
}

enum rc reply_parser_feed(struct reply_parser *p, struct slice data, size_t *used_r,
                          struct reply *reply_r)
{
    *used_r = 0;
    if (p->complete)
        reply_parser_reset(p);
    while (!p->failed && *used_r < data.n) {
        size_t room = SMTP_REPLY_BYTES_MAX - p->bytes, n = 1;
        struct slice rest = { data.p + *used_r, data.n - *used_r };
        enum rc rc = RC_LIMIT;
        if (rest.n > room)
            rest.n = room;
        if (rest.n)
            rc = p->at < PREFIX ? prefix_byte(p, rest.p[0]) : text_bytes(p, rest, &n);
        if (rc == RC_PARSE || rc == RC_LIMIT) {
            p->failed = rc;
            break;
        }
        *used_r += n;
        p->bytes += n;
        if (rc == RC_OK && p->last)
            return complete(p, reply_r);
    }
    return p->failed ? p->failed : RC_AGAIN;
}

void reply_put_text(struct buf *out, unsigned code, const char *enhanced, struct slice text)
{
    buf_put_u64(out, code);
    buf_putc(out, ' ');
    buf_puts(out, enhanced);
    buf_putc(out, ' ');
    buf_put_slice(out, text);
    buf_puts(out, "\r\n");
}
