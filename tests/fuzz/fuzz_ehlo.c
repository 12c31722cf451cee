/*
 * tests/fuzz/fuzz_ehlo — EHLO: what was understood of any reply, written by us, is understood
 *   the same again.
 */
#include <assert.h>
#include <stdint.h>

#include "gateway/smtp/ehlo.h"
#include "gateway/smtp/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ehlo_caps caps, again;
    struct reply_parser p;
    struct reply r;
    struct buf wire;
    size_t used;
    ehlo_parse((struct slice){ (const char *)data, size }, &caps);
    buf_init(&wire, 4096);
    ehlo_put(&wire, SLICE_LIT("gw.example"), &caps);
    reply_parser_init(&p);
    enum rc rc = reply_parser_feed(&p, buf_slice(&wire), &used, &r);
    assert(rc == RC_OK && r.code == 250 && used == buf_len(&wire));
    ehlo_parse(r.text, &again);
    assert(caps.ext == again.ext && caps.auth == again.auth && caps.size_max == again.size_max);
    assert(caps.mail_max == again.mail_max && caps.rcpt_max == again.rcpt_max);
    assert(caps.rcptdomain_max == again.rcptdomain_max && caps.by_min == again.by_min);
    reply_parser_free(&p);
    buf_free(&wire);
    return 0;
}
