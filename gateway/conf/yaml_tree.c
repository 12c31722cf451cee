#include "gateway/conf/yaml_tree.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* A map or list being read. */
struct frame {
    struct yaml_node *node;
    struct yaml_entry *entries;
    size_t n, cap;
    bool have_key; /* the last entry waits for its value */
};

struct tree_parser {
    yaml_parser_t yaml;
    struct arena *arena;
    const char *file;
    struct slice text;
    struct conf_errors *errors;
    struct frame frames[YAML_DEPTH_MAX];
    size_t depth, nodes;
    struct yaml_node *root;
    bool failed;
};

static struct conf_pos pos_of(const struct tree_parser *p, yaml_mark_t mark)
{
    return (struct conf_pos){ p->file, (unsigned)mark.line + 1, (unsigned)mark.column + 1 };
}

static void fail(struct tree_parser *p, yaml_mark_t mark, const char *text)
{
    conf_error(p->errors, pos_of(p, mark), "%s", text);
    p->failed = true;
}

/* The reader's errors (bad UTF-8, control characters) come with an offset, not a mark. */
static yaml_mark_t mark_of_offset(const struct tree_parser *p, size_t offset)
{
    yaml_mark_t mark = { offset, 0, 0 };
    for (size_t i = 0; i < offset && i < p->text.n; i++) {
        mark.column++;
        if (p->text.p[i] == '\n') {
            mark.line++;
            mark.column = 0;
        }
    }
    return mark;
}

static void fail_yaml(struct tree_parser *p)
{
    const yaml_parser_t *y = &p->yaml;
    const char *problem = y->problem ? y->problem : "cannot be read as YAML";
    yaml_mark_t mark =
        y->error == YAML_READER_ERROR ? mark_of_offset(p, y->problem_offset) : y->problem_mark;
    conf_error(p->errors, pos_of(p, mark), "not YAML: %s%s%s", problem, y->context ? " " : "",
               y->context ? y->context : "");
    p->failed = true;
}

static struct yaml_node *node_new(struct tree_parser *p, enum node_kind kind,
                                  const yaml_event_t *event)
{
    struct yaml_node *node = arena_alloc(p->arena, sizeof *node);
    node->kind = kind;
    node->pos = pos_of(p, event->start_mark);
    if (++p->nodes > YAML_NODES_MAX)
        fail(p, event->start_mark, "more than 500000 values in one file");
    return node;
}

static struct yaml_entry *frame_grow(struct frame *f)
{
    if (f->n == f->cap) {
        f->cap = f->cap ? 2 * f->cap : 8;
        f->entries = mem_grow(f->entries, f->cap, sizeof f->entries[0]);
    }
    struct yaml_entry *entry = &f->entries[f->n++];
    *entry = (struct yaml_entry){ .value = NULL };
    return entry;
}

/* Hands a complete or opened node to what encloses it; a map takes key, value, key, value. */
static void attach(struct tree_parser *p, struct yaml_node *node, yaml_mark_t mark)
{
    if (p->depth == 0) {
        p->root = node;
        return;
    }
    struct frame *f = &p->frames[p->depth - 1];
    if (f->node->kind == NODE_LIST) {
        frame_grow(f)->value = node;
    } else if (f->have_key) {
        f->entries[f->n - 1].value = node;
        f->have_key = false;
    } else if (node->kind != NODE_TEXT || node->text.n == 0) {
        fail(p, mark, "found a key that is not a text, expected key: value");
    } else {
        struct yaml_entry *entry = frame_grow(f);
        entry->key = node->text;
        entry->key_pos = node->pos;
        f->have_key = true;
    }
}

static void open_frame(struct tree_parser *p, enum node_kind kind, const yaml_event_t *event)
{
    struct yaml_node *node = node_new(p, kind, event);
    attach(p, node, event->start_mark);
    if (p->depth == YAML_DEPTH_MAX) {
        fail(p, event->start_mark, "nested more than 32 deep");
        return;
    }
    p->frames[p->depth++] = (struct frame){ .node = node };
}

static int compare_keys(const void *pa, const void *pb)
{
    const struct yaml_entry *a = *(struct yaml_entry *const *)pa,
                            *b = *(struct yaml_entry *const *)pb;
    size_t n = a->key.n < b->key.n ? a->key.n : b->key.n;
    int c = memcmp(a->key.p, b->key.p, n);
    if (c == 0)
        c = (a->key.n > b->key.n) - (a->key.n < b->key.n);
    return c ? c : (a > b) - (a < b); /* equal keys in the order of the file */
}

/* Reports each repeated key once; entries->value is cleared for those that go. */
static void find_duplicates(struct tree_parser *p, struct frame *f)
{
    if (f->n < 2)
        return;
    struct yaml_entry **sorted = mem_array(f->n, sizeof(struct yaml_entry *));
    for (size_t i = 0; i < f->n; i++)
        sorted[i] = &f->entries[i];
    qsort(sorted, f->n, sizeof(struct yaml_entry *), compare_keys);
    const struct yaml_entry *first = sorted[0];
    for (size_t i = 1; i < f->n; i++) {
        if (!slice_eq(first->key, sorted[i]->key)) {
            first = sorted[i];
            continue;
        }
        conf_error(p->errors, sorted[i]->key_pos,
                   "found \"%.*s\" a second time, expected it once (first at line %u)",
                   SLICE_FMT(first->key), first->key_pos.line);
        sorted[i]->value = NULL;
    }
    free(sorted);
}

static void close_frame(struct tree_parser *p)
{
    struct frame *f = &p->frames[p->depth - 1];
    struct yaml_node *node = f->node;
    if (node->kind == NODE_MAP)
        find_duplicates(p, f);
    node->entries = arena_alloc(p->arena, (f->n + 1) * sizeof node->entries[0]);
    for (size_t i = 0; i < f->n; i++)
        if (f->entries[i].value)
            node->entries[node->n++] = f->entries[i];
    free(f->entries);
    p->depth--;
}

static bool is_null(const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    return event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (text[0] == 0 || strcmp(text, "~") == 0 || strcmp(text, "null") == 0);
}

static void read_scalar(struct tree_parser *p, const yaml_event_t *event)
{
    if (event->data.scalar.tag) {
        fail(p, event->start_mark, "found a tag, expected a plain value");
        return;
    }
    struct yaml_node *node = node_new(p, is_null(event) ? NODE_NULL : NODE_TEXT, event);
    if (node->kind == NODE_TEXT)
        node->text = (struct slice){ arena_strndup(p->arena, (const char *)event->data.scalar.value,
                                                   event->data.scalar.length),
                                     event->data.scalar.length };
    attach(p, node, event->start_mark);
}

static void read_event(struct tree_parser *p, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (p->root)
            fail(p, event->start_mark, "found a second document, expected one");
        break;
    case YAML_ALIAS_EVENT:
        fail(p, event->start_mark, "found an alias, expected the value itself");
        break;
    case YAML_SCALAR_EVENT:
        if (event->data.scalar.anchor)
            fail(p, event->start_mark, "found an anchor, expected a plain value");
        else
            read_scalar(p, event);
        break;
    case YAML_SEQUENCE_START_EVENT:
        if (event->data.sequence_start.anchor || event->data.sequence_start.tag)
            fail(p, event->start_mark, "found an anchor or tag, expected a plain list");
        else
            open_frame(p, NODE_LIST, event);
        break;
    case YAML_MAPPING_START_EVENT:
        if (event->data.mapping_start.anchor || event->data.mapping_start.tag)
            fail(p, event->start_mark, "found an anchor or tag, expected a plain map");
        else
            open_frame(p, NODE_MAP, event);
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        close_frame(p);
        break;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break;
    }
}

static void read_events(struct tree_parser *p)
{
    bool end = false;
    while (!end && !p->failed) {
        yaml_event_t event;
        if (!yaml_parser_parse(&p->yaml, &event)) {
            fail_yaml(p);
            break;
        }
        read_event(p, &event);
        end = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    while (p->depth > 0) /* only after a failure */
        free(p->frames[--p->depth].entries);
}

struct yaml_node *yaml_tree_parse(struct arena *arena, const char *file, struct slice text,
                                  struct conf_errors *errors)
{
    /* Editors of other systems put a byte order mark in front, which says nothing in UTF-8. */
    if (text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0)
        text = slice_skip(text, 3);
    struct tree_parser p = { .arena = arena, .file = file, .text = text, .errors = errors };
    if (!yaml_parser_initialize(&p.yaml)) {
        conf_error(errors, (struct conf_pos){ file, 0, 0 }, "no memory to read it");
        return NULL;
    }
    yaml_parser_set_encoding(&p.yaml, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&p.yaml, (const unsigned char *)(text.n ? text.p : ""), text.n);
    read_events(&p);
    yaml_parser_delete(&p.yaml);
    if (p.failed)
        return NULL;
    if (!p.root || p.root->kind == NODE_NULL) {
        p.root = arena_alloc(arena, sizeof *p.root);
        p.root->kind = NODE_MAP;
        p.root->pos = (struct conf_pos){ file, 1, 1 };
    }
    return p.root;
}
