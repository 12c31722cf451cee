#include "reputation/learned.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/cursor.h"
#include "gateway/base/mem.h"

enum { MAGIC = 0x316c5057 /* "WPl1" */, FORGET_MS = 24 * 60 * 60 * 1000 };

struct seen {
    struct addr address;
    int64_t at_ms;
};

struct way {
    char *egress;
    struct seen at[LEARNED_EACH];
    size_t n;
};

struct learned {
    struct way at[LEARNED_EGRESSES];
    size_t n;
};

struct learned *learned_new(void)
{
    return mem_zero(sizeof(struct learned));
}

void learned_free(struct learned **learned)
{
    struct learned *l = *learned;
    for (size_t i = 0; l && i < l->n; i++)
        free(l->at[i].egress);
    free(l);
    *learned = NULL;
}

static const struct way *find(const struct learned *l, struct slice egress)
{
    for (size_t i = 0; i < l->n; i++)
        if (slice_eq_str(egress, l->at[i].egress))
            return &l->at[i];
    return NULL;
}

/* NULL: there is no room for another. */
static struct way *find_or_add(struct learned *l, struct slice egress)
{
    const struct way *known = find(l, egress);
    if (known)
        return &l->at[known - l->at];
    if (l->n == LEARNED_EGRESSES || !egress.n || egress.n > LEARNED_NAME_MAX)
        return NULL;
    struct way *w = &l->at[l->n++];
    *w = (struct way){ .egress = mem_strndup(egress.p, egress.n) };
    return w;
}

/* ---- addresses ---- */

static struct seen *find_seen(struct way *w, const struct addr *address)
{
    for (size_t i = 0; i < w->n; i++)
        if (addr_same_host(&w->at[i].address, address))
            return &w->at[i];
    return NULL;
}

/* Those of its family that were not seen for long. */
static bool forget_others(struct way *w, const struct addr *address, int64_t now_ms)
{
    size_t kept = 0, had = w->n;
    for (size_t i = 0; i < had; i++) {
        const struct seen *s = &w->at[i];
        if (s->address.family != address->family || now_ms - s->at_ms < FORGET_MS)
            w->at[kept++] = *s;
    }
    w->n = kept;
    return kept < had;
}

static bool is_seen_by_others(const struct addr *a)
{
    return a->family != ADDR_NONE && !addr_is_any(a) && !addr_is_private(a) &&
           !addr_is_multicast(a);
}

/* False: there is no room for another. */
static bool add(struct way *w, const struct addr *address, int64_t now_ms)
{
    if (w->n == LEARNED_EACH)
        return false;
    w->at[w->n] = (struct seen){ .address = *address, .at_ms = now_ms };
    w->at[w->n++].address.port = 0;
    return true;
}

bool learned_note(struct learned *l, struct slice egress, const struct addr *address,
                  int64_t now_ms)
{
    struct way *w = is_seen_by_others(address) ? find_or_add(l, egress) : NULL;
    if (!w)
        return false;
    struct seen *s = find_seen(w, address);
    if (s)
        s->at_ms = now_ms;
    bool changed = forget_others(w, address, now_ms);
    return (!s && add(w, address, now_ms)) || changed;
}

size_t learned_of(const struct learned *l, struct slice egress, struct addr address_r[LEARNED_EACH])
{
    const struct way *w = find(l, egress);
    for (size_t i = 0; w && i < w->n; i++)
        address_r[i] = w->at[i].address;
    return w ? w->n : 0;
}

bool learned_forget(struct learned *l, struct slice egress)
{
    const struct way *w = find(l, egress);
    if (!w)
        return false;
    free(w->egress);
    l->at[w - l->at] = l->at[--l->n];
    return true;
}

void learned_retain(struct learned *l, const struct slice *egress, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < l->n; i++) {
        size_t k = 0;
        while (k < n && !slice_eq_str(egress[k], l->at[i].egress))
            k++;
        if (k < n)
            l->at[kept++] = l->at[i];
        else
            free(l->at[i].egress);
    }
    l->n = kept;
}

/* ---- kept ---- */

void learned_pack(const struct learned *l, struct buf *out)
{
    put_u32(out, MAGIC);
    for (size_t i = 0; i < l->n; i++) {
        const struct way *w = &l->at[i];
        put_slice16(out, slice_of(w->egress));
        put_u8(out, (uint8_t)w->n);
        for (size_t k = 0; k < w->n; k++) {
            put_u8(out, w->at[k].address.family);
            buf_put(out, w->at[k].address.bytes, addr_bits(&w->at[k].address) / 8);
        }
    }
}

static bool get_address(struct cursor *c, struct addr *a)
{
    *a = (struct addr){ .family = cur_u8(c) };
    if (a->family != ADDR_V4 && a->family != ADDR_V6)
        return false;
    struct slice bytes = cur_bytes(c, addr_bits(a) / 8);
    if (!c->bad)
        memcpy(a->bytes, bytes.p, bytes.n);
    return !c->bad;
}

static bool get_way(struct cursor *c, int64_t now_ms, struct learned *l)
{
    struct slice egress = cur_slice16(c);
    uint8_t n = cur_u8(c);
    bool good = !c->bad && n && !memchr(egress.p, '\0', egress.n) && !find(l, egress);
    for (uint8_t i = 0; good && i < n; i++) {
        struct addr address;
        good = get_address(c, &address) && learned_note(l, egress, &address, now_ms);
    }
    return good;
}

enum rc learned_unpack(struct slice bytes, int64_t now_ms, struct learned **learned_r,
                       struct err *err)
{
    struct learned *l = learned_new();
    struct cursor c = cur_of(bytes.p, bytes.n);
    bool good = cur_u32(&c) == MAGIC;
    while (good && cur_left(&c))
        good = get_way(&c, now_ms, l);
    if (!good) {
        learned_free(&l);
        return err_set(err, RC_PARSE, "no learned addresses of this version");
    }
    *learned_r = l;
    return RC_OK;
}
