/*
 * admin/show — rows of the daemon's answers, for people
 *
 *   Prints to stdout. Control bytes in texts that came from outside are shown as '?': a remote
 *   reply must not steer the operator's terminal. A row that lacks a member is shown without it.
 */
#ifndef WAYPOST_ADMIN_SHOW_H
#define WAYPOST_ADMIN_SHOW_H

#include <jansson.h>

#include "gateway/admin/table.h"

/* All are client_row_fn. */
void show_item(void *arg, const json_t *row);         /* two lines */
void show_item_in_full(void *arg, const json_t *row); /* one line a fact */
void show_explanation(void *arg, const json_t *row);
void show_deliveries(void *arg, const json_t *row);

/* The table of sites: begin, show_site for each row with it as `arg`, then table_print(). */
struct table *show_sites_begin(bool color);
void show_site(void *table, const json_t *row);

#endif
