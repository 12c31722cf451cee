#include "gateway/conf/errors.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/json.h"
#include "gateway/base/mem.h"

struct entry {
    const char *file;
    unsigned file_rank; /* 0 is the file mentioned first */
    unsigned line, column;
    unsigned order; /* keeps entries of one place in the order they were found */
    bool warning;
    const char *text;
};

struct conf_errors {
    struct arena *arena;
    struct entry entries[CONF_ERRORS_MAX];
    size_t kept, errors, warnings;
    unsigned files;
    bool sorted;
};

struct conf_errors *conf_errors_new(void)
{
    struct conf_errors *e = mem_zero(sizeof *e);
    e->arena = arena_new(4096);
    return e;
}

void conf_errors_free(struct conf_errors **errors)
{
    if (!*errors)
        return;
    arena_free(&(*errors)->arena);
    free(*errors);
    *errors = NULL;
}

static void entry_set_file(struct conf_errors *e, struct entry *entry, const char *file)
{
    for (size_t i = 0; i < e->kept; i++) {
        if (strcmp(e->entries[i].file, file) != 0)
            continue;
        entry->file = e->entries[i].file;
        entry->file_rank = e->entries[i].file_rank;
        return;
    }
    entry->file = arena_strndup(e->arena, file, strlen(file));
    entry->file_rank = e->files++;
}

static void add(struct conf_errors *e, bool warning, struct conf_pos pos, const char *fmt,
                va_list ap) __attribute__((format(printf, 4, 0)));

/* An entry is one line, whatever the user's text in it is. */
static void keep_one_line(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = '?';
}

static void add(struct conf_errors *e, bool warning, struct conf_pos pos, const char *fmt,
                va_list ap)
{
    if (warning)
        e->warnings++;
    else
        e->errors++;
    if (e->kept == CONF_ERRORS_MAX)
        return;
    char text[1024];
    vsnprintf(text, sizeof text, fmt, ap);
    keep_one_line(text);
    struct entry *entry = &e->entries[e->kept];
    entry_set_file(e, entry, pos.file ? pos.file : "");
    entry->line = pos.line;
    entry->column = pos.column;
    entry->order = (unsigned)e->kept;
    entry->warning = warning;
    entry->text = arena_strndup(e->arena, text, strlen(text));
    e->kept++;
    e->sorted = false;
}

void conf_error(struct conf_errors *e, struct conf_pos pos, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add(e, false, pos, fmt, ap);
    va_end(ap);
}

void conf_warning(struct conf_errors *e, struct conf_pos pos, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add(e, true, pos, fmt, ap);
    va_end(ap);
}

size_t conf_errors_count(const struct conf_errors *e)
{
    return e->errors;
}

size_t conf_warnings_count(const struct conf_errors *e)
{
    return e->warnings;
}

static int order_of(unsigned a, unsigned b)
{
    return (a > b) - (a < b);
}

static int compare(const void *pa, const void *pb)
{
    const struct entry *a = pa, *b = pb;
    int c = order_of(a->file_rank, b->file_rank);
    if (c == 0)
        c = order_of(a->line, b->line);
    if (c == 0)
        c = order_of(a->column, b->column);
    return c ? c : order_of(a->order, b->order);
}

static void sort(struct conf_errors *e)
{
    if (!e->sorted)
        qsort(e->entries, e->kept, sizeof e->entries[0], compare);
    e->sorted = true;
}

void conf_errors_put_text(struct conf_errors *e, struct buf *out)
{
    sort(e);
    for (size_t i = 0; i < e->kept; i++) {
        const struct entry *entry = &e->entries[i];
        buf_puts(out, entry->file);
        if (entry->line > 0)
            buf_printf(out, ":%u:%u", entry->line, entry->column);
        buf_printf(out, ": %s%s\n", entry->warning ? "warning: " : "", entry->text);
    }
    if (e->errors + e->warnings > e->kept)
        buf_printf(out, "and %zu more\n", e->errors + e->warnings - e->kept);
}

void conf_errors_put_json(struct conf_errors *e, struct buf *out)
{
    sort(e);
    json_open(out, '[');
    for (size_t i = 0; i < e->kept; i++) {
        const struct entry *entry = &e->entries[i];
        json_open(out, '{');
        json_cstr(out, "file", entry->file);
        json_int(out, "line", entry->line);
        json_int(out, "column", entry->column);
        json_cstr(out, "level", entry->warning ? "warning" : "error");
        json_cstr(out, "text", entry->text);
        json_close(out, '}');
    }
    json_close(out, ']');
}
