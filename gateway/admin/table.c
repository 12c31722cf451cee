#include "gateway/admin/table.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"

struct table {
    size_t columns, cells, room;
    bool number[TABLE_COLUMNS_MAX], color;
    char **at; /* heads, then rows */
};

static void add(struct table *t, const char *text)
{
    if (t->cells == t->room) {
        t->room = t->room ? t->room * 2 : 64;
        t->at = mem_grow(t->at, t->room, sizeof *t->at);
    }
    char *copy = mem_strdup(text);
    for (char *p = copy; *p; p++) { /* a remote reply must not steer the terminal */
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    }
    t->at[t->cells++] = copy;
}

struct table *table_new(const char *const *heads, bool color)
{
    struct table *t = mem_zero(sizeof *t);
    t->color = color;
    for (; heads[t->columns] && t->columns < TABLE_COLUMNS_MAX; t->columns++) {
        t->number[t->columns] = heads[t->columns][0] == '>';
        add(t, heads[t->columns] + t->number[t->columns]);
    }
    return t;
}

void table_free(struct table **t_p)
{
    struct table *t = *t_p;
    if (!t)
        return;
    for (size_t i = 0; i < t->cells; i++)
        free(t->at[i]);
    free(t->at);
    free(t);
    *t_p = NULL;
}

void table_cell(struct table *t, const char *text)
{
    add(t, text ? text : "");
}

void table_number(struct table *t, long long number)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", number);
    add(t, number ? text : "-");
}

void table_minute(struct table *t, const char *time)
{
    char text[20];
    snprintf(text, sizeof text, "%.16s", time);
    add(t, text[0] ? text : "-");
}

size_t table_rows(const struct table *t)
{
    return t->cells / t->columns - 1;
}

/* Characters, not bytes: UTF-8 continuation bytes take no room. */
static int width(const char *text)
{
    int n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

void table_print(const struct table *t, FILE *out)
{
    int widths[TABLE_COLUMNS_MAX] = { 0 };
    for (size_t i = 0; i < t->cells; i++) {
        int w = width(t->at[i]);
        if (w > widths[i % t->columns])
            widths[i % t->columns] = w;
    }
    for (size_t i = 0; i < t->cells; i++) {
        size_t c = i % t->columns;
        int pad = widths[c] - width(t->at[i]);
        bool last = c + 1 == t->columns;
        if (t->color && i == 0)
            fputs("\033[1m", out);
        if (t->number[c])
            fprintf(out, "%*s%s", pad, "", t->at[i]);
        else
            fprintf(out, "%s%*s", t->at[i], last ? 0 : pad, "");
        if (t->color && last && i < t->columns)
            fputs("\033[0m", out);
        fputs(last ? "\n" : "  ", out);
    }
}
