/*
 * conf/errors — everything wrong with a configuration, collected, each with its place
 *
 *   Nothing stops at the first error. An entry is an error (the configuration cannot be used) or a
 *   warning (it can). Entries are shown in the order of file (as first mentioned), line and column.
 *   At most CONF_ERRORS_MAX are kept; the count goes on.
 */
#ifndef WAYPOST_CONF_ERRORS_H
#define WAYPOST_CONF_ERRORS_H

#include <stdbool.h>

#include "gateway/base/buf.h"

enum { CONF_ERRORS_MAX = 500 };

/* Where something stands in a file. `file` is as the user wrote it and lives as long as what holds
 * the position; line and column count from 1, 0 means the file as a whole. */
struct conf_pos {
    const char *file;
    unsigned line, column;
};

struct conf_errors;

struct conf_errors *conf_errors_new(void);
void conf_errors_free(struct conf_errors **errors);

void conf_error(struct conf_errors *e, struct conf_pos pos, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void conf_warning(struct conf_errors *e, struct conf_pos pos, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

size_t conf_errors_count(const struct conf_errors *e);   /* errors only */
size_t conf_warnings_count(const struct conf_errors *e); /* warnings only */

/* One line each: "file:line:column: text" and "file:line:column: warning: text". */
void conf_errors_put_text(struct conf_errors *e, struct buf *out);
/* An array of {"file","line","column","level":"error"|"warning","text"}. */
void conf_errors_put_json(struct conf_errors *e, struct buf *out);

#endif
