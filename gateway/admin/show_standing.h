/*
 * admin/show_standing — what our addresses are worth, for people: one line an address
 *
 *   Rows are those of report/standing_rows.h. Times are cut to the minute; WITH is "all", or the
 *   provider that a line is about. Below a line that is not as it should be: why, what Waypost
 *   makes of it, and what the operator may do.
 */
#ifndef WAYPOST_ADMIN_SHOW_STANDING_H
#define WAYPOST_ADMIN_SHOW_STANDING_H

#include <jansson.h>

#include "gateway/admin/table.h"

struct table *show_standing_begin(bool color);
/* Both are client_row_fn, with the table. A row of `egress list`: a line for each address. */
void show_egress(void *table, const json_t *row);
/* A row about one address; below it the providers whose opinion of it is not clean. */
void show_standing(void *table, const json_t *row);

#endif
