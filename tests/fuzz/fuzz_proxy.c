/*
 * tests/fuzz/fuzz_proxy — PROXY headers: complete or not, they are never misread; one that we
 *   write is read as it was. Also the SASL texts, which come from the same strangers.
 */
#include <assert.h>
#include <stdint.h>

#include "gateway/smtp/auth.h"
#include "gateway/smtp/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const struct proxy_header *h)
{
    struct proxy_header again;
    struct buf out;
    size_t used;
    buf_init(&out, 100);
    proxy_put_v2(&out, &h->source, &h->destination);
    assert(proxy_parse(buf_slice(&out), &again, &used) == RC_OK && used == buf_len(&out));
    assert(again.has_addresses == (h->source.family == h->destination.family));
    if (again.has_addresses)
        assert(addr_eq(&h->source, &again.source) && addr_eq(&h->destination, &again.destination));
    buf_free(&out);
}

static void check_auth(struct slice text)
{
    struct buf store, out;
    struct credentials c;
    struct slice value;
    buf_init(&store, 1 << 16);
    buf_init(&out, 1 << 16);
    if (auth_decode_plain(text, &store, &c) == RC_OK && c.authorize.n == 0) {
        auth_put_plain(&out, c.user, c.password);
        assert(slice_eq(buf_slice(&out), text)); /* strict base64: one form only */
    }
    auth_wipe(&store);
    buf_clear(&out);
    if (auth_decode_login(text, &store, &value) == RC_OK) {
        auth_put_login(&out, value);
        assert(slice_eq(buf_slice(&out), text));
    }
    buf_free(&store);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = { (const char *)data, size };
    struct proxy_header h, part;
    size_t used;
    if (size > 8192)
        return 0;
    if (proxy_parse(in, &h, &used) == RC_OK) {
        assert(used > 0 && used <= size);
        for (size_t n = 0; n < used; n++) {
            size_t none;
            assert(proxy_parse((struct slice){ in.p, n }, &part, &none) == RC_AGAIN && none == 0);
        }
        if (h.has_addresses)
            check_round_trip(&h);
    } else {
        assert(used == 0);
    }
    check_auth(in);
    return 0;
}
