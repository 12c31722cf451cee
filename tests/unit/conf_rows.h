/*
 * conf_rows — tables of bad configurations and the exact lines their users read
 *
 *   Included by one test program each.
 */
#ifndef WAYPOST_TESTS_UNIT_CONF_ROWS_H
#define WAYPOST_TESTS_UNIT_CONF_ROWS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/conf_fixture.h"

struct row {
    const char *waypost, *policies; /* policies: the main file gets a line that names it */
    const char *lines;              /* without the file name of the one file in question */
};

static char *load_text(const struct row *row)
{
    char *whole, *text;
    size_t n = strlen(row->waypost) + 40;
    whole = mem_zero(n);
    snprintf(whole, n, "%s%s", row->waypost, row->policies ? "policies: policies.yaml\n" : "");
    struct policies *p = fixture_load(whole, row->policies, &text);
    policies_unref(&p);
    free(whole);
    return text;
}

static void check_rows(const struct row *rows, size_t n, const char *file)
{
    size_t wrong = 0;
    for (size_t i = 0; i < n; i++) {
        char expected[4096] = "";
        size_t used = 0;
        for (const char *line = rows[i].lines; *line;) {
            const char *end = strchr(line, '\n');
            int length = end ? (int)(end - line) : (int)strlen(line);
            int put =
                snprintf(expected + used, sizeof expected - used, "%s:%.*s\n", file, length, line);
            assert_in_range(put, 1, sizeof expected - used - 1);
            used += (size_t)put;
            line += length + (end ? 1 : 0);
        }
        char *text = load_text(&rows[i]);
        if (strcmp(text, expected) != 0) {
            wrong++;
            print_error("row %zu\n--- expected\n%s--- found\n%s", i, expected, text);
        }
        free(text);
    }
    assert_int_equal(wrong, 0);
}

#endif
