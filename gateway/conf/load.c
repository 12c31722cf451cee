/*
 * conf/load — from a bundle to a struct conf
 */
#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/conf/schema.h"

/* What the struct conf that callers see is embedded in. */
struct holder {
    struct conf conf; /* first: a struct conf pointer is a holder pointer */
    struct arena *arena;
    atomic_uint references;
};

static struct holder *holder_of(struct conf *conf)
{
    return (struct holder *)(void *)conf;
}

static struct conf *conf_new(void)
{
    struct holder *h = mem_zero(sizeof *h);
    h->arena = arena_new(16384);
    atomic_init(&h->references, 1);
    return &h->conf;
}

struct conf *conf_ref(struct conf *conf)
{
    atomic_fetch_add_explicit(&holder_of(conf)->references, 1, memory_order_relaxed);
    return conf;
}

/* The arena's memory is plain, so each secret in it is wiped by its owner here. */
static void wipe(struct slice s)
{
    if (s.n == 0)
        return;
    char *p;
    memcpy(&p, &s.p, sizeof p); /* ours to write: arena memory behind a read-only view */
    explicit_bzero(p, s.n);
}

static void wipe_secrets(struct conf *c)
{
    wipe(c->tls.key.data);
    wipe(c->spool.key_file.data);
    explicit_bzero(c->spool.key, sizeof c->spool.key);
    for (size_t i = 0; i < c->egress.n; i++) {
        wipe(c->egress.at[i].via.password);
        wipe(c->egress.at[i].via.password_file.data);
    }
    for (size_t i = 0; i < c->rules.routes.n; i++) {
        wipe(c->rules.routes.at[i].password);
        wipe(c->rules.routes.at[i].password_file.data);
    }
}

void conf_unref(struct conf **conf)
{
    if (!*conf)
        return;
    struct holder *h = holder_of(*conf);
    *conf = NULL;
    if (atomic_fetch_sub_explicit(&h->references, 1, memory_order_acq_rel) != 1)
        return;
    wipe_secrets(&h->conf);
    arena_free(&h->arena);
    free(h);
}

/* NULL and an error when the file cannot be read as YAML. */
static const struct yaml_node *read_file(struct conf_reader *r, const char *path,
                                         struct conf_pos asked_at)
{
    struct slice text;
    struct err err;
    if (bundle_get(r->bundle, path, &text, &err) == RC_OK)
        return yaml_tree_parse(r->nodes, arena_strndup(r->arena, path, strlen(path)), text,
                               r->errors);
    if (asked_at.line == 0)
        conf_error(r->errors, asked_at, "cannot be read: %s", err.text);
    else
        conf_error(r->errors, asked_at, "found \"%s\", expected a file that can be read: %s", path,
                   err.text);
    return NULL;
}

static int compare_users(const void *pa, const void *pb)
{
    const struct conf_user *a = pa, *b = pb;
    size_t n = a->name.n < b->name.n ? a->name.n : b->name.n;
    int c = n ? memcmp(a->name.p, b->name.p, n) : 0;
    return c ? c : (a->name.n > b->name.n) - (a->name.n < b->name.n);
}

const struct conf_user *conf_user_find(const struct conf *conf, struct slice name)
{
    struct conf_user wanted = { .name = name };
    if (conf->users.n == 0)
        return NULL;
    return bsearch(&wanted, conf->users.at, conf->users.n, sizeof wanted, compare_users);
}

static void read_users(struct conf_reader *r)
{
    static const struct conf_key key = { .name = "users",
                                         .type = &type_dict,
                                         .more = &section_users_file };
    struct conf *c = r->conf;
    const struct yaml_node *named = yaml_get(r->root, "users");
    if (c->users_path.n == 0)
        return;
    const struct yaml_node *node = read_file(r, c->users_path.p, named->pos);
    if (node)
        key_read(r, &key, node, &c->users);
    if (c->users.n > 0)
        qsort(c->users.at, c->users.n, sizeof c->users.at[0], compare_users);
}

static void read_policies(struct conf_reader *r)
{
    struct conf *c = r->conf;
    const struct yaml_node *named = yaml_get(r->root, "policies");
    const struct yaml_node *node = NULL;
    if (c->policies_path.n > 0)
        node = read_file(r, c->policies_path.p, named->pos);
    struct yaml_node empty = { .kind = NODE_MAP, .pos = { c->path.p, 1, 1 } };
    section_read(r, &section_policies, node ? node : &empty, &c->rules);
}

static bool read_all(struct conf_reader *r, const char *path)
{
    r->conf->path = reader_text(r, slice_of(path));
    r->root = read_file(r, path, (struct conf_pos){ path, 0, 0 });
    if (!r->root)
        return false;
    section_read(r, &section_root, r->root, r->conf);
    if (r->root->kind != NODE_MAP)
        return false;
    read_users(r);
    read_policies(r);
    checks_run(r);
    return true;
}

struct conf *conf_read(struct bundle *bundle, const char *path, struct conf_errors *errors)
{
    struct conf *conf = conf_new();
    struct conf_reader r = { .arena = holder_of(conf)->arena,
                             .nodes = arena_new(65536),
                             .bundle = bundle,
                             .errors = errors,
                             .conf = conf };
    if (!read_all(&r, path))
        conf_unref(&conf);
    arena_free(&r.nodes);
    return conf;
}

enum rc conf_load(struct bundle *bundle, const char *path, struct conf **conf_r,
                  struct conf_errors *errors)
{
    size_t before = conf_errors_count(errors);
    struct conf *conf = conf_read(bundle, path, errors);
    if (conf_errors_count(errors) > before) {
        conf_unref(&conf);
        return RC_PARSE;
    }
    *conf_r = conf;
    return RC_OK;
}
