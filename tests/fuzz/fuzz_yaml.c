/*
 * tests/fuzz/fuzz_yaml — any bytes as YAML, as waypost.yaml and as policies.yaml
 *
 *   Never crashes; what cannot be read has an error with its place; a tree that was read reads back
 *   equal after it was written; loading twice says the same twice.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/conf/yaml_tree.h"
#include "policies/policies.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char waypost[] = "hostname: gw1.example.net\n"
                              "listen: [ { address: \"127.0.0.1:25\" } ]\n"
                              "clients: [ { network: 127.0.0.0/8, name: office } ]\n"
                              "egress: [ { name: a }, { name: b } ]\n"
                              "policies: policies.yaml\n";

static void round_trip(struct slice text)
{
    struct conf_errors *errors = conf_errors_new();
    struct arena *arena = arena_new(4096);
    struct buf written;
    buf_init(&written, 64u << 20);
    struct yaml_node *tree = yaml_tree_parse(arena, "x", text, errors);
    if (!tree) {
        assert(conf_errors_count(errors) > 0);
    } else if (conf_errors_count(errors) == 0) {
        yaml_tree_put(tree, &written);
        assert(!written.full);
        struct yaml_node *again = yaml_tree_parse(arena, "y", buf_slice(&written), errors);
        assert(again && conf_errors_count(errors) == 0);
        assert(yaml_tree_equal(tree, again));
    }
    buf_free(&written);
    arena_free(&arena);
    conf_errors_free(&errors);
}

/* The text of everything found; the caller frees it. */
static char *load(struct slice main_file, struct slice rules)
{
    struct bundle *b = bundle_new();
    struct conf_errors *errors = conf_errors_new();
    struct policies *p = NULL;
    struct buf text;
    bundle_put(b, "waypost.yaml", main_file);
    bundle_put(b, "policies.yaml", rules);
    bundle_put(b, "p", slice_of("secret\n"));
    enum rc rc = policies_load(b, "waypost.yaml", &p, errors);
    assert((rc == RC_OK) == (p != NULL));
    assert((rc == RC_OK) == (conf_errors_count(errors) == 0));
    buf_init(&text, 4u << 20);
    conf_errors_put_text(errors, &text);
    for (struct slice rest = buf_slice(&text), line; slice_cut(rest, '\n', &line, &rest);)
        assert(slice_starts_with(line, "waypost.yaml:") ||
               slice_starts_with(line, "policies.yaml:") || slice_starts_with(line, "and "));
    policies_unref(&p);
    conf_errors_free(&errors);
    bundle_free(&b);
    return buf_take(&text, NULL);
}

static void load_twice(struct slice main_file, struct slice rules)
{
    char *first = load(main_file, rules), *second = load(main_file, rules);
    assert(strcmp(first, second) == 0);
    free(first);
    free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = { (const char *)data, size };
    if (size > 65536)
        return 0;
    round_trip(text);
    load_twice(text, SLICE_LIT("routes: []\n"));
    load_twice(slice_of(waypost), text);
    return 0;
}
