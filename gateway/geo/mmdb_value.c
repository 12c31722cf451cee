#include "gateway/geo/mmdb_value.h"

#include <stdlib.h>

#include "gateway/base/mem.h"

enum { STEPS_PER_BYTE = 8, STEPS_MORE = 1024 };

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

static bool is_open(const struct section *s, size_t at)
{
    for (unsigned i = 0; i < s->open_n; i++)
        if (s->open[i] == at)
            return true;
    return false;
}

/* What a pointer or the tree leads to, unless that is known to be good. */
static enum rc check_target(struct section *s, size_t at, unsigned depth)
{
    if (is_open(s, at))
        return wrong(s, at, "a value that holds itself");
    if (was_seen(s, at))
        return RC_OK;
    s->open[s->open_n++] = at;
    enum rc rc = check_value(s, at, depth, &(size_t){ 0 });
    s->open_n--;
    return rc;
}

/* A pointer may lead to anything but a pointer. */
static enum rc check_pointer(struct section *s, const struct value *pointer, unsigned depth)
{
    struct value target;
    if (!take_head(s, pointer->where, &target) || target.type == MMDB_POINTER)
        return wrong(s, pointer->where, "a pointer to nothing");
    if (depth == 0)
        return wrong(s, pointer->where, "values nested too deep");
    return check_target(s, pointer->where, depth - 1);
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
        return check_pointer(s, &v, depth);
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

enum rc section_check(struct section *s, size_t at)
{
    struct value v;
    if (!take_head(s, at, &v) || v.type != MMDB_MAP)
        return wrong(s, at, "a record that is no map");
    return check_target(s, at, MMDB_DEPTH_MAX);
}

void section_open(struct section *s, const uint8_t *p, size_t n, struct err *err)
{
    *s = (struct section){ .p = p, .n = n, .steps = n * STEPS_PER_BYTE + STEPS_MORE, .err = err };
    s->seen = mem_zero(n / 8 + 1);
}

void section_close(struct section *s)
{
    free(s->seen);
}

/* ---- reading what is good ---- */

struct value section_map(const struct section *s, size_t at)
{
    struct value v;
    take_head(s, at, &v);
    return v;
}

struct value section_next(struct section *s, size_t *at)
{
    struct value v;
    take_head(s, *at, &v);
    if (v.type == MMDB_POINTER)
        take_head(s, v.where, &v);
    s->steps = s->n * STEPS_PER_BYTE + STEPS_MORE;
    check_value(s, *at, MMDB_DEPTH_MAX, at);
    return v;
}

uint64_t section_number(const struct section *s, const struct value *v)
{
    uint64_t number = 0;
    size_t at = v->at;
    if (v->type == MMDB_U16 || v->type == MMDB_U32 || v->type == MMDB_U64)
        take(s, &at, v->size, &number);
    return number;
}
