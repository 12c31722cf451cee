#include "gateway/admin/show_standing.h"

#include <stdio.h>
#include <string.h>

enum { FAULT_MAX = 400 };

static const char *text_of(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));
    return text ? text : "";
}

struct table *show_standing_begin(bool color)
{
    static const char *const heads[] = { "EGRESS", "ADDRESS", "WITH",   "STATE", "SINCE",
                                         "UNTIL",  ">POINTS", ">SHARE", NULL };
    return table_new(heads, color);
}

static void cell_share(struct table *t, const json_t *row)
{
    char text[16];
    snprintf(text, sizeof text, "%.0f%%", json_number_value(json_object_get(row, "share")) * 100);
    table_cell(t, text);
}

static void show_provider(struct table *t, const char *egress, const char *address,
                          const json_t *row)
{
    table_cell(t, egress);
    table_cell(t, address);
    table_cell(t, text_of(row, "provider"));
    table_cell(t, text_of(row, "state"));
    table_minute(t, text_of(row, "since"));
    table_minute(t, text_of(row, "until"));
    table_cell(t, "-");
    cell_share(t, row);
    table_note(t, "Why", text_of(row, "reason"));
    table_note(t, "What Waypost does", text_of(row, "does"));
}

/* In the words of an alarm's mail (daemon/alarm_text.c). Of one that is clean the last change is
 * history. */
static void put_notes(struct table *t, const char *fault, const json_t *row)
{
    const char *does = text_of(row, "does"), *todo = text_of(row, "todo");
    if (!fault[0] && !does[0] && !todo[0])
        return;
    table_note(t, "Why", fault[0] ? fault : text_of(row, "reason"));
    table_note(t, "What Waypost does", does);
    table_note(t, "What to do", todo);
}

static void show_address(struct table *t, const char *egress, const char *fault, const json_t *row)
{
    const char *address = text_of(row, "address");
    const json_t *providers = json_object_get(row, "providers");
    double points = json_number_value(json_object_get(row, "points"));
    address = address[0] ? address : "-";
    table_cell(t, egress);
    table_cell(t, address);
    table_cell(t, "all");
    table_cell(t, text_of(row, "state"));
    table_minute(t, text_of(row, "since"));
    table_minute(t, text_of(row, "until"));
    table_number(t, (long long)(points + 0.5));
    cell_share(t, row);
    put_notes(t, fault, row);
    for (size_t i = 0; i < json_array_size(providers); i++)
        show_provider(t, egress, address, json_array_get(providers, i));
}

void show_standing(void *table, const json_t *row)
{
    show_address(table, text_of(row, "egress"), "", row);
}

void show_egress(void *table, const json_t *row)
{
    const json_t *standing = json_object_get(row, "standing");
    const char *evidence = text_of(row, "evidence");
    char fault[FAULT_MAX] = "";
    if (evidence[0] && strcmp(text_of(row, "state"), "barred") != 0) /* else: by standing itself */
        snprintf(fault, sizeof fault, "%s: %s", text_of(row, "state"), evidence);
    for (size_t i = 0; i < json_array_size(standing); i++)
        show_address(table, text_of(row, "egress"), fault, json_array_get(standing, i));
}
