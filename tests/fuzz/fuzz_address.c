/*
 * tests/fuzz/fuzz_address — Addresses: what parses has forms that parse again, to the same
 *   mailbox.
 */
#include <assert.h>
#include <stdint.h>

#include "gateway/mail/address.h"
#include "gateway/mail/xtext.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_key(const struct address *a)
{
    struct buf key, again;
    struct address b;
    buf_init(&key, 4096);
    buf_init(&again, 4096);
    address_put_key(&key, a);
    enum rc rc = address_parse(buf_slice(&key), &b);
    assert(rc == RC_OK || rc == RC_LIMIT); /* A-labels may be longer than what was written */
    if (rc == RC_OK) {
        address_put_key(&again, &b);
        assert(slice_eq(buf_slice(&key), buf_slice(&again)));
    }
    buf_free(&key);
    buf_free(&again);
}

static void check_path(const struct address *a)
{
    struct buf path;
    struct address b;
    struct slice rest;
    buf_init(&path, 4096);
    buf_putc(&path, '<');
    buf_put_slice(&path, a->text);
    buf_puts(&path, "> SIZE=1");
    enum rc rc = address_parse_path(buf_slice(&path), &b, &rest);
    assert(rc == RC_OK && slice_eq(a->text, b.text) && slice_eq_str(rest, " SIZE=1"));
    buf_free(&path);
}

static void check_ascii(const struct address *a)
{
    struct buf ascii;
    struct address b;
    buf_init(&ascii, 4096);
    if (address_put_ascii(&ascii, a) == RC_OK) {
        enum rc rc = address_parse(buf_slice(&ascii), &b);
        assert(rc == RC_LIMIT || (rc == RC_OK && !b.local_utf8 && !b.domain_utf8));
    }
    buf_free(&ascii);
}

static void check_xtext(struct slice text)
{
    struct buf plain;
    buf_init(&plain, 1 << 20);
    assert(!xtext_is_valid(text) ||
           (xtext_decode(text, &plain) == RC_OK && buf_len(&plain) <= text.n));
    buf_clear(&plain);
    if (orcpt_is_valid(text)) {
        orcpt_put_decoded(text, &plain);
        buf_clear(&plain);
        orcpt_put_ascii(text, &plain);
        assert(orcpt_is_valid(buf_slice(&plain)));
    }
    buf_free(&plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = { (const char *)data, size }, rest;
    struct address a;
    struct domain d, again;
    if (size > 4000)
        return 0;
    if (address_parse(text, &a) == RC_OK) {
        check_key(&a);
        check_path(&a);
        check_ascii(&a);
    }
    if (address_parse_path(text, &a, &rest) == RC_OK && !address_is_null(&a))
        check_path(&a);
    if (domain_to_ascii(text, &d) == RC_OK) {
        enum rc rc = domain_to_ascii(domain_slice(&d), &again);
        assert(rc == RC_OK && slice_eq(domain_slice(&d), domain_slice(&again)));
    }
    check_xtext(text);
    return 0;
}
