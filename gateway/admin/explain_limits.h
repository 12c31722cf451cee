/*
 * admin/explain_limits — the limits that hold for a mail, and by which rules of `traffic`
 *
 *   Appended to an open object. What the question does not know no rule can ask for, so on a worker
 *   that has not looked up the destination only the rules for all sites show.
 */
#ifndef WAYPOST_ADMIN_EXPLAIN_LIMITS_H
#define WAYPOST_ADMIN_EXPLAIN_LIMITS_H

#include "gateway/base/buf.h"
#include "gateway/queue/inspect.h"

/* "limits": the numbers of the site, and in "traffic" what is counted by itself, each with its rule
 * and what it is counted over. */
void explain_put_limits(struct buf *json, const struct queue *queue,
                        const struct queue_limits_question *question);
/* A member that names the place of a rule. */
void explain_put_pos(struct buf *json, const char *key, const struct conf_pos *pos);

#endif
