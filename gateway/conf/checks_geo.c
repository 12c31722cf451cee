/*
 * conf/checks_geo — what stands in `geo` twice: one of the two could never be found
 */
#include "gateway/base/map.h"
#include "gateway/conf/schema.h"

static void take_code(struct conf_reader *r, struct map *seen, const struct yaml_node *code,
                      const char *owner)
{
    if (code->kind != NODE_TEXT || code->text.n == 0)
        return;
    const char *before = map_get(seen, code->text);
    if (before)
        conf_error(r->errors, code->pos,
                   "found %s a second time, expected it once (first in \"%s\")", code->text.p,
                   before);
    else
        map_put(seen, code->text, (char *)(uintptr_t)owner);
}

/* name: code or list of codes */
static void check_codes(struct conf_reader *r, const struct yaml_node *names)
{
    struct map *seen = map_new();
    for (size_t i = 0; names && names->kind == NODE_MAP && i < names->n; i++) {
        const struct yaml_entry *e = &names->entries[i];
        if (e->value->kind == NODE_TEXT)
            take_code(r, seen, e->value, e->key.p);
        for (size_t k = 0; e->value->kind == NODE_LIST && k < e->value->n; k++)
            take_code(r, seen, e->value->entries[k].value, e->key.p);
    }
    map_free(&seen, NULL);
}

static void check_networks(struct conf_reader *r, const struct conf_geo *geo)
{
    struct map *seen = map_new();
    struct buf text;
    buf_init(&text, 2 * ADDR_TEXT_MAX);
    for (size_t i = 0; i < geo->networks.n; i++) {
        struct conf_geo_network *n = &geo->networks.at[i];
        if (n->network.base.family == ADDR_NONE)
            continue;
        buf_clear(&text);
        network_put(&text, &n->network);
        const struct conf_geo_network *before = map_get(seen, buf_slice(&text));
        if (!n->carrier.n && !n->region.n)
            conf_error(r->errors, n->pos, "found neither carrier nor region, expected one of them");
        if (before)
            conf_error(r->errors, n->pos,
                       "found the same network a second time, expected it once (first at line %u)",
                       before->pos.line);
        else
            map_put(seen, buf_slice(&text), n);
    }
    buf_free(&text);
    map_free(&seen, NULL);
}

void check_geo(struct conf_reader *r, const struct yaml_node *node, void *target)
{
    check_codes(r, yaml_get(node, "carriers"));
    check_codes(r, yaml_get(node, "regions"));
    check_networks(r, target);
}
