/*
 * conf/diff — what a reload would change, found by walking two structs along the tables
 *
 *   Lists of named maps are compared by name, others by place. Values are shown as written; secrets
 *   and files by whether they changed.
 */
#include <string.h>

#include "gateway/conf/schema.h"

enum { VALUE_SHOWN = 2000, PATH_MAX_LENGTH = 200 };

struct differ {
    struct buf *out;
    size_t lines;
};

static void diff_section(struct differ *d, const struct conf_section *s, const char *path,
                         const char *was, const char *is);

static void put_value(const struct conf_key *key, const void *value, struct buf *out)
{
    const struct conf_type *element = key->type->element;
    if (!element) {
        key->type->put(key, value, out);
        return;
    }
    struct conf_list list = list_get(value);
    if (list.n == 0)
        buf_puts(out, "none");
    for (size_t i = 0; i < list.n; i++) {
        if (i > 0)
            buf_puts(out, ", ");
        element->put(key, (const char *)list.at + i * element->size, out);
    }
}

static void diff_value(struct differ *d, const struct conf_key *key, const char *path,
                       const void *was, const void *is)
{
    struct buf a, b;
    buf_init(&a, VALUE_SHOWN);
    buf_init(&b, VALUE_SHOWN);
    put_value(key, was, &a);
    put_value(key, is, &b);
    if (!slice_eq(buf_slice(&a), buf_slice(&b))) {
        d->lines++;
        if (key->flags & KEY_SECRET)
            buf_printf(d->out, "%s%s: changed\n", path, key->name);
        else
            buf_printf(d->out, "%s%s: %.*s -> %.*s\n", path, key->name, SLICE_FMT(buf_slice(&a)),
                       SLICE_FMT(buf_slice(&b)));
    }
    buf_free(&a);
    buf_free(&b);
}

/* The key that names an entry of a list or dict: its name, or what it begins with (an address, a
 * network). NULL: entries are known by their place. */
static const struct conf_key *naming_key(const struct conf_section *s)
{
    if (s->label)
        return s->label;
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->keys[i].name, "name") == 0 && (s->keys[i].flags & KEY_REQUIRED))
            return &s->keys[i];
    return s->keys[0].flags & KEY_REQUIRED ? &s->keys[0] : NULL;
}

static void put_entry_name(const struct conf_section *s, const char *list, const char *entry,
                           size_t i, struct buf *out)
{
    const struct conf_key *name = naming_key(s);
    buf_printf(out, "%s ", list);
    if (name)
        name->type->put(name, entry + name->at, out);
    else
        buf_printf(out, "%zu", i + 1);
}

static const char *find_entry(const struct conf_section *s, struct conf_list in, size_t i,
                              const char *entry)
{
    const struct conf_key *name = naming_key(s);
    struct buf wanted, found;
    const char *result = NULL;
    if (!name)
        return i < in.n ? (const char *)in.at + i * s->size : NULL;
    buf_init(&wanted, VALUE_SHOWN);
    buf_init(&found, VALUE_SHOWN);
    name->type->put(name, entry + name->at, &wanted);
    for (size_t k = 0; !result && k < in.n; k++) {
        const char *candidate = (const char *)in.at + k * s->size;
        buf_clear(&found);
        name->type->put(name, candidate + name->at, &found);
        if (slice_eq(buf_slice(&wanted), buf_slice(&found)))
            result = candidate;
    }
    buf_free(&wanted);
    buf_free(&found);
    return result;
}

static void diff_entry(struct differ *d, const struct conf_section *s, const char *name,
                       const char *was, const char *is)
{
    struct buf path;
    buf_init(&path, PATH_MAX_LENGTH);
    buf_printf(&path, "%s: ", name);
    buf_putc(&path, '\0');
    if (s->single)
        diff_value(d, &s->keys[0], buf_slice(&path).p, was + s->keys[0].at, is + s->keys[0].at);
    else
        diff_section(d, s, path.full ? "" : buf_slice(&path).p, was, is);
    buf_free(&path);
}

static void diff_list(struct differ *d, const struct conf_key *key, const char *path,
                      const void *was_list, const void *is_list)
{
    const struct conf_section *s = key->more;
    struct conf_list was = list_get(was_list), is = list_get(is_list);
    struct buf name;
    buf_init(&name, PATH_MAX_LENGTH);
    for (size_t i = 0; i < was.n + is.n; i++) {
        bool removed = i < was.n; /* first what went, then what came or changed */
        size_t k = removed ? i : i - was.n;
        const char *entry = (const char *)(removed ? was.at : is.at) + k * s->size;
        const char *other = find_entry(s, removed ? is : was, k, entry);
        buf_clear(&name);
        buf_puts(&name, path);
        put_entry_name(s, key->name, entry, k, &name);
        buf_putc(&name, '\0');
        if (!other) {
            d->lines++;
            buf_printf(d->out, "%s: %s\n", buf_slice(&name).p, removed ? "removed" : "added");
        } else if (!removed) {
            diff_entry(d, s, buf_slice(&name).p, other, entry);
        }
    }
    buf_free(&name);
}

static void diff_key(struct differ *d, const struct conf_key *key, const char *path,
                     const char *was, const char *is)
{
    if (key->type == &type_sections || key->type == &type_dict) {
        diff_list(d, key, path, was, is);
    } else if (key->type == &type_section) {
        struct buf inner;
        buf_init(&inner, PATH_MAX_LENGTH);
        buf_printf(&inner, "%s%s.", path, key->name);
        buf_putc(&inner, '\0');
        diff_section(d, key->more, buf_slice(&inner).p, was, is);
        buf_free(&inner);
    } else {
        diff_value(d, key, path, was, is);
    }
}

static void diff_section(struct differ *d, const struct conf_section *s, const char *path,
                         const char *was, const char *is)
{
    for (size_t i = 0; i < s->n; i++)
        diff_key(d, &s->keys[i], path, was + s->keys[i].at, is + s->keys[i].at);
}

/* Named entries whose order decides (first match wins): a new order is a change too. */
static void diff_route_order(struct differ *d, const struct conf *was, const struct conf *is)
{
    size_t last = 0;
    for (size_t i = 0; i < is->rules.routes.n; i++)
        for (size_t k = 0; k < was->rules.routes.n; k++) {
            if (!slice_eq(is->rules.routes.at[i].name, was->rules.routes.at[k].name))
                continue;
            if (k < last) {
                d->lines++;
                buf_puts(d->out, "routes: in another order\n");
                return;
            }
            last = k;
        }
}

size_t conf_diff(const struct conf *was, const struct conf *is, struct buf *out)
{
    static const struct conf_key users = { .name = "user",
                                           .type = &type_dict,
                                           .more = &section_users_file };
    struct differ d = { .out = out };
    diff_section(&d, &section_root, "", (const char *)was, (const char *)is);
    diff_list(&d, &users, "", &was->users, &is->users);
    diff_section(&d, &section_policies, "", (const char *)&was->rules, (const char *)&is->rules);
    diff_route_order(&d, was, is);
    return d.lines;
}
