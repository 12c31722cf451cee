#include "gateway/geo/mmdb_bytes.h"

#include <string.h>

#include "gateway/geo/mmdb_value.h"

enum {
    METADATA_MAX = 128 * 1024, /* the marker is within so many bytes of the end */
    SEPARATOR = 16             /* zero bytes between tree and data */
};

static const char marker[] = "\xab\xcd\xefMaxMind.com";

/* ---- metadata ---- */

static void take_fact(const struct section *s, struct slice key, const struct value *v,
                      struct mmdb_facts *f)
{
    uint64_t number = section_number(s, v);
    if (v->type == MMDB_TEXT && slice_eq_str(key, "database_type"))
        f->type = (struct slice){ (const char *)s->p + v->at, v->size };
    else if (slice_eq_str(key, "node_count"))
        f->node_count = number <= UINT32_MAX ? (uint32_t)number : 0;
    else if (slice_eq_str(key, "record_size"))
        f->record_size = (uint32_t)number;
    else if (slice_eq_str(key, "ip_version"))
        f->ip_version = (uint32_t)number;
    else if (slice_eq_str(key, "build_epoch"))
        f->build_epoch = number;
}

/* The library leaves memory behind when it meets other things in these two. */
static bool holds_texts(struct section *s, struct slice key, const struct value *v)
{
    bool list = slice_eq_str(key, "languages"), map = slice_eq_str(key, "description");
    size_t at = v->at;
    if ((!list && !map) || v->type != (list ? MMDB_ARRAY : MMDB_MAP))
        return !list && !map;
    for (size_t i = 0; i < v->size; i++) {
        if (map)
            section_next(s, &at);
        if (section_next(s, &at).type != MMDB_TEXT)
            return false;
    }
    return true;
}

static bool read_facts(struct section *s, struct mmdb_facts *f)
{
    struct value map = section_map(s, 0);
    size_t at = map.at;
    for (size_t i = 0; i < map.size; i++) {
        struct value key = section_next(s, &at);
        struct value v = section_next(s, &at);
        struct slice name = { (const char *)s->p + key.at, key.size };
        take_fact(s, name, &v, f);
        if (!holds_texts(s, name, &v))
            return false;
    }
    return true;
}

static enum rc check_metadata(const uint8_t *p, size_t n, struct mmdb_facts *facts_r,
                              struct err *err)
{
    struct section s;
    *facts_r = (struct mmdb_facts){ 0 };
    section_open(&s, p, n, err);
    enum rc rc = section_check(&s, 0);
    bool texts = rc == RC_OK && read_facts(&s, facts_r);
    section_close(&s);
    if (rc != RC_OK)
        return rc;
    const struct mmdb_facts *f = facts_r;
    bool good = texts && (f->record_size == 24 || f->record_size == 28 || f->record_size == 32) &&
                (f->ip_version == 4 || f->ip_version == 6) && f->node_count > 0;
    return good ? RC_OK : err_set(err, RC_CORRUPT, "its metadata make no sense");
}

/* Where the metadata begin; 0: nowhere. */
static size_t find_metadata(struct slice bytes)
{
    size_t width = sizeof marker - 1;
    size_t first = bytes.n > METADATA_MAX ? bytes.n - METADATA_MAX : 0;
    for (size_t at = bytes.n; at-- > first;) {
        if (bytes.n - at >= width && memcmp(bytes.p + at, marker, width) == 0)
            return at + width;
    }
    return 0;
}

/* ---- the search tree ---- */

static uint32_t big_endian(const uint8_t *p, size_t n)
{
    uint32_t number = 0;
    for (size_t i = 0; i < n; i++)
        number = number << 8 | p[i];
    return number;
}

static void read_node(const uint8_t *node, uint32_t record_size, uint32_t side_r[2])
{
    if (record_size == 28) {
        side_r[0] = (uint32_t)(node[3] >> 4) << 24 | big_endian(node, 3);
        side_r[1] = (uint32_t)(node[3] & 15) << 24 | big_endian(node + 4, 3);
        return;
    }
    size_t width = record_size / 8;
    side_r[0] = big_endian(node, width);
    side_r[1] = big_endian(node + width, width);
}

static enum rc check_record(struct section *data, uint32_t node_count, uint32_t record)
{
    if (record <= node_count)
        return RC_OK;
    size_t at = (size_t)record - node_count;
    if (at < SEPARATOR || at - SEPARATOR >= data->n)
        return err_set(data->err, RC_CORRUPT, "its search tree leads out of the file");
    return section_check(data, at - SEPARATOR);
}

static enum rc check_tree(struct slice bytes, size_t end, const struct mmdb_facts *f,
                          struct err *err)
{
    const uint8_t *tree = (const uint8_t *)bytes.p;
    size_t node_bytes = f->record_size / 4, tree_bytes = (size_t)f->node_count * node_bytes;
    if (tree_bytes + SEPARATOR > end)
        return err_set(err, RC_CORRUPT, "its search tree is cut off");
    struct section data;
    section_open(&data, tree + tree_bytes + SEPARATOR, end - tree_bytes - SEPARATOR, err);
    enum rc rc = RC_OK;
    for (size_t i = 0; i < f->node_count && rc == RC_OK; i++) {
        uint32_t side[2];
        read_node(tree + i * node_bytes, f->record_size, side);
        rc = check_record(&data, f->node_count, side[0]);
        if (rc == RC_OK)
            rc = check_record(&data, f->node_count, side[1]);
    }
    section_close(&data);
    return rc;
}

enum rc mmdb_bytes_check(struct slice bytes, struct mmdb_facts *facts_r, struct err *err)
{
    if (bytes.n == 0)
        return err_set(err, RC_CORRUPT, "it is empty");
    size_t at = find_metadata(bytes);
    if (at == 0)
        return err_set(err, RC_CORRUPT, "it is no MaxMind DB, or its end is missing");
    enum rc rc = check_metadata((const uint8_t *)bytes.p + at, bytes.n - at, facts_r, err);
    return rc == RC_OK ? check_tree(bytes, at - (sizeof marker - 1), facts_r, err) : rc;
}
