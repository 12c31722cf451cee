/*
 * admin/show_links — rows of `report links` and `report switches`, for people and other programs
 *
 *   Prints to `out`. The table is at most 100 columns wide: long names are cut in their middle. CSV
 *   is RFC 4180 with a line of names first; a text that a spreadsheet would take for a formula gets
 *   an apostrophe. HTML is one file that needs nothing else. Members that a row lacks are empty.
 */
#ifndef WAYPOST_ADMIN_SHOW_LINKS_H
#define WAYPOST_ADMIN_SHOW_LINKS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* `rows`: an array of the objects of `report links --json`. */
void links_print_table(const json_t *rows, bool color, FILE *out);
void links_print_csv(const json_t *rows, FILE *out);
void links_print_html(const json_t *rows, FILE *out);

/* A client_row_fn: one switch or fault. */
void show_switch(void *arg, const json_t *row);

#endif
