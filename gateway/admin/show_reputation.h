/*
 * admin/show_reputation — rows of `report reputation`, for people
 *
 *   One line for each address and list; below a listing what it means and where it ends, below a
 *   fault what it is. Prints to stdout when the table is printed.
 */
#ifndef WAYPOST_ADMIN_SHOW_REPUTATION_H
#define WAYPOST_ADMIN_SHOW_REPUTATION_H

#include <jansson.h>

#include "gateway/admin/table.h"

struct table *show_reputation_begin(bool color);
/* A client_row_fn, with the table as `arg`. */
void show_reputation(void *table, const json_t *row);

#endif
