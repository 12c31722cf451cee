/*
 * conf/yaml_tree — a YAML file as a tree of nodes that know their place
 *
 *   The part of YAML that configuration needs: maps with text keys, lists, texts, and null
 *   (nothing, `~` or `null` without quotes). Anchors, aliases, tags and further documents are
 *   refused, duplicate keys are errors, depth, nodes and size are limited: what a file means can
 *   be seen by reading it.
 *
 *   Nodes live in the arena; `file` must outlive them. This is the only module that knows libyaml.
 */
#ifndef WAYPOST_CONF_YAML_TREE_H
#define WAYPOST_CONF_YAML_TREE_H

#include "gateway/base/mem.h"
#include "gateway/conf/errors.h"

enum { YAML_DEPTH_MAX = 32, YAML_NODES_MAX = 500000 };

enum node_kind { NODE_NULL, NODE_TEXT, NODE_LIST, NODE_MAP };

struct yaml_node {
    enum node_kind kind;
    struct conf_pos pos;
    struct slice text; /* NODE_TEXT: UTF-8, NUL-terminated */
    struct yaml_entry *entries;
    size_t n;
};

struct yaml_entry {
    struct slice key; /* NODE_MAP */
    struct conf_pos key_pos;
    struct yaml_node *value;
};

/* NULL and at least one error when the text cannot be read; an empty file is an empty map.
 * Duplicate keys are reported, the first one stays in the tree. */
struct yaml_node *yaml_tree_parse(struct arena *arena, const char *file, struct slice text,
                                  struct conf_errors *errors);

/* The value of a key, NULL when the node is not a map or has no such key. */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);
const char *node_kind_name(enum node_kind kind); /* "nothing", "a text", "a list", "a map" */

/* Writes the tree as YAML that reads back as an equal tree. */
void yaml_tree_put(const struct yaml_node *node, struct buf *out);
bool yaml_tree_equal(const struct yaml_node *a, const struct yaml_node *b); /* not the places */

#endif
