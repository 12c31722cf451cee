/*
 * admin/request — what an operator asks, and its form on the wire
 *
 *   The admin protocol: the client connects to a UNIX socket and sends one line of JSON, a request;
 *   the server answers with lines of JSON, the rows, and a last one that begins with "end":
 *
 *     {"verb":"queue","action":"list","fields":[["to","*@example.net"]]}
 *     {"row":{...}}
 *     {"end":{"status":0,"text":""}}
 *
 *   Pure: text in, values out. A request is at most REQUEST_MAX bytes.
 */
#ifndef WAYPOST_ADMIN_REQUEST_H
#define WAYPOST_ADMIN_REQUEST_H

#include <stdbool.h>

#include "gateway/base/buf.h"
#include "gateway/base/rc.h"

enum { REQUEST_MAX = 32 << 10, REQUEST_FIELDS_MAX = 32, REQUEST_LINE_MAX = 1 << 20 };

/* A name and its value, both texts: all that any request needs. */
struct request_field {
    char *name, *value;
};

struct request {
    char *verb;   /* "queue" */
    char *action; /* "list"; "" when there is none */
    struct request_field fields[REQUEST_FIELDS_MAX];
    size_t field_count;
};

/* RC_PARSE: not a request (bad JSON, unknown members, wrong types, too many fields); err may be
 * NULL. *request_r is empty then. */
enum rc request_parse(struct slice line, struct request *request_r, struct err *err);
void request_free(struct request *request); /* its texts */

void request_set(struct request *request, const char *verb, const char *action);
/* False: too many fields. A name may come more than once (headers). */
bool request_add(struct request *request, const char *name, const char *value);
const char *request_get(const struct request *request, const char *name); /* NULL: not given */
/* One line, with its line break. */
void request_put(struct buf *out, const struct request *request);

/* The last line of an answer: the exit status of the command line (0 done, 1 failed, 78 wrong
 * configuration) and a text for the operator, which may be many lines. */
void request_put_end(struct buf *out, int status, struct slice text);

#endif
