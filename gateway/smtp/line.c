#include "gateway/smtp/line.h"

#include <string.h>

static bool well_formed(struct slice with_lf)
{
    if (with_lf.n < 2 || with_lf.p[with_lf.n - 2] != '\r')
        return false;
    size_t n = with_lf.n - 2;
    return n == 0 || (!memchr(with_lf.p, '\r', n) && !memchr(with_lf.p, '\0', n));
}

enum rc line_next(struct line_reader *reader, struct slice in, size_t max, struct slice *line_r,
                  size_t *used_r)
{
    const char *lf = in.n ? memchr(in.p, '\n', in.n) : NULL;
    size_t skipped = 0;
    *used_r = 0;
    *line_r = (struct slice){ NULL, 0 };
    if (reader->skipping) {
        skipped = lf ? (size_t)(lf - in.p) + 1 : in.n;
        reader->skipping = !lf;
        in = slice_skip(in, skipped);
        lf = in.n ? memchr(in.p, '\n', in.n) : NULL;
    }
    size_t n = lf ? (size_t)(lf - in.p) + 1 : in.n;
    *used_r = skipped;
    if (n > max || (!lf && n == max)) {
        reader->skipping = !lf;
        *used_r += n;
        return RC_LIMIT;
    }
    if (!lf)
        return RC_AGAIN;
    *used_r += n;
    if (!well_formed((struct slice){ in.p, n }))
        return RC_PARSE;
    *line_r = (struct slice){ in.p, n - 2 };
    return RC_OK;
}
