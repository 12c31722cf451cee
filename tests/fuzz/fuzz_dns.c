/*
 * tests/fuzz/fuzz_dns — any bytes as a DNS answer
 *
 *   What parses is written again (uncompressed) and must parse to the same; the sets for mail that
 *   are built from it must keep their promises.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/dns/sets.h"
#include "tests/support/dnswire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_text(struct buf *b, struct slice text)
{
    while (text.n) {
        size_t n = text.n < 255 ? text.n : 255;
        buf_putc(b, (char)n);
        buf_put(b, text.p, n);
        text = (struct slice){ text.p + n, text.n - n };
    }
}

static void write_data(struct buf *b, const struct dns_record *r)
{
    switch (r->type) {
    case DNS_A:
    case DNS_AAAA:
        buf_put(b, r->addr.bytes, r->type == DNS_A ? 4 : 16);
        break;
    case DNS_MX:
        dnswire_put_u16(b, r->preference);
        dnswire_put_name(b, r->name);
        break;
    case DNS_CNAME:
    case DNS_PTR:
        dnswire_put_name(b, r->name);
        break;
    case DNS_TXT:
        write_text(b, r->text);
        break;
    case DNS_SOA:
        buf_put(b, "\0\0", 2);
        for (int i = 0; i < 4; i++)
            dnswire_put_u32(b, 0);
        dnswire_put_u32(b, r->minimum);
        break;
    default:
        break;
    }
}

/* False: too long without compression. */
static bool write_answer(const struct dns_answer *a, struct dnswire *w)
{
    unsigned flags = 0x8000u | (a->truncated ? 0x0200u : 0) | (a->authentic ? 0x0020u : 0);
    dnswire_begin(w, a->id, (uint16_t)(flags | a->rcode), a->has_question ? a->question : NULL,
                  a->question_type);
    for (size_t i = 0; i < a->count; i++) {
        struct buf rdata;
        buf_init(&rdata, 65535);
        write_data(&rdata, &a->records[i]);
        if (rdata.full)
            w->buf.full = true;
        dnswire_record(w, DNSWIRE_ANSWER, a->records[i].owner, a->records[i].type,
                       a->records[i].ttl, buf_slice(&rdata));
        buf_free(&rdata);
    }
    if (a->has_negative_ttl)
        dnswire_soa(w, a->negative_ttl, a->negative_ttl);
    return !w->buf.full;
}

static void same_text(const char *a, const char *b)
{
    assert((a == NULL) == (b == NULL));
    assert(!a || strcmp(a, b) == 0);
}

static void same_answer(const struct dns_answer *a, const struct dns_answer *b)
{
    assert(a->id == b->id && a->rcode == b->rcode && a->count == b->count);
    assert(a->truncated == b->truncated && a->authentic == b->authentic);
    assert(a->has_question == b->has_question);
    assert(a->has_negative_ttl == b->has_negative_ttl && a->negative_ttl == b->negative_ttl);
    same_text(a->question, b->question);
    for (size_t i = 0; i < a->count; i++) {
        const struct dns_record *x = &a->records[i], *y = &b->records[i];
        same_text(x->owner, y->owner);
        same_text(x->name, y->name);
        assert(x->type == y->type && x->ttl == y->ttl && x->preference == y->preference);
        assert(x->minimum == y->minimum && slice_eq(x->text, y->text));
        assert(addr_eq(&x->addr, &y->addr));
    }
}

static void check_sets(const struct dns_answer *a)
{
    struct dns_found found = answer_find(a, a->question, DNS_MX);
    if (found.looped || !found.count)
        return;
    struct mx_set *set = mx_set_build(a, &found);
    assert((set->status == DNS_OK) == (set->count > 0));
    assert((set->status == DNS_OK) == (set->site[0] != '\0'));
    for (size_t i = 0; i < set->count; i++) {
        assert(dns_is_host_name(set->hosts[i].name));
        assert(!i || set->hosts[i - 1].preference <= set->hosts[i].preference);
    }
    mx_set_unref(&set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(4096), *second = arena_new(4096);
    struct dns_answer a, b;
    struct dnswire w = { 0 };
    if (answer_parse(data, size, arena, &a) == RC_OK) {
        check_sets(&a);
        if (write_answer(&a, &w)) {
            struct slice packet = dnswire_end(&w);
            enum rc rc = answer_parse(packet.p, packet.n, second, &b);
            assert(rc == RC_OK);
            same_answer(&a, &b);
        }
    }
    dnswire_free(&w);
    arena_free(&arena);
    arena_free(&second);
    return 0;
}
