#include "reputation/feed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "reputation/feed_internal.h"

enum { TEXT_MAX = 120, TEXTS_MAX = 64 << 20, V6_PREFIX_MIN = 16, HALF = 2, FEW = 8 };

static const char BYTE_ORDER_MARK[] = "\xef\xbb\xbf";

/* ---- building ---- */

bool feed_add(struct feed *f, const struct network *n, bool excluded, uint32_t text)
{
    if (f->n == FEED_ENTRIES_MAX)
        return false;
    if (f->n == f->room) {
        f->room = f->room ? f->room * 2 : 256;
        f->at = mem_grow(f->at, f->room, sizeof *f->at);
    }
    struct feed_entry *e = &f->at[f->n++];
    *e = (struct feed_entry){
        .prefix = n->prefix, .v6 = n->base.family == ADDR_V6, .excluded = excluded, .text = text
    };
    memcpy(e->bytes, n->base.bytes, sizeof e->bytes);
    return true;
}

/* The widest network that begins at `first` and does not reach beyond `last`. */
static uint8_t widest(uint32_t first, uint32_t last)
{
    unsigned prefix = 32;
    while (prefix > 0) {
        uint64_t size = 1ull << (33 - prefix);
        if (first % size != 0 || first + size - 1 > last)
            break;
        prefix--;
    }
    return (uint8_t)prefix;
}

bool feed_add_range(struct feed *f, uint32_t first, uint32_t last, bool excluded, uint32_t text)
{
    for (uint64_t at = first; at <= last;) {
        uint32_t base = (uint32_t)at;
        struct network n = { { .family = ADDR_V4,
                               .bytes = { (uint8_t)(base >> 24), (uint8_t)(base >> 16),
                                          (uint8_t)(base >> 8), (uint8_t)base } },
                             widest(base, last) };
        if (!feed_add(f, &n, excluded, text))
            return false;
        at += 1ull << (32 - n.prefix);
    }
    return true;
}

uint32_t feed_text(struct feed *f, struct slice text)
{
    char clean[TEXT_MAX];
    size_t n = 0;
    text = slice_trim(text);
    for (; n < text.n && n < TEXT_MAX; n++)
        clean[n] = text.p[n] >= ' ' && text.p[n] < 0x7f ? text.p[n] : '?';
    if (n == 0 || buf_len(&f->texts) + n + 1 > TEXTS_MAX)
        return 0;
    uint32_t at = (uint32_t)buf_len(&f->texts);
    buf_put(&f->texts, clean, n);
    buf_putc(&f->texts, '\0');
    return at;
}

/* ---- order ---- */

static int compare(const void *a, const void *b)
{
    const struct feed_entry *x = a, *y = b;
    if (x->v6 != y->v6)
        return x->v6 ? 1 : -1;
    if (x->prefix != y->prefix)
        return x->prefix > y->prefix ? -1 : 1;
    int order = memcmp(x->bytes, y->bytes, sizeof x->bytes);
    return order ? order : (int)y->excluded - (int)x->excluded;
}

static uint32_t base_of(const struct feed_entry *e)
{
    return (uint32_t)e->bytes[0] << 24 | (uint32_t)e->bytes[1] << 16 | (uint32_t)e->bytes[2] << 8 |
           e->bytes[3];
}

static int compare_base(const void *a, const void *b)
{
    const struct feed_entry *x = a, *y = b;
    int order = memcmp(x->bytes, y->bytes, sizeof x->bytes);
    return order ? order : (int)x->prefix - (int)y->prefix;
}

/* Addresses of IPv4 in at least one entry. Leaves the entries in order of their addresses. */
static uint64_t covered(struct feed *f)
{
    uint64_t sum = 0, end = 0;
    if (f->n)
        qsort(f->at, f->n, sizeof *f->at, compare_base);
    for (size_t i = 0; i < f->n; i++) {
        const struct feed_entry *e = &f->at[i];
        uint64_t first = base_of(e), last = first + (1ull << (32 - (e->v6 ? 32 : e->prefix)));
        if (e->v6 || e->excluded || last <= end)
            continue;
        sum += last - (first > end ? first : end);
        end = last;
    }
    return sum;
}

/* ---- reading ---- */

static const char *(*const readers[])(struct feed *f, struct slice line) = {
    [FEED_NETSET] = feed_line_netset,
    [FEED_DROP_JSON] = feed_line_json,
    [FEED_RBLDNSD] = feed_line_rbldnsd,
    [FEED_LIST] = feed_line_netset,
};

static enum rc read_lines(struct feed *f, struct slice bytes, enum feed_format format,
                          const char *name, struct err *err)
{
    struct slice line;
    if (slice_starts_with(bytes, BYTE_ORDER_MARK)) /* some editors put one in front of UTF-8 */
        bytes = slice_skip(bytes, sizeof BYTE_ORDER_MARK - 1);
    for (unsigned number = 1; bytes.n; number++) {
        bool whole = slice_cut(bytes, '\n', &line, &bytes);
        if (whole && line.n && line.p[line.n - 1] == '\r')
            line.n--;
        line = slice_trim(line);
        const char *expected = line.n && memchr(line.p, '\0', line.n) ? "text" : NULL;
        if (!whole && line.n && format == FEED_RBLDNSD) /* 192.0.2 is a network, or cut off */
            expected = "a line break: it may be cut off here";
        if (!expected && line.n && f->ended)
            expected = "nothing behind the metadata";
        if (!expected && line.n)
            expected = readers[format](f, line);
        if (expected)
            return err_set(err, RC_PARSE, "%.100s:%u: found \"%.*s\", expected %s", name, number,
                           line.n < 60 ? (int)line.n : 60, line.p, expected);
    }
    return RC_OK;
}

enum rc feed_parse(struct slice bytes, enum feed_format format, const char *name,
                   struct feed **feed_r, struct err *err)
{
    if (bytes.n > FEED_BYTES_MAX)
        return err_set(err, RC_LIMIT, "%.100s: larger than 64 MiB", name);
    struct feed *f = mem_zero(sizeof *f);
    buf_init(&f->texts, TEXTS_MAX);
    buf_putc(&f->texts, '\0');
    enum rc rc = read_lines(f, bytes, format, name, err);
    if (rc != RC_OK) {
        feed_free(&f);
        return rc;
    }
    f->v4_addresses = covered(f);
    if (f->n)
        qsort(f->at, f->n, sizeof *f->at, compare);
    *feed_r = f;
    return RC_OK;
}

void feed_free(struct feed **feed)
{
    struct feed *f = *feed;
    if (!f)
        return;
    free(f->at);
    buf_free(&f->texts);
    free(f);
    *feed = NULL;
}

/* ---- can it be true ---- */

enum rc feed_accept(const struct feed *next, const struct feed *before, struct err *err)
{
    for (size_t i = 0; i < next->n; i++) {
        const struct feed_entry *e = &next->at[i];
        if (!e->excluded && (e->prefix == 0 || (e->v6 && e->prefix < V6_PREFIX_MIN)))
            return err_set(err, RC_DENIED, "it lists a whole /%u of IPv%d", (unsigned)e->prefix,
                           e->v6 ? 6 : 4);
    }
    if (next->v4_addresses > FEED_V4_MAX)
        return err_set(err, RC_DENIED, "it covers %llu addresses, more than a hundredth of IPv4",
                       (unsigned long long)next->v4_addresses);
    if (before && before->has_end && !next->has_end)
        return err_set(err, RC_DENIED, "its end is missing");
    if (before && next->n * HALF < before->n && (before->n > FEW || !next->n))
        return err_set(err, RC_AGAIN, "it shrank from %zu to %zu entries", before->n, next->n);
    return RC_OK;
}

/* ---- looking up ---- */

static void mask(struct feed_entry *key, const struct addr *a, uint8_t prefix)
{
    *key = (struct feed_entry){ .prefix = prefix, .v6 = a->family == ADDR_V6, .excluded = true };
    size_t whole = prefix / 8;
    memcpy(key->bytes, a->bytes, whole);
    if (prefix % 8)
        key->bytes[whole] = (uint8_t)(a->bytes[whole] & (0xff00 >> prefix % 8));
}

/* The first entry that is not before `key`; f->n when all are. */
static size_t lower(const struct feed *f, const struct feed_entry *key)
{
    size_t low = 0, high = f->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(&f->at[middle], key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool feed_find(const struct feed *f, const struct addr *a, struct feed_hit *hit_r)
{
    bool v6 = a->family == ADDR_V6;
    struct feed_entry key;
    /* From prefix to prefix that the set has, the longest first. */
    for (int prefix = (int)addr_bits(a); prefix >= 0; prefix--) {
        mask(&key, a, (uint8_t)prefix);
        size_t at = lower(f, &key);
        if (at == f->n || f->at[at].v6 != v6)
            return false;
        const struct feed_entry *e = &f->at[at];
        if (e->prefix == prefix && memcmp(e->bytes, key.bytes, sizeof key.bytes) == 0) {
            hit_r->network = (struct network){ { .family = a->family }, e->prefix };
            memcpy(hit_r->network.base.bytes, e->bytes, sizeof e->bytes);
            hit_r->text = buf_slice(&f->texts).p + e->text;
            return !e->excluded;
        }
    }
    return false;
}

size_t feed_count(const struct feed *f)
{
    return f->n;
}

bool feed_hit_same(const struct feed_hit *a, const struct feed_hit *b)
{
    return a->network.prefix == b->network.prefix && addr_eq(&a->network.base, &b->network.base);
}

void feed_hit_what(const struct feed_hit *hit, char *what, size_t size)
{
    struct buf text;
    buf_init(&text, size);
    if (hit) {
        buf_puts(&text, "stands in the feed as ");
        network_put(&text, &hit->network);
    }
    snprintf(what, size, "%.*s", (int)buf_len(&text), hit ? buf_slice(&text).p : "");
    buf_free(&text);
}
