#include "gateway/mail/content.h"

#include <string.h>

#include "gateway/base/utf8.h"

void content_scan_init(struct content_scan *scan)
{
    *scan = (struct content_scan){ 0 };
}

static void note_line(struct content_scan *scan, uint64_t length)
{
    if (length > scan->facts.longest_line)
        scan->facts.longest_line = length > UINT32_MAX ? UINT32_MAX : (uint32_t)length;
}

/* `piece` has no LF. All of it is line, but for a CR at its end: that may be half of a CRLF. */
static void in_line(struct content_scan *scan, struct slice piece)
{
    if (piece.n == 0)
        return;
    if (scan->after_cr)
        scan->facts.has_bare_eol = true; /* a CR and no LF behind it */
    if (memchr(piece.p, '\r', piece.n - 1))
        scan->facts.has_bare_eol = true;
    scan->line += piece.n;
    scan->after_cr = piece.p[piece.n - 1] == '\r';
}

static void line_end(struct content_scan *scan)
{
    if (!scan->after_cr)
        scan->facts.has_bare_eol = true;
    note_line(scan, scan->line - (scan->after_cr ? 1 : 0));
    scan->line = 0;
    scan->after_cr = false;
}

void content_scan_feed(struct content_scan *scan, struct slice data)
{
    if (data.n == 0)
        return;
    if (scan->size == 0)
        scan->starts_blank = data.p[0] == ' ' || data.p[0] == '\t';
    if (!scan->facts.has_8bit)
        scan->facts.has_8bit = !utf8_is_ascii(data);
    if (!scan->facts.has_nul)
        scan->facts.has_nul = memchr(data.p, '\0', data.n) != NULL;
    scan->size += data.n;
    for (const char *p = data.p, *end = data.p + data.n; p < end;) {
        const char *lf = memchr(p, '\n', (size_t)(end - p));
        in_line(scan, (struct slice){ p, (size_t)((lf ? lf : end) - p) });
        if (!lf)
            break;
        line_end(scan);
        p = lf + 1;
    }
    scan->facts.lacks_final_eol = data.p[data.n - 1] != '\n';
}

void content_scan_end(struct content_scan *scan)
{
    if (scan->after_cr)
        scan->facts.has_bare_eol = true;
    note_line(scan, scan->line);
}
