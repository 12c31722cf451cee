/*
 * io/http_head — the head of an HTTP/1.x request: bytes in, values out
 *
 *   Pure. Strict where leniency lets two programs read a request differently: line ends are CRLF, a
 *   field name is followed by its colon, folded lines and repeated Host or Content-Length are
 *   refused. The path is percent-decoded and has no NUL; query values are decoded on demand.
 *
 * Ownership: slices point into the head's own copy: valid as long as the struct.
 * See:       RFC 9112 sections 2-5, RFC 3986 section 2.1.
 */
#ifndef WAYPOST_IO_HTTP_HEAD_H
#define WAYPOST_IO_HTTP_HEAD_H

#include <stdbool.h>

#include "gateway/base/buf.h"
#include "gateway/base/rc.h"

enum { HTTP_HEAD_MAX = 8192, HTTP_FIELDS_MAX = 64 };

struct http_field {
    struct slice name, value;
};

struct http_head {
    struct slice method;
    struct slice path;  /* "/api/v1/links" */
    struct slice query; /* "since=1h&egress=a"; raw */
    struct slice host;  /* of the Host field or the absolute target; "" when there is none */
    unsigned minor;     /* HTTP/1.minor: 0 or 1 */
    bool keep;          /* the connection may carry another request */
    bool has_body;      /* the request comes with a body */
    size_t field_count;
    struct http_field fields[HTTP_FIELDS_MAX];
    char bytes[HTTP_HEAD_MAX];
};

/* RC_OK: a head, *used_r bytes long. RC_AGAIN: needs more. RC_LIMIT: too long or too many fields.
 * RC_PARSE: no HTTP/1.x. */
enum rc http_head_parse(struct slice bytes, struct http_head *head_r, size_t *used_r);

/* Names without case. The empty slice with p NULL: not there. */
struct slice http_head_field(const struct http_head *head, const char *name);

/* Walks "a=b&c=d": the next pair, percent-decoded ('+' is a blank) into the buffers, which are
 * cleared first. False: no more, or one that cannot be decoded (*bad_r). */
bool http_query_next(struct slice *rest, struct buf *name, struct buf *value, bool *bad_r);

#endif
