/*
 * conf/yaml_node — looks into trees, writes and compares them
 */
#include "gateway/conf/yaml_tree.h"

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
    if (map->kind != NODE_MAP)
        return NULL;
    for (size_t i = 0; i < map->n; i++)
        if (slice_eq_str(map->entries[i].key, key))
            return map->entries[i].value;
    return NULL;
}

const char *node_kind_name(enum node_kind kind)
{
    static const char *const names[] = { "nothing", "a text", "a list", "a map" };
    return names[kind];
}

/* The code point at s.p[*i] of valid UTF-8; *i moves behind it. */
static unsigned code_point(struct slice s, size_t *i)
{
    unsigned char lead = (unsigned char)s.p[(*i)++];
    unsigned more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 0;
    unsigned c = more ? lead & (0x3fu >> more) : lead;
    for (; more > 0 && *i < s.n; more--)
        c = c << 6 | ((unsigned char)s.p[(*i)++] & 0x3f);
    return c;
}

/* Double-quoted, all but printable ASCII as escapes: some of the rest are line breaks to YAML. */
static void put_text(struct slice s, struct buf *out)
{
    buf_putc(out, '"');
    for (size_t i = 0; i < s.n;) {
        unsigned c = code_point(s, &i);
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", (char)c);
        else if (c < 0x20 || c > 0x7e)
            buf_printf(out, "\\U%08x", c);
        else
            buf_putc(out, (char)c);
    }
    buf_putc(out, '"');
}

static void put_children(const struct yaml_node *node, struct buf *out)
{
    for (size_t i = 0; i < node->n; i++) {
        if (i > 0)
            buf_puts(out, ", ");
        if (node->kind == NODE_MAP) {
            buf_puts(out, "? "); /* the explicit form: a key may be longer than 1024 characters */
            put_text(node->entries[i].key, out);
            buf_puts(out, " : ");
        }
        yaml_tree_put(node->entries[i].value, out);
    }
}

void yaml_tree_put(const struct yaml_node *node, struct buf *out)
{
    switch (node->kind) {
    case NODE_NULL:
        buf_puts(out, "~");
        break;
    case NODE_TEXT:
        put_text(node->text, out);
        break;
    case NODE_LIST:
        buf_puts(out, "[ ");
        put_children(node, out);
        buf_puts(out, " ]");
        break;
    case NODE_MAP:
        buf_puts(out, "{ ");
        put_children(node, out);
        buf_puts(out, " }");
        break;
    }
}

bool yaml_tree_equal(const struct yaml_node *a, const struct yaml_node *b)
{
    if (a->kind != b->kind || a->n != b->n || !slice_eq(a->text, b->text))
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (!slice_eq(a->entries[i].key, b->entries[i].key) ||
            !yaml_tree_equal(a->entries[i].value, b->entries[i].value))
            return false;
    return true;
}
