#include "gateway/admin/table.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"

enum { NOTE_INDENT = 4 };

struct note {
    size_t behind; /* so many cells */
    char *label, *text;
};

struct table {
    size_t columns, cells, room, notes, notes_room;
    bool number[TABLE_COLUMNS_MAX], color;
    char **at; /* heads, then rows */
    struct note *note;
};

/* A remote reply must not steer the terminal. */
static char *tame(const char *text)
{
    char *copy = mem_strdup(text);
    for (char *p = copy; *p; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    }
    return copy;
}

static void add(struct table *t, const char *text)
{
    if (t->cells == t->room) {
        t->room = t->room ? t->room * 2 : 64;
        t->at = mem_grow(t->at, t->room, sizeof *t->at);
    }
    t->at[t->cells++] = tame(text);
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
    for (size_t i = 0; i < t->notes; i++) {
        free(t->note[i].label);
        free(t->note[i].text);
    }
    free(t->at);
    free(t->note);
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

void table_note(struct table *t, const char *label, const char *text)
{
    if (!text[0])
        return;
    if (t->notes == t->notes_room) {
        t->notes_room = t->notes_room ? t->notes_room * 2 : 16;
        t->note = mem_grow(t->note, t->notes_room, sizeof *t->note);
    }
    t->note[t->notes++] = (struct note){ t->cells, tame(label), tame(text) };
}

size_t table_rows(const struct table *t)
{
    return t->cells / t->columns - 1;
}

/* Characters, not bytes: UTF-8 continuation bytes take no room. */
static int width_of(const char *text, size_t bytes)
{
    int n = 0;
    for (size_t i = 0; i < bytes; i++)
        n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}

static int width(const char *text)
{
    return width_of(text, strlen(text));
}

/* Word by word; a word that is longer than a line has one of its own. */
static void print_note(const struct note *note, FILE *out)
{
    int at = fprintf(out, "%*s", NOTE_INDENT, "");
    bool first = true;
    if (note->label[0]) {
        fprintf(out, "%s: ", note->label);
        at += width(note->label) + 2;
    }
    for (const char *word = note->text; *word;) {
        size_t n = strcspn(word, " ");
        int wide = width_of(word, n);
        if (!first && at + 1 + wide > TABLE_WIDTH)
            at = fprintf(out, "\n%*s", 2 * NOTE_INDENT, "") - 1;
        else if (!first)
            at += fprintf(out, " ");
        fprintf(out, "%.*s", (int)n, word);
        at += wide;
        first = false;
        word += n + strspn(word + n, " ");
    }
    fputc('\n', out);
}

void table_print(const struct table *t, FILE *out)
{
    int widths[TABLE_COLUMNS_MAX] = { 0 };
    size_t noted = 0;
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
        for (; noted < t->notes && t->note[noted].behind == i + 1; noted++)
            print_note(&t->note[noted], out);
    }
}
