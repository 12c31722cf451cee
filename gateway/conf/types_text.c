/*
 * conf/types_text — forms of value: texts, names, paths, files
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/conf/schema.h"

#define PARSE(name)                                                                                \
    static bool name(struct conf_reader *r, const struct conf_key *key,                            \
                     const struct yaml_node *node, void *target)

enum { STRING_MAX = 1024, NAME_MAX_LENGTH = 64, HOST_MAX = 253, LABEL_MAX = 63 };

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool no_controls(struct slice s, char lowest)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < (unsigned char)lowest || s.p[i] == 0x7f)
            return false;
    return true;
}

static void put_slice(const struct conf_key *key, const void *value, struct buf *out)
{
    (void)key;
    const struct slice *s = value;
    if (s->n)
        buf_put_slice(out, *s);
    else
        buf_puts(out, "none");
}

static bool take(struct conf_reader *r, const struct yaml_node *node, void *target)
{
    *(struct slice *)target = reader_text(r, node->text);
    return true;
}

PARSE(parse_string)
{
    (void)key;
    struct slice s = node->text;
    return s.n > 0 && s.n <= STRING_MAX && no_controls(s, ' ') && take(r, node, target);
}

static void expect_string(const struct conf_key *key, struct buf *out)
{
    (void)key;
    buf_puts(out, "a text of 1 to 1024 bytes without control characters");
}

PARSE(parse_name)
{
    (void)key;
    struct slice s = node->text;
    bool good = s.n > 0 && s.n <= NAME_MAX_LENGTH;
    for (size_t i = 0; good && i < s.n; i++)
        good = is_alnum(s.p[i]) || strchr("-_.", s.p[i]) || (unsigned char)s.p[i] >= 0x80;
    return good && take(r, node, target);
}

static void expect_name(const struct conf_key *key, struct buf *out)
{
    (void)key;
    buf_puts(out, "a name of up to 64 letters, digits and - _ .");
}

static bool good_label(struct slice label)
{
    if (label.n == 0 || label.n > LABEL_MAX || label.p[0] == '-' || label.p[label.n - 1] == '-')
        return false;
    for (size_t i = 0; i < label.n; i++)
        if (!is_alnum(label.p[i]) && label.p[i] != '-' && label.p[i] != '_')
            return false;
    return true;
}

bool hostname_valid(struct slice s)
{
    struct slice label = s, rest = s;
    bool more = true, digits_only = true;
    if (s.n == 0 || s.n > HOST_MAX)
        return false;
    while (more) {
        more = slice_cut(rest, '.', &label, &rest);
        if (!good_label(label))
            return false;
    }
    for (size_t i = 0; i < label.n; i++)
        digits_only = digits_only && is_digit(label.p[i]);
    return !digits_only; /* 192.0.2.1 and its misspellings are no names */
}

PARSE(parse_hostname)
{
    (void)key;
    return hostname_valid(node->text) && take(r, node, target);
}

static void expect_hostname(const struct conf_key *key, struct buf *out)
{
    (void)key;
    buf_puts(out, "a host name such as gw1.example.net, no dot behind");
}

PARSE(parse_asn)
{
    (void)key;
    uint64_t number;
    struct slice s = node->text;
    return s.n > 2 && slice_starts_with(s, "AS") &&
           slice_to_u64((struct slice){ s.p + 2, s.n - 2 }, UINT32_MAX, &number) &&
           take(r, node, target);
}

static void expect_asn(const struct conf_key *key, struct buf *out)
{
    (void)key;
    buf_puts(out, "an AS number such as AS4134");
}

PARSE(parse_area)
{
    (void)key;
    struct slice s = node->text;
    bool good = s.n == 2 || (s.n >= 4 && s.n <= 6 && s.p[2] == '-');
    for (size_t i = 0; good && i < s.n; i++)
        good = i == 2 || (i < 2 ? is_upper(s.p[i]) : is_upper(s.p[i]) || is_digit(s.p[i]));
    return good && take(r, node, target);
}

static void expect_area(const struct conf_key *key, struct buf *out)
{
    (void)key;
    buf_puts(out, "a continent, country or subdivision code such as EU, DE, CN-BJ");
}

/* The path as seen from the folder of the file it stands in. */
static struct slice resolve(struct conf_reader *r, const struct yaml_node *node)
{
    char *path = bundle_resolve(node->pos.file, node->text);
    struct slice s = reader_text(r, slice_of(path));
    free(path);
    return s;
}

static bool good_path(struct slice s)
{
    return s.n > 0 && s.n < 4096 && no_controls(s, ' ');
}

PARSE(parse_path)
{
    (void)key;
    if (!good_path(node->text))
        return false;
    *(struct slice *)target = resolve(r, node);
    return true;
}

static void expect_path(const struct conf_key *key, struct buf *out)
{
    (void)key;
    buf_puts(out, "a path");
}

PARSE(parse_path_or_none)
{
    return node->text.n == 0 || parse_path(r, key, node, target);
}

static void expect_path_or_none(const struct conf_key *key, struct buf *out)
{
    (void)key;
    buf_puts(out, "a path, or \"\" for none");
}

PARSE(parse_existing)
{
    struct err err;
    if (!parse_path(r, key, node, target))
        return false;
    const struct slice *path = target;
    if (bundle_stat(r->bundle, path->p, &err) != RC_OK)
        conf_error(r->errors, node->pos, "found \"%s\", expected a file that is there: %s", path->p,
                   err.text);
    return true;
}

PARSE(parse_file)
{
    (void)key;
    struct conf_file *file = target;
    struct slice data;
    struct err err;
    if (!good_path(node->text))
        return false;
    file->path = resolve(r, node);
    file->pos = node->pos;
    if (bundle_get(r->bundle, file->path.p, &data, &err) == RC_OK)
        file->data = reader_text(r, data);
    else if (!r->in_default)
        conf_error(r->errors, node->pos, "found \"%s\", expected a file that can be read: %s",
                   file->path.p, err.text);
    return true;
}

PARSE(parse_database)
{
    struct conf_file *file = target;
    file->pos = node->pos;
    return parse_existing(r, key, node, &file->path);
}

static void put_file(const struct conf_key *key, const void *value, struct buf *out)
{
    const struct conf_file *file = value;
    put_slice(key, &file->path, out);
    if (file->data.n)
        buf_printf(out, " (contents %08jx)",
                   (uintmax_t)(slice_hash_stable(file->data) & 0xffffffff));
}

/* What crypt(5) calls a hashed passphrase with a prefix; a password in the clear is not one. */
PARSE(parse_hash)
{
    (void)key;
    struct slice s = node->text;
    bool good = s.n >= 13 && s.n < 384 && s.p[0] == '$' && no_controls(s, '!');
    return good && !memchr(s.p, ':', s.n) && take(r, node, target);
}

static void expect_hash(const struct conf_key *key, struct buf *out)
{
    (void)key;
    buf_puts(out, "a password hash such as \"$y$...\" (waypost hash-password makes one)");
}

#define TYPE(id, doc, c_type, put_fn)                                                              \
    const struct conf_type type_##id = { .name = (doc),                                            \
                                         .parse = parse_##id,                                      \
                                         .expected = expect_##id,                                  \
                                         .put = (put_fn),                                          \
                                         .size = sizeof(c_type) }
TYPE(string, "text", struct slice, put_slice);
TYPE(name, "name", struct slice, put_slice);
TYPE(hostname, "host name", struct slice, put_slice);
TYPE(asn, "AS number", struct slice, put_slice);
TYPE(area, "area code", struct slice, put_slice);
TYPE(path, "path", struct slice, put_slice);
TYPE(path_or_none, "path, \"\"", struct slice, put_slice);
TYPE(hash, "password hash", struct slice, put_slice);

const struct conf_type type_existing = { .name = "path of a file",
                                         .parse = parse_existing,
                                         .expected = expect_path,
                                         .put = put_slice,
                                         .size = sizeof(struct slice) };
const struct conf_type type_file = { .name = "path of a file",
                                     .parse = parse_file,
                                     .expected = expect_path,
                                     .put = put_file,
                                     .size = sizeof(struct conf_file) };
const struct conf_type type_database = { .name = "path of a file",
                                         .parse = parse_database,
                                         .expected = expect_path,
                                         .put = put_file,
                                         .size = sizeof(struct conf_file) };

const struct conf_type type_names = { .name = "name or list", .element = &type_name };
const struct conf_type type_asns = { .name = "AS number or list", .element = &type_asn };
const struct conf_type type_areas = { .name = "area code or list", .element = &type_area };
