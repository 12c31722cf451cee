#include "gateway/admin/show_reputation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/show_standing.h"
#include "gateway/base/mem.h"

enum { SOURCE_WIDTH = 24, NOTE_MAX = 600, SECOND = 19 /* bytes of a time */ };

static const char *text_of(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));
    return text ? text : "";
}

struct reputation_tables {
    struct table *addresses, *evidence, *lists, *past;
};

struct reputation_tables *show_reputation_begin(bool color)
{
    static const char *const evidence[] = { "ADDRESS", "EGRESS", "EVIDENCE", "FROM",
                                            ">POINTS", "SINCE",  "GONE AT",  NULL };
    static const char *const lists[] = { "ADDRESS", "EGRESS",  "LIST", "STATE",
                                         "SINCE",   ">POINTS", NULL };
    static const char *const past[] = { "TIME", "ADDRESS", "EGRESS",  "EVENT",
                                        "WITH", "CHANGE",  ">POINTS", NULL };
    struct reputation_tables *t = mem_zero(sizeof *t);
    t->addresses = show_standing_begin(color);
    t->evidence = table_new(evidence, color);
    t->lists = table_new(lists, color);
    t->past = table_new(past, color);
    return t;
}

void show_reputation_free(struct reputation_tables **tables)
{
    struct reputation_tables *t = *tables;
    if (!t)
        return;
    table_free(&t->addresses);
    table_free(&t->evidence);
    table_free(&t->lists);
    table_free(&t->past);
    free(t);
    *tables = NULL;
}

static void print_one(const char *title, const struct table *t, const char *none, FILE *out)
{
    fprintf(out, "%s\n", title);
    if (table_rows(t))
        table_print(t, out);
    else
        fprintf(out, "%s\n", none);
}

void show_reputation_print(const struct reputation_tables *t, FILE *out)
{
    print_one("Addresses", t->addresses, "None.", out);
    print_one("\nEvidence", t->evidence, "Nothing is held against any.", out);
    print_one("\nLists and own names", t->lists, "None is watched.", out);
    print_one("\nWhat happened", t->past, "Nothing in this time.", out);
}

/* ---- cells ---- */

/* Of a path or URL the end says more. */
static void cell_source(struct table *t, const char *source)
{
    size_t n = strlen(source);
    table_cell(t, n > SOURCE_WIDTH ? source + n - SOURCE_WIDTH : source);
}

static void cell_points(struct table *t, const json_t *row)
{
    table_number(t, (long long)(json_number_value(json_object_get(row, "points")) + 0.5));
}

/* ---- rows ---- */

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

static void show_list(struct table *t, const json_t *row)
{
    char note[NOTE_MAX];
    put_note(row, note);
    table_cell(t, text_of(row, "address"));
    table_cell(t, text_of(row, "egress"));
    cell_source(t, text_of(row, "source"));
    table_cell(t, text_of(row, "state"));
    table_minute(t, text_of(row, "since"));
    cell_points(t, row);
    table_note(t, "", note);
}

static const char *end_of(const json_t *evidence)
{
    if (!json_is_true(json_object_get(evidence, "standing")))
        return "";
    return json_is_true(json_object_get(evidence, "expires")) ? "stands; expires by itself"
                                                              : "stands";
}

static void show_evidence(struct table *t, const json_t *row, const json_t *evidence)
{
    char note[NOTE_MAX];
    const char *end = end_of(evidence), *text = text_of(evidence, "text");
    const char *link = text_of(evidence, "link");
    snprintf(note, sizeof note, "%s%s%s%s%s", end, end[0] && text[0] ? "; " : "", text,
             link[0] ? "; " : "", link);
    table_cell(t, text_of(row, "address"));
    table_cell(t, text_of(row, "egress"));
    table_cell(t, text_of(evidence, "kind"));
    cell_source(t, text_of(evidence, "source"));
    cell_points(t, evidence);
    table_minute(t, text_of(evidence, "since"));
    table_minute(t, text_of(evidence, "gone"));
    table_note(t, "", note);
}

static void show_address(struct reputation_tables *t, const json_t *row)
{
    const json_t *evidence = json_object_get(row, "evidence");
    show_standing(t->addresses, row);
    for (size_t i = 0; i < json_array_size(evidence); i++)
        show_evidence(t->evidence, row, json_array_get(evidence, i));
}

static void show_past(struct table *t, const json_t *row)
{
    char change[80], time[SECOND + 1];
    snprintf(change, sizeof change, "%.30s%s%.30s", text_of(row, "from"),
             text_of(row, "to")[0] ? " -> " : "", text_of(row, "to"));
    snprintf(time, sizeof time, "%.*s", SECOND, text_of(row, "time"));
    table_cell(t, time);
    table_cell(t, text_of(row, "address"));
    table_cell(t, text_of(row, "egress"));
    table_cell(t, text_of(row, "event"));
    cell_source(t, text_of(row, "with"));
    table_cell(t, change);
    cell_points(t, row);
    table_note(t, "", text_of(row, "reason"));
}

void show_reputation(void *tables, const json_t *row)
{
    struct reputation_tables *t = tables;
    if (text_of(row, "event")[0])
        show_past(t->past, row);
    else if (strcmp(text_of(row, "kind"), "address") == 0)
        show_address(t, row);
    else
        show_list(t->lists, row);
}
