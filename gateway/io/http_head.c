#include "gateway/io/http_head.h"

#include <string.h>

static bool is_token(struct slice s)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!alnum && !(c && strchr(marks, c)))
            return false;
    }
    return s.n > 0;
}

/* Without control bytes; blanks only where they are allowed. */
static bool is_text(struct slice s, bool blanks)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool blank = c == ' ' || c == '\t';
        if (c == 0x7f || (c <= ' ' && !(blank && blanks)))
            return false;
    }
    return true;
}

static int hex(char c)
{
    int lower = ascii_lower((unsigned char)c);
    if (c >= '0' && c <= '9')
        return c - '0';
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Writes `in` without its percent signs to dst (in.n bytes of room; may be in.p itself). False:
 * half an escape, or a NUL. */
static bool decode(struct slice in, bool plus, char *dst, size_t *n_r)
{
    size_t n = 0;
    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i] == '+' && plus ? ' ' : in.p[i];
        if (c == '%') {
            int high = i + 2 < in.n ? hex(in.p[i + 1]) : -1;
            int low = i + 2 < in.n ? hex(in.p[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (!c)
            return false;
        dst[n++] = c;
    }
    *n_r = n;
    return true;
}

/* ---- the request line ---- */

/* "http://host/path": a client that takes us for a proxy; the path is what counts. */
static bool cut_authority(struct http_head *h, struct slice *target)
{
    if (!slice_istarts_with(*target, "http://"))
        return true;
    *target = slice_skip(*target, 7);
    size_t n = 0;
    while (n < target->n && target->p[n] != '/' && target->p[n] != '?')
        n++;
    h->host = (struct slice){ target->p, n };
    *target = slice_skip(*target, n);
    return n > 0 && target->n > 0;
}

static enum rc parse_target(struct http_head *h, struct slice target)
{
    struct slice path;
    if (!is_text(target, false) || !cut_authority(h, &target))
        return RC_PARSE;
    slice_cut(target, '?', &path, &h->query);
    char *at = h->bytes + (path.p - h->bytes);
    if (path.n == 0 || path.p[0] != '/' || !decode(path, false, at, &path.n))
        return RC_PARSE;
    h->path = path;
    return RC_OK;
}

static enum rc parse_request_line(struct http_head *h, struct slice line)
{
    struct slice target, version, rest;
    if (!slice_cut(line, ' ', &h->method, &rest) || !slice_cut(rest, ' ', &target, &version))
        return RC_PARSE;
    if (!is_token(h->method) || version.n != 8 || !slice_starts_with(version, "HTTP/1."))
        return RC_PARSE;
    if (version.p[7] != '0' && version.p[7] != '1')
        return RC_PARSE;
    h->minor = version.p[7] == '1';
    return parse_target(h, target);
}

/* ---- fields ---- */

static enum rc parse_field(struct http_head *h, struct slice line)
{
    struct http_field f;
    if (h->field_count == HTTP_FIELDS_MAX)
        return RC_LIMIT;
    if (!slice_cut(line, ':', &f.name, &f.value) || !is_token(f.name))
        return RC_PARSE;
    f.value = slice_trim(f.value);
    if (!is_text(f.value, true))
        return RC_PARSE;
    h->fields[h->field_count++] = f;
    return RC_OK;
}

struct slice http_head_field(const struct http_head *h, const char *name)
{
    for (size_t i = 0; i < h->field_count; i++) {
        if (slice_ieq_str(h->fields[i].name, name))
            return h->fields[i].value;
    }
    return (struct slice){ NULL, 0 };
}

static unsigned count_fields(const struct http_head *h, const char *name)
{
    unsigned n = 0;
    for (size_t i = 0; i < h->field_count; i++)
        n += slice_ieq_str(h->fields[i].name, name);
    return n;
}

static bool has_element(struct slice list, const char *element)
{
    struct slice one;
    while (list.n) {
        slice_cut(list, ',', &one, &list);
        if (slice_ieq_str(slice_trim(one), element))
            return true;
    }
    return false;
}

/* What the fields say about the request as a whole. */
static enum rc conclude(struct http_head *h)
{
    struct slice length = http_head_field(h, "Content-Length");
    struct slice connection = http_head_field(h, "Connection");
    uint64_t n = 0;
    if (count_fields(h, "Host") > 1 || count_fields(h, "Content-Length") > 1)
        return RC_PARSE;
    if (length.p && !slice_to_u64(length, UINT64_MAX, &n))
        return RC_PARSE;
    if (!h->host.n)
        h->host = http_head_field(h, "Host");
    if (h->minor == 1 && !http_head_field(h, "Host").p)
        return RC_PARSE;
    h->has_body = n > 0 || http_head_field(h, "Transfer-Encoding").p;
    h->keep =
        h->minor == 1 ? !has_element(connection, "close") : has_element(connection, "keep-alive");
    return RC_OK;
}

enum rc http_head_parse(struct slice in, struct http_head *h, size_t *used_r)
{
    const char *end = memmem(in.p, in.n < HTTP_HEAD_MAX ? in.n : HTTP_HEAD_MAX, "\r\n\r\n", 4);
    struct slice line, rest;
    *used_r = 0;
    if (!end)
        return in.n < HTTP_HEAD_MAX ? RC_AGAIN : RC_LIMIT;
    size_t n = (size_t)(end - in.p) + 2; /* with the line end of the last field */
    *used_r = n + 2;
    memset(h, 0, sizeof *h);
    memcpy(h->bytes, in.p, n);
    rest = (struct slice){ h->bytes, n };
    enum rc rc = RC_OK;
    for (bool first = true; rc == RC_OK && rest.n; first = false) {
        slice_cut(rest, '\n', &line, &rest);
        if (line.n == 0 || line.p[line.n - 1] != '\r')
            return RC_PARSE;
        line.n--;
        rc = first ? parse_request_line(h, line) : parse_field(h, line);
    }
    return rc == RC_OK ? conclude(h) : rc;
}

/* ---- the query ---- */

static bool decode_into(struct slice in, struct buf *out)
{
    size_t n = 0;
    buf_clear(out);
    char *at = in.n ? buf_reserve(out, in.n) : NULL;
    if (in.n && (!at || !decode(in, true, at, &n)))
        return false;
    buf_commit(out, n);
    return true;
}

bool http_query_next(struct slice *rest, struct buf *name, struct buf *value, bool *bad_r)
{
    struct slice pair, raw_name, raw_value;
    *bad_r = false;
    while (rest->n) {
        slice_cut(*rest, '&', &pair, rest);
        if (!pair.n)
            continue;
        slice_cut(pair, '=', &raw_name, &raw_value);
        *bad_r = !decode_into(raw_name, name) || !decode_into(raw_value, value);
        return !*bad_r;
    }
    return false;
}
