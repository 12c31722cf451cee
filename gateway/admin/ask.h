/*
 * admin/ask — a question to another admin server, its whole answer at once
 *
 *   For answers that are made into something else; those that are only passed on go by
 *   admin/passage. An answer larger than ASK_BYTES_MAX, or none within 10 s, is a failure.
 *
 * Callbacks: done runs exactly once, from the loop or ask_cancel_all(), never from inside
 *            ask_open(). It may open another question.
 */
#ifndef WAYPOST_ADMIN_ASK_H
#define WAYPOST_ADMIN_ASK_H

#include "gateway/admin/request.h"
#include "gateway/base/list.h"
#include "gateway/io/loop.h"

enum { ASK_BYTES_MAX = 32 << 20 };

struct ask_answer {
    enum rc rc;        /* RC_OK: it answered, `status` says what; RC_CLOSED, RC_TIMEOUT, RC_LIMIT */
    int status;        /* as of the command line: 0 fine */
    struct slice rows; /* JSON objects, each with a line break */
    const char *text;  /* of the end, or why there is none */
};
typedef void ask_done_fn(void *arg, const struct ask_answer *answer);

/* The server at the UNIX socket `path`. The question stands on `asks` until it is answered. */
void ask_open(struct loop *loop, struct list *asks, const char *path, const struct request *request,
              ask_done_fn *done, void *arg);
void ask_cancel_all(struct list *asks); /* all end with RC_CLOSED */

#endif
