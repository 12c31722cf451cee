#include "gateway/geo/mmdb_bytes.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"

enum {
    METADATA_MAX = 128 * 1024, /* the marker is within so many bytes of the end */
    SEPARATOR = 16,            /* zero bytes between tree and data */
    DEPTH_MAX = 24,            /* real databases nest to about five */
    STEPS_PER_BYTE = 8
};

enum mmdb_type {
    MMDB_POINTER = 1,
    MMDB_TEXT = 2,
    MMDB_DOUBLE = 3,
    MMDB_BYTES = 4,
    MMDB_U16 = 5,
    MMDB_U32 = 6,
    MMDB_MAP = 7,
    MMDB_I32 = 8,
    MMDB_U64 = 9,
    MMDB_U128 = 10,
    MMDB_ARRAY = 11,
    MMDB_BOOL = 14,
    MMDB_FLOAT = 15
};

static const char marker[] = "\xab\xcd\xefMaxMind.com";

/* One data section: what pointers in it are relative to. */
struct section {
    const uint8_t *p;
    size_t n;
    uint8_t *seen; /* a bit for each offset that was checked as a value */
    size_t steps;  /* left */
    struct err *err;
};

struct value {
    unsigned type;
    size_t size;  /* bytes, pairs or elements */
    size_t at;    /* of what follows the control bytes */
    size_t where; /* MMDB_POINTER: where it leads */
};

static enum rc wrong(const struct section *s, size_t at, const char *what)
{
    return err_set(s->err, RC_CORRUPT, "%s at byte %zu of its section", what, at);
}

static bool take(const struct section *s, size_t *at, size_t n, uint64_t *number_r)
{
    if (n > s->n || *at > s->n - n)
        return false;
    uint64_t number = 0;
    for (size_t i = 0; i < n; i++)
        number = number << 8 | s->p[(*at)++];
    *number_r = number;
    return true;
}

static bool take_pointer(const struct section *s, unsigned control, struct value *v)
{
    static const uint32_t base[] = { 0, 2048, 526336, 0 };
    unsigned width = control >> 3 & 3;
    uint64_t number;
    if (!take(s, &v->at, width + 1, &number))
        return false;
    if (width < 3)
        number |= (uint64_t)(control & 7) << (8 * (width + 1));
    v->where = number + base[width];
    return v->where < s->n;
}

static bool take_size(const struct section *s, unsigned control, struct value *v)
{
    static const uint32_t base[] = { 29, 285, 65821 };
    uint64_t number;
    v->size = control & 31;
    if (v->size < 29)
        return true;
    unsigned more = (unsigned)v->size - 28;
    if (!take(s, &v->at, more, &number))
        return false;
    v->size = base[more - 1] + number;
    return true;
}

/* The control bytes of the value at `at`. */
static bool take_head(const struct section *s, size_t at, struct value *v_r)
{
    uint64_t control, extended;
    *v_r = (struct value){ .at = at };
    if (!take(s, &v_r->at, 1, &control))
        return false;
    v_r->type = (unsigned)control >> 5;
    if (v_r->type == MMDB_POINTER)
        return take_pointer(s, (unsigned)control, v_r);
    if (v_r->type == 0) {
        if (!take(s, &v_r->at, 1, &extended) || extended == 0 || extended > MMDB_FLOAT - 7)
            return false;
        v_r->type = (unsigned)extended + 7;
    }
    return take_size(s, (unsigned)control, v_r);
}

static bool size_fits(const struct section *s, const struct value *v)
{
    static const uint8_t most[] = {
        [MMDB_U16] = 2,   [MMDB_U32] = 4,    [MMDB_I32] = 4,  [MMDB_U64] = 8,
        [MMDB_U128] = 16, [MMDB_DOUBLE] = 8, [MMDB_FLOAT] = 4
    };
    switch (v->type) {
    case MMDB_DOUBLE:
    case MMDB_FLOAT:
        if (v->size != most[v->type])
            return false;
        break;
    case MMDB_U16:
    case MMDB_U32:
    case MMDB_I32:
    case MMDB_U64:
    case MMDB_U128:
        if (v->size > most[v->type])
            return false;
        break;
    case MMDB_TEXT:
    case MMDB_BYTES:
        break;
    default:
        return false;
    }
    return v->size <= s->n - v->at;
}

static bool was_seen(struct section *s, size_t at)
{
    uint8_t bit = (uint8_t)(1u << (at & 7));
    bool seen = s->seen[at >> 3] & bit;
    s->seen[at >> 3] |= bit;
    return seen;
}

static enum rc check_value(struct section *s, size_t at, unsigned depth, size_t *end_r);

/* A pointer may lead to anything but a pointer. */
static enum rc check_target(struct section *s, const struct value *pointer, unsigned depth)
{
    struct value target;
    size_t end;
    if (!take_head(s, pointer->where, &target) || target.type == MMDB_POINTER)
        return wrong(s, pointer->where, "a pointer to nothing");
    return was_seen(s, pointer->where) ? RC_OK : check_value(s, pointer->where, depth, &end);
}

static enum rc check_key(struct section *s, size_t at, size_t *end_r)
{
    struct value key, target;
    if (!take_head(s, at, &key))
        return wrong(s, at, "a key that cannot be read");
    *end_r = key.at;
    target = key;
    if (key.type == MMDB_POINTER && !take_head(s, key.where, &target))
        return wrong(s, at, "a key that leads nowhere");
    if (target.type != MMDB_TEXT || !size_fits(s, &target))
        return wrong(s, at, "a key that is no text");
    if (key.type != MMDB_POINTER)
        *end_r = key.at + key.size;
    return RC_OK;
}

static enum rc check_container(struct section *s, const struct value *v, unsigned depth,
                               size_t *end_r)
{
    enum rc rc = RC_OK;
    size_t at = v->at;
    if (depth == 0)
        return wrong(s, at, "values nested too deep");
    if (v->size > s->n - v->at)
        return wrong(s, at, "a map or list longer than the file");
    for (size_t i = 0; i < v->size && rc == RC_OK; i++) {
        if (v->type == MMDB_MAP)
            rc = check_key(s, at, &at);
        if (rc == RC_OK)
            rc = check_value(s, at, depth - 1, &at);
    }
    *end_r = at;
    return rc;
}

static enum rc check_value(struct section *s, size_t at, unsigned depth, size_t *end_r)
{
    struct value v;
    if (s->steps-- == 0) {
        s->steps = 0;
        return wrong(s, at, "records that overlap too often");
    }
    if (!take_head(s, at, &v))
        return wrong(s, at, "a value that cannot be read");
    *end_r = v.at;
    switch (v.type) {
    case MMDB_POINTER:
        return depth ? check_target(s, &v, depth - 1) : wrong(s, at, "values nested too deep");
    case MMDB_MAP:
    case MMDB_ARRAY:
        return check_container(s, &v, depth, end_r);
    case MMDB_BOOL:
        return v.size <= 1 ? RC_OK : wrong(s, at, "a value that cannot be read");
    default:
        if (!size_fits(s, &v))
            return wrong(s, at, "a value that cannot be read");
        *end_r = v.at + v.size;
        return RC_OK;
    }
}

static enum rc check_map(struct section *s, size_t at)
{
    struct value v;
    if (!take_head(s, at, &v) || v.type != MMDB_MAP)
        return wrong(s, at, "a record that is no map");
    return was_seen(s, at) ? RC_OK : check_value(s, at, DEPTH_MAX, &at);
}

static void section_open(struct section *s, const uint8_t *p, size_t n, struct err *err)
{
    *s = (struct section){ .p = p, .n = n, .steps = n * STEPS_PER_BYTE + 1024, .err = err };
    s->seen = mem_zero(n / 8 + 1);
}

/* ---- metadata ---- */

static void take_fact(const struct section *s, struct slice key, const struct value *v,
                      struct mmdb_facts *f)
{
    uint64_t number = 0;
    size_t at = v->at;
    if (v->type == MMDB_TEXT && slice_eq_str(key, "database_type"))
        f->type = (struct slice){ (const char *)s->p + v->at, v->size };
    if (v->type != MMDB_U16 && v->type != MMDB_U32 && v->type != MMDB_U64)
        return;
    take(s, &at, v->size, &number);
    if (slice_eq_str(key, "node_count"))
        f->node_count = (uint32_t)number;
    else if (slice_eq_str(key, "record_size"))
        f->record_size = (uint32_t)number;
    else if (slice_eq_str(key, "ip_version"))
        f->ip_version = (uint32_t)number;
    else if (slice_eq_str(key, "build_epoch"))
        f->build_epoch = number;
}

static void read_facts(struct section *s, struct mmdb_facts *f)
{
    struct value map, key, v;
    take_head(s, 0, &map);
    size_t at = map.at;
    for (size_t i = 0; i < map.size; i++) {
        take_head(s, at, &key);
        check_key(s, at, &at);
        if (key.type == MMDB_POINTER)
            take_head(s, key.where, &key);
        take_head(s, at, &v);
        if (v.type == MMDB_POINTER)
            take_head(s, v.where, &v);
        take_fact(s, (struct slice){ (const char *)s->p + key.at, key.size }, &v, f);
        check_value(s, at, DEPTH_MAX, &at);
    }
}

static enum rc check_metadata(const uint8_t *p, size_t n, struct mmdb_facts *facts_r,
                              struct err *err)
{
    struct section s;
    *facts_r = (struct mmdb_facts){ 0 };
    section_open(&s, p, n, err);
    enum rc rc = check_map(&s, 0);
    if (rc == RC_OK) {
        s.steps = n * STEPS_PER_BYTE + 1024;
        read_facts(&s, facts_r);
    }
    free(s.seen);
    if (rc != RC_OK)
        return rc;
    const struct mmdb_facts *f = facts_r;
    bool good = (f->record_size == 24 || f->record_size == 28 || f->record_size == 32) &&
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
    return check_map(data, at - SEPARATOR);
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
    free(data.seen);
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
