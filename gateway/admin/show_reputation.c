#include "gateway/admin/show_reputation.h"

#include <stdio.h>

enum { SOURCE_WIDTH = 34, NOTE_MAX = 600 };

static const char *text_of(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));
    return text ? text : "";
}

struct table *show_reputation_begin(bool color)
{
    static const char *const heads[] = { "ADDRESS", "EGRESS",  "LIST", "STATE",
                                         "SINCE",   ">POINTS", "NOTE", NULL };
    return table_new(heads, color);
}

/* What stands behind the row: the meaning and the way out of a listing, or what is wrong. */
static void put_note(const json_t *row, char note[NOTE_MAX])
{
    const char *parts[] = { text_of(row, "what"), text_of(row, "text"), text_of(row, "link"),
                            text_of(row, "problem") };
    int n = 0;
    note[0] = '\0';
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i][0] && n < NOTE_MAX)
            n += snprintf(note + n, (size_t)(NOTE_MAX - n), "%s%s", n ? "; " : "", parts[i]);
    }
}

void show_reputation(void *table, const json_t *row)
{
    char source[SOURCE_WIDTH + 1], since[32], note[NOTE_MAX];
    const char *long_source = text_of(row, "source");
    size_t n = 0;
    while (long_source[n])
        n++;
    /* Of a path or URL the end says more. */
    snprintf(source, sizeof source, "%s",
             n > SOURCE_WIDTH ? long_source + n - SOURCE_WIDTH : long_source);
    snprintf(since, sizeof since, "%.16s", text_of(row, "since"));
    put_note(row, note);
    table_cell(table, text_of(row, "address"));
    table_cell(table, text_of(row, "egress"));
    table_cell(table, source);
    table_cell(table, text_of(row, "state"));
    table_cell(table, since[0] ? since : "-");
    table_number(table, (long long)json_integer_value(json_object_get(row, "points")));
    table_cell(table, note);
}
