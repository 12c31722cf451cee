/*
 * admin/show_reputation — `report reputation` as tables: addresses, evidence, lists, what happened
 *
 *   Rows come in any order; each finds its table by its members `event` and `kind`. Printed when
 *   all have come.
 */
#ifndef WAYPOST_ADMIN_SHOW_REPUTATION_H
#define WAYPOST_ADMIN_SHOW_REPUTATION_H

#include <jansson.h>

#include "gateway/admin/table.h"

struct reputation_tables;

struct reputation_tables *show_reputation_begin(bool color);
void show_reputation_free(struct reputation_tables **tables); /* NULL is fine */
/* A client_row_fn, with the tables. */
void show_reputation(void *tables, const json_t *row);
void show_reputation_print(const struct reputation_tables *tables, FILE *out);

#endif
