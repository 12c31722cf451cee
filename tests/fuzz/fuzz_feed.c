/*
 * tests/fuzz/fuzz_feed — feeds and the table of blocklists: whatever comes in is read in bounds
 *
 *   Round trip: what a set says of an address is the same after the input, read as netset, is
 *   written as rbldnsd and as JSON and read again; and the same as a search line by line.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "gateway/conf/zones.h"
#include "reputation/feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NETWORKS_MAX = 64 };

struct networks {
    struct network at[NETWORKS_MAX];
    size_t n;
};

static void collect(struct slice text, struct networks *out)
{
    struct slice line;
    out->n = 0;
    while (text.n && out->n < NETWORKS_MAX) {
        slice_cut(text, '\n', &line, &text);
        out->n += network_parse(slice_trim(line), &out->at[out->n]) == RC_OK;
    }
}

static struct feed *written(const struct networks *all, enum feed_format format)
{
    struct buf out;
    struct feed *feed = NULL;
    struct err err;
    buf_init(&out, 1 << 16);
    for (size_t i = 0; i < all->n; i++) {
        buf_puts(&out, format == FEED_DROP_JSON ? "{\"cidr\":\"" : "");
        network_put(&out, &all->at[i]);
        buf_puts(&out, format == FEED_DROP_JSON ? "\"}\n" : "\n");
    }
    enum rc rc = feed_parse(buf_slice(&out), format, "f", &feed, &err);
    assert(rc == RC_OK);
    (void)rc;
    buf_free(&out);
    return feed;
}

static int by_hand(const struct networks *all, const struct addr *a)
{
    int best = -1;
    for (size_t i = 0; i < all->n; i++)
        if (network_contains(&all->at[i], a) && all->at[i].prefix > best)
            best = all->at[i].prefix;
    return best;
}

static int by_feed(const struct feed *f, const struct addr *a)
{
    struct feed_hit hit;
    return feed_find(f, a, &hit) ? hit.network.prefix : -1;
}

static void check_round_trip(struct slice text)
{
    static const enum feed_format formats[] = { FEED_NETSET, FEED_DROP_JSON, FEED_RBLDNSD };
    struct networks all;
    collect(text, &all);
    for (size_t k = 0; k < sizeof formats / sizeof formats[0]; k++) {
        struct feed *f = written(&all, formats[k]);
        for (size_t i = 0; i < all.n; i++) {
            struct addr a = all.at[i].base;
            assert(by_feed(f, &a) == by_hand(&all, &a));
            a.bytes[a.family == ADDR_V4 ? 3 : 15] ^= 1;
            assert(by_feed(f, &a) == by_hand(&all, &a));
        }
        feed_free(&f);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = { (const char *)data, size };
    struct err err;
    for (int format = FEED_NETSET; format <= FEED_LIST; format++) {
        struct feed *f = NULL;
        enum rc rc = feed_parse(text, (enum feed_format)format, "f", &f, &err);
        assert((rc == RC_OK) == (f != NULL));
        if (f)
            (void)feed_accept(f, NULL, &err);
        feed_free(&f);
    }
    check_round_trip(text);
    struct arena *arena = arena_new(4096);
    struct zones zones;
    (void)zones_parse(text, arena, &zones, &err);
    arena_free(&arena);
    return 0;
}
