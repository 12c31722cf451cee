/*
 * reputation/feed_rbldnsd — the data files of rbldnsd: ip4set, ip4trie, ip6trie (rbldnsd(8))
 *
 *   $… lines are about the zone and say nothing of addresses, but for $DATASET, which begins
 *   another kind of file. `:A:TXT` alone sets the text of what follows; behind an entry it is that
 *   entry's. The A value is checked and otherwise left to the configuration's points. A `!` in
 *   front excludes.
 *
 *   IPv4 may be shortened: 127.0.0 is 127.0.0.0/24, 127.16/12, 127.0.0-127.2 (the second end is
 *   filled up with 255), 127.16-31 (one octet: the last one of the first end). IPv6 as well:
 *   2001:db8/33, 2001:db8:1 is a /48.
 */
#include <string.h>

#include "reputation/feed_internal.h"

static const char ENTRY[] = "an address, a network or a range as in rbldnsd(8)";

/* ---- IPv4 ---- */

struct octets {
    uint32_t value; /* the octets that are there, at the top */
    unsigned n;
};

static bool read_octets(struct slice text, struct octets *o)
{
    *o = (struct octets){ 0 };
    for (bool more = true; more; o->n++) {
        struct slice octet;
        uint64_t value;
        more = slice_cut(text, '.', &octet, &text);
        if (o->n == 4 || octet.n > 3 || !slice_to_u64(octet, 255, &value))
            return false;
        o->value |= (uint32_t)value << (24 - 8 * o->n);
    }
    return true;
}

/* All ones below the first `bits`. */
static uint32_t tail_of(unsigned bits)
{
    return bits == 0 ? UINT32_MAX : bits == 32 ? 0 : UINT32_MAX >> bits;
}

static bool read_range(struct slice entry, uint32_t *first_r, uint32_t *last_r)
{
    struct slice from, to;
    struct octets a, b;
    uint64_t prefix;
    if (slice_cut(entry, '/', &from, &to)) {
        if (!read_octets(from, &a) || to.n > 2 || !slice_to_u64(to, 32, &prefix))
            return false;
        *first_r = a.value;
        *last_r = a.value | tail_of((unsigned)prefix);
        return (a.value & tail_of((unsigned)prefix)) == 0;
    }
    bool range = slice_cut(entry, '-', &from, &to);
    if (!read_octets(from, &a) || (range && !read_octets(to, &b)))
        return false;
    if (!range)
        b = a;
    if (range && b.n == 1 && a.n > 1) {
        unsigned shift = 32 - 8 * a.n;
        b = (struct octets){ (a.value & ~(255u << shift)) | b.value >> 24 << shift, a.n };
    }
    *first_r = a.value;
    *last_r = b.value | tail_of(8 * b.n);
    return *first_r <= *last_r;
}

/* ---- IPv6 ---- */

static unsigned words_of(struct slice text)
{
    unsigned n = 1;
    for (size_t i = 0; i < text.n; i++)
        n += text.p[i] == ':';
    return n;
}

static bool is_short(struct slice text)
{
    for (size_t i = 0; i + 1 < text.n; i++)
        if (text.p[i] == ':' && text.p[i + 1] == ':')
            return false;
    return words_of(text) < 8 && !memchr(text.p, '.', text.n);
}

static bool read_v6(struct slice entry, struct network *n)
{
    struct slice address, rest;
    struct addr a;
    char text[64];
    uint64_t prefix = 128;
    bool has_prefix = slice_cut(entry, '/', &address, &rest);
    if (address.n == 0 || address.n > sizeof text - 3 || address.p[0] == '[')
        return false;
    bool abridged = is_short(address);
    memcpy(text, address.p, address.n);
    memcpy(text + address.n, abridged ? "::" : "", abridged ? 3 : 1);
    if (abridged)
        prefix = 16ull * words_of(address);
    if (has_prefix && (rest.n > 3 || !slice_to_u64(rest, 128, &prefix)))
        return false;
    if (addr_parse(slice_of(text), &a) != RC_OK || a.port)
        return false;
    if (a.family == ADDR_V4) { /* a mapped address is held as IPv4 */
        if (prefix < 96)
            return false;
        prefix -= 96;
    }
    struct buf b;
    buf_init(&b, 64);
    addr_put(&b, &a);
    buf_printf(&b, "/%u", (unsigned)prefix);
    bool good = network_parse(buf_slice(&b), n) == RC_OK; /* host bits zero? */
    buf_free(&b);
    return good;
}

/* ---- lines ---- */

/* ":A:TXT", ":A", ":A:" or text: the text, `same` when it says none. False: A is no answer. */
static bool read_value(struct feed *f, struct slice value, uint32_t same, uint32_t *text_r)
{
    struct slice answer, text;
    struct addr a;
    uint64_t number;
    *text_r = same;
    if (!value.n || value.p[0] == '#' || value.p[0] == ';')
        return true;
    if (value.p[0] != ':') {
        *text_r = feed_text(f, value);
        return true;
    }
    if (slice_cut(slice_skip(value, 1), ':', &answer, &text))
        *text_r = feed_text(f, text);
    answer = slice_trim(answer);
    return !answer.n || slice_to_u64(answer, 255, &number) ||
           (addr_parse(answer, &a) == RC_OK && a.family == ADDR_V4 && !a.port);
}

static const char *read_entry(struct feed *f, struct slice entry, bool excluded, uint32_t text)
{
    uint32_t first, last;
    struct network network;
    bool good;
    if (memchr(entry.p, ':', entry.n)) {
        if (!read_v6(entry, &network))
            return ENTRY;
        good = feed_add(f, &network, excluded, text);
    } else {
        if (!read_range(entry, &first, &last))
            return ENTRY;
        good = feed_add_range(f, first, last, excluded, text);
    }
    return good ? NULL : "fewer entries";
}

const char *feed_line_rbldnsd(struct feed *f, struct slice line)
{
    static const char VALUE[] = "a value :A:TXT whose A is an address or a number up to 255";
    size_t n = 0;
    uint32_t text;
    if (line.p[0] == '#' || line.p[0] == ';')
        return NULL;
    if (line.p[0] == '$')
        return slice_istarts_with(line, "$DATASET")
                   ? "ip4set, ip4trie or ip6trie, not a combined set"
                   : NULL;
    if (line.p[0] == ':' && !slice_starts_with(line, "::"))
        return read_value(f, line, f->same_text, &f->same_text) ? NULL : VALUE;
    bool excluded = line.p[0] == '!';
    struct slice rest = slice_trim(slice_skip(line, excluded));
    while (n < rest.n && !strchr(" \t#;", rest.p[n]))
        n++;
    struct slice entry = { rest.p, n };
    if (!n)
        return ENTRY;
    if (!read_value(f, slice_trim(slice_skip(rest, n)), f->same_text, &text))
        return VALUE;
    return read_entry(f, entry, excluded, text);
}
