/*
 * reputation/reply_lines — lines and tokens of the rules' data, with errors that name the line
 */
#include <string.h>

#include "reputation/reply_internal.h"

bool reply_line_next(struct slice *text, struct reply_line *line)
{
    while (text->n) {
        slice_cut(*text, '\n', &line->rest, text);
        line->number++;
        line->rest = slice_trim(line->rest);
        if (line->rest.n && line->rest.p[0] != '#')
            return true;
    }
    return false;
}

enum rc reply_line_error(const struct reply_line *line, struct err *err, struct slice found,
                         const char *expected)
{
    if (found.n > 60)
        found.n = 60;
    return err_set(err, RC_PARSE, "%s:%u: found \"%.*s\", expected %s", line->file, line->number,
                   SLICE_FMT(found), expected);
}

enum rc reply_token_next(struct reply_line *line, struct reply_token *token_r, struct err *err)
{
    struct slice rest = slice_trim(line->rest);
    *token_r = (struct reply_token){ .text = rest };
    if (rest.n == 0)
        return RC_NOT_FOUND;
    if (rest.p[0] == '!') {
        token_r->negated = true;
        rest = slice_skip(rest, 1);
    }
    if (rest.n && (rest.p[0] == '^' || rest.p[0] == '&')) {
        token_r->where = rest.p[0] == '^' ? REPLY_FIRST : REPLY_TOGETHER;
        rest = slice_skip(rest, 1);
    }
    token_r->quoted = rest.n && rest.p[0] == '"';
    if (token_r->quoted) {
        if (!slice_cut(slice_skip(rest, 1), '"', &token_r->text, &line->rest))
            return reply_line_error(line, err, rest, "a quote at the end of the words");
        return RC_OK;
    }
    slice_cut(rest, ' ', &token_r->text, &line->rest);
    return RC_OK;
}
