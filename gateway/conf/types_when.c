/*
 * conf/types_when — forms of value: patterns and `when`
 *
 *   The keys and shapes are checked here; what a pattern means is checked when policies/ compiles
 *   it.
 */
#include <string.h>

#include "gateway/conf/schema.h"

const char *const when_key_names[WHEN_KEYS + 1] = {
    "sender",
    "recipient",
    "sender_domain",
    "recipient_domain",
    "client",
    "user",
    "header",
    "size",
    "mx",
    "site",
    "recipient_carrier",
    "recipient_region",
    "priority",
    "time",
    "provider",
    "egress",
    "text",
    NULL,
};

static bool parse_pattern(struct conf_reader *r, const struct conf_key *key,
                          const struct yaml_node *node, void *target)
{
    enum { PATTERN_MAX = 512 };
    (void)key;
    struct conf_text *text = target;
    if (node->text.n == 0 || node->text.n > PATTERN_MAX)
        return false;
    for (size_t i = 0; i < node->text.n; i++)
        if ((unsigned char)node->text.p[i] < 0x20)
            return false;
    *text = (struct conf_text){ reader_text(r, node->text), node->pos };
    return true;
}

static void expect_pattern(const struct conf_key *key, struct buf *out)
{
    (void)key;
    buf_puts(out, "a pattern of 1 to 512 bytes such as \"*@example.net\"");
}

static void put_pattern(const struct conf_key *key, const void *value, struct buf *out)
{
    (void)key;
    const struct conf_text *text = value;
    buf_put_slice(out, text->text);
}

const struct conf_type type_pattern = { .name = "pattern",
                                        .parse = parse_pattern,
                                        .expected = expect_pattern,
                                        .put = put_pattern,
                                        .size = sizeof(struct conf_text) };
const struct conf_type type_patterns = { .name = "pattern or list", .element = &type_pattern };

/* How the patterns of any `when` key are read. */
static const struct conf_key patterns_key = { .type = &type_patterns, .flags = KEY_NONZERO };

/* `replies` and `traffic` name in `more` what theirs may ask for besides. */
static bool term_allowed(const struct conf_key *key, size_t term)
{
    const char *more = key->more;
    bool of_reply = more && slice_eq_str(slice_of(more), "text");
    if (term == WHEN_TEXT)
        return of_reply;
    if (term == WHEN_HEADER) /* not at hand any more when a reply comes */
        return !of_reply;
    if (term == WHEN_PROVIDER || term == WHEN_EGRESS)
        return more && slice_eq_str(slice_of(more), "egress");
    return true;
}

static void unknown_term(struct conf_reader *r, const struct conf_key *key,
                         const struct yaml_entry *e)
{
    const char *names[WHEN_KEYS + 1];
    size_t n = 0;
    for (size_t i = 0; i < WHEN_KEYS; i++)
        if (term_allowed(key, i))
            names[n++] = when_key_names[i];
    names[n++] = "not";
    if (!slice_eq_str(e->key, when_key_names[WHEN_HEADER])) {
        unknown_key(r, e, names, n);
        return;
    }
    struct buf list;
    buf_init(&list, 900);
    for (size_t i = 0; i < n; i++)
        buf_printf(&list, " %s", names[i]);
    struct slice all = buf_slice(&list);
    conf_error(r->errors, e->key_pos,
               "found \"header\", expected one of those known when a reply comes:%.*s",
               SLICE_FMT(all));
    buf_free(&list);
}

/* Each header of the map becomes a term of its own: they are joined by and, like all keys. */
static size_t read_headers(struct conf_reader *r, const struct yaml_entry *e,
                           struct conf_term *terms)
{
    if (e->value->kind != NODE_MAP || e->value->n == 0) {
        read_expected(r, e->value, "a map of header names, such as { X-Priority: \"1*\" }");
        return 0;
    }
    for (size_t i = 0; i < e->value->n; i++) {
        const struct yaml_entry *h = &e->value->entries[i];
        terms[i] = (struct conf_term){ .key = WHEN_HEADER,
                                       .header = reader_text(r, h->key),
                                       .pos = h->key_pos };
        if (h->key.n > CONF_HEADER_NAME_MAX)
            conf_error(r->errors, h->key_pos,
                       "found a header name of %zu bytes, expected at most %d", h->key.n,
                       CONF_HEADER_NAME_MAX);
        for (size_t k = 0; k < h->key.n; k++)
            if (h->key.p[k] <= ' ' || h->key.p[k] > '~' || h->key.p[k] == ':') {
                conf_error(r->errors, h->key_pos, "found \"%.60s\", expected a header name",
                           h->key.p);
                break;
            }
        key_read(r, &patterns_key, h->value, &terms[i].patterns);
    }
    return e->value->n;
}

static size_t read_term(struct conf_reader *r, const struct conf_key *key,
                        const struct yaml_entry *e, struct conf_term *term)
{
    for (size_t i = 0; i < WHEN_KEYS; i++) {
        if (!slice_eq_str(e->key, when_key_names[i]) || !term_allowed(key, i))
            continue;
        if (i == WHEN_HEADER)
            return read_headers(r, e, term);
        *term = (struct conf_term){ .key = (enum when_key)i, .pos = e->key_pos };
        key_read(r, &patterns_key, e->value, &term->patterns);
        return 1;
    }
    unknown_term(r, key, e);
    return 0;
}

static size_t terms_max(const struct yaml_node *node)
{
    size_t n = node->n;
    for (size_t i = 0; i < node->n; i++)
        n += node->entries[i].value->n;
    return n;
}

static void read_when(struct conf_reader *r, const struct conf_key *key,
                      const struct yaml_node *node, void *target)
{
    struct conf_when *when = target;
    if (node->kind != NODE_MAP) {
        read_expected(r, node, "a map of conditions, such as { sender: \"*@example.net\" }");
        return;
    }
    when->terms.at = arena_alloc(r->arena, (terms_max(node) + 1) * sizeof(struct conf_term));
    for (size_t i = 0; i < node->n; i++) {
        const struct yaml_entry *e = &node->entries[i];
        if (slice_eq_str(e->key, "not")) {
            when->negated = arena_alloc(r->arena, sizeof *when->negated);
            read_when(r, key, e->value, when->negated);
            continue;
        }
        when->terms.n += read_term(r, key, e, &when->terms.at[when->terms.n]);
    }
}

static void put_when(const struct conf_key *key, const void *value, struct buf *out)
{
    const struct conf_when *when = value;
    buf_putc(out, '{');
    for (size_t i = 0; i < when->terms.n; i++) {
        const struct conf_term *t = &when->terms.at[i];
        buf_printf(out, "%s%s", i ? ", " : " ", when_key_names[t->key]);
        if (t->key == WHEN_HEADER)
            buf_printf(out, " %s", t->header.p);
        buf_putc(out, ':');
        for (size_t k = 0; k < t->patterns.n; k++)
            buf_printf(out, "%s%s", k ? " | " : " ", t->patterns.at[k].text.p);
    }
    if (when->negated) {
        buf_puts(out, when->terms.n ? ", not: " : " not: ");
        put_when(key, when->negated, out);
    }
    buf_puts(out, " }");
}

const struct conf_type type_when = { .name = "when", .read = read_when, .put = put_when };
