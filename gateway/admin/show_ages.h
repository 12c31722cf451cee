/*
 * admin/show_ages — how old what waits is, by site and lane: `waypost queue ages`
 *
 *   A table like that of qshape(1): a row for each lane of each site, and for each lane in all,
 *   with as many messages as are younger than the head of their column says and no younger than the
 *   one before.
 */
#ifndef WAYPOST_ADMIN_SHOW_AGES_H
#define WAYPOST_ADMIN_SHOW_AGES_H

#include <jansson.h>
#include <stdbool.h>

struct ages;

struct ages *ages_begin(bool color);
void ages_row(void *ages, const json_t *row); /* client_row_fn, of the rows of `waypost queue` */
void ages_print(struct ages *ages);
void ages_free(struct ages **ages);

#endif
