/*
 * admin/table — columns for people: as wide as they need to be, numbers to the right
 *
 *   Cells are copied as they come, row by row, and printed together at the end. Widths count UTF-8
 *   characters; control bytes are shown as '?'. Sentences are notes below their row, not columns:
 *   a terminal of TABLE_WIDTH shows them whole.
 */
#ifndef WAYPOST_ADMIN_TABLE_H
#define WAYPOST_ADMIN_TABLE_H

#include <stdbool.h>
#include <stdio.h>

enum { TABLE_COLUMNS_MAX = 16, TABLE_WIDTH = 120 };

struct table;

/* Heads end with NULL; one that begins with '>' is a column of numbers. */
struct table *table_new(const char *const *heads, bool color);
void table_free(struct table **table);
/* The cells of the next row, one a call; copies. */
void table_cell(struct table *table, const char *text);
void table_number(struct table *table, long long number); /* 0 is shown as "-" */
/* The day and minute of an RFC 3339 time; "" is shown as "-". */
void table_minute(struct table *table, const char *time);
/* Below the row that has just become complete: "label: text", or the text alone when the label is
 * empty, in lines of at most TABLE_WIDTH. An empty text is no note. */
void table_note(struct table *table, const char *label, const char *text);
void table_print(const struct table *table, FILE *out);
size_t table_rows(const struct table *table);

#endif
