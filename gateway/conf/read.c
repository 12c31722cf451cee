/*
 * conf/read — walks a YAML tree along the tables of conf/schema
 */
#include <assert.h>
#include <string.h>

#include "gateway/conf/schema.h"

struct slice reader_text(struct conf_reader *r, struct slice text)
{
    return (struct slice){ arena_strndup(r->arena, text.p, text.n), text.n };
}

/* {at, n} lists have typed pointers; copied bytewise so that no type is accessed as another. */
struct conf_list list_get(const void *list)
{
    struct conf_list value;
    memcpy(&value, list, sizeof value);
    return value;
}

void list_set(void *list, struct conf_list value)
{
    memcpy(list, &value, sizeof value);
}

void *list_alloc(struct conf_reader *r, void *list, size_t n, size_t size)
{
    struct conf_list value = { n ? arena_alloc(r->arena, n * size) : NULL, n };
    list_set(list, value);
    return value.at;
}

/* What the user sees of a value: short, and never a secret. */
static void put_found(struct buf *out, const struct conf_key *key, const struct yaml_node *node)
{
    enum { SHOWN = 60 };
    if (node->kind != NODE_TEXT) {
        buf_puts(out, node_kind_name(node->kind));
    } else if (key && (key->flags & KEY_SECRET)) {
        buf_puts(out, "a text");
    } else {
        bool cut = node->text.n > SHOWN;
        buf_putc(out, '"');
        buf_put(out, node->text.p, cut ? SHOWN : node->text.n);
        buf_puts(out, cut ? "...\"" : "\"");
    }
}

static void found_expected(struct conf_reader *r, const struct conf_key *key,
                           const struct yaml_node *node, const char *expected)
{
    struct buf found;
    buf_init(&found, 512);
    put_found(&found, key, node);
    struct slice s = buf_slice(&found);
    conf_error(r->errors, node->pos, "found %.*s, expected %s", SLICE_FMT(s), expected);
    buf_free(&found);
}

void read_expected(struct conf_reader *r, const struct yaml_node *node, const char *expected)
{
    found_expected(r, NULL, node, expected);
}

/* Of the choices the one that was probably meant. */
static void put_nearest(const struct conf_key *key, const struct yaml_node *node, struct buf *out)
{
    const char *const *names = key->more;
    size_t n = 0;
    while (names[n])
        n++;
    const char *near = nearest_name(node->text, names, n);
    if (near)
        buf_printf(out, "; did you mean %s?", near);
}

static void type_expected(struct conf_reader *r, const struct conf_key *key,
                          const struct conf_type *type, const struct yaml_node *node)
{
    struct buf expected;
    buf_init(&expected, 900);
    if (type->expected)
        type->expected(key, &expected);
    else
        buf_puts(&expected, type->name);
    if (type == &type_enum && node->kind == NODE_TEXT)
        put_nearest(key, node, &expected);
    buf_putc(&expected, '\0');
    found_expected(r, key, node, buf_slice(&expected).p);
    buf_free(&expected);
}

static void read_one(struct conf_reader *r, const struct conf_key *key,
                     const struct conf_type *type, const struct yaml_node *node, void *target)
{
    if (type->read)
        type->read(r, key, node, target);
    else if (node->kind != NODE_TEXT || !type->parse(r, key, node, target))
        type_expected(r, key, type, node);
}

/* A list is written as one value or as a list of them. */
static void read_list(struct conf_reader *r, const struct conf_key *key,
                      const struct yaml_node *node, void *target)
{
    const struct conf_type *element = key->type->element;
    size_t n = node->kind == NODE_LIST ? node->n : 1;
    if ((key->flags & KEY_NONZERO) && n == 0) {
        conf_error(r->errors, node->pos, "found an empty list, expected at least one value");
        return;
    }
    char *at = list_alloc(r, target, n, element->size);
    for (size_t i = 0; i < n; i++)
        read_one(r, key, element, node->kind == NODE_LIST ? node->entries[i].value : node,
                 at + i * element->size);
}

void key_read(struct conf_reader *r, const struct conf_key *key, const struct yaml_node *node,
              void *target)
{
    if (key->type->element)
        read_list(r, key, node, target);
    else
        read_one(r, key, key->type, node, target);
}

static const struct conf_key *key_find(const struct conf_section *s, struct slice name)
{
    for (size_t i = 0; i < s->n; i++)
        if (slice_eq_str(name, s->keys[i].name))
            return &s->keys[i];
    return NULL;
}

void unknown_key(struct conf_reader *r, const struct yaml_entry *e, const char *const *names,
                 size_t n)
{
    const char *near = nearest_name(e->key, names, n);
    struct buf list;
    buf_init(&list, 900);
    for (size_t i = 0; i < n; i++)
        buf_printf(&list, "%s%s", i ? " " : "", names[i]);
    struct slice all = buf_slice(&list);
    if (near)
        conf_error(r->errors, e->key_pos, "found unknown key \"%.60s\", expected \"%s\"?", e->key.p,
                   near);
    else
        conf_error(r->errors, e->key_pos, "found unknown key \"%.60s\", expected one of: %.*s",
                   e->key.p, SLICE_FMT(all));
    buf_free(&list);
}

static void unknown_in_section(struct conf_reader *r, const struct conf_section *s,
                               const struct yaml_entry *e)
{
    enum { NAMES_MAX = 64 };
    const char *names[NAMES_MAX];
    assert(s->n <= NAMES_MAX);
    for (size_t i = 0; i < s->n; i++)
        names[i] = s->keys[i].name;
    unknown_key(r, e, names, s->n);
}

static void read_default(struct conf_reader *r, const struct conf_key *key, struct conf_pos pos,
                         void *target)
{
    if (key->type == &type_section) {
        struct yaml_node empty = { .kind = NODE_MAP, .pos = pos };
        const struct conf_section *s = key->more;
        if (!(key->flags & KEY_OPTIONAL))
            section_read(r, s, &empty, target);
        return;
    }
    if (!key->value)
        return;
    struct yaml_node node = { .kind = NODE_TEXT, .pos = pos, .text = slice_of(key->value) };
    bool outer = r->in_default;
    r->in_default = true;
    key_read(r, key, &node, target);
    r->in_default = outer;
}

static void read_keys(struct conf_reader *r, const struct conf_section *s,
                      const struct yaml_node *node, char *target)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct conf_key *key = &s->keys[i];
        const struct yaml_node *value = yaml_get(node, key->name);
        if (value && value->kind == NODE_NULL)
            value = NULL; /* "key:" with nothing behind it is the default */
        if (value)
            key_read(r, key, value, target + key->at);
        else if (key->flags & KEY_REQUIRED)
            conf_error(r->errors, node->pos, "found no \"%s\", expected it here: %s", key->name,
                       key->help);
        else
            read_default(r, key, node->pos, target + key->at);
    }
}

static void look_at_names(struct conf_reader *r, const struct conf_section *s,
                          const struct yaml_node *node)
{
    for (size_t i = 0; i < node->n; i++) {
        const struct conf_key *key = key_find(s, node->entries[i].key);
        if (!key)
            unknown_in_section(r, s, &node->entries[i]);
    }
}

void section_read(struct conf_reader *r, const struct conf_section *s, const struct yaml_node *node,
                  void *target)
{
    if (s->has_pos)
        memcpy(target, &node->pos, sizeof node->pos);
    if (node->kind != NODE_MAP) {
        read_expected(r, node, "a map (key: value)");
        return;
    }
    look_at_names(r, s, node);
    read_keys(r, s, node, target);
    if (s->check)
        s->check(r, node, target);
}

static void read_section(struct conf_reader *r, const struct conf_key *key,
                         const struct yaml_node *node, void *target)
{
    section_read(r, key->more, node, target);
}

static void read_sections(struct conf_reader *r, const struct conf_key *key,
                          const struct yaml_node *node, void *target)
{
    const struct conf_section *s = key->more;
    if (node->kind != NODE_LIST) {
        read_expected(r, node, "a list of maps ( - { key: value } )");
        return;
    }
    if ((key->flags & KEY_NONZERO) && node->n == 0)
        conf_error(r->errors, node->pos, "found an empty list, expected at least one entry");
    char *at = list_alloc(r, target, node->n, s->size);
    for (size_t i = 0; i < node->n; i++)
        section_read(r, s, node->entries[i].value, at + i * s->size);
}

static void read_dict(struct conf_reader *r, const struct conf_key *key,
                      const struct yaml_node *node, void *target)
{
    const struct conf_section *s = key->more;
    if (node->kind != NODE_MAP) {
        read_expected(r, node, "a map (name: value)");
        return;
    }
    char *at = list_alloc(r, target, node->n, s->size);
    for (size_t i = 0; i < node->n; i++, at += s->size) {
        const struct yaml_entry *e = &node->entries[i];
        struct yaml_node name = { .kind = NODE_TEXT, .pos = e->key_pos, .text = e->key };
        if (s->single)
            key_read(r, &s->keys[0], e->value, at + s->keys[0].at);
        else
            section_read(r, s, e->value, at);
        key_read(r, s->label, &name, at + s->label->at);
    }
}

const struct conf_type type_section = { .name = "map", .read = read_section };
const struct conf_type type_sections = { .name = "list of maps", .read = read_sections };
const struct conf_type type_dict = { .name = "map of names", .read = read_dict };
