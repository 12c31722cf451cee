/*
 * tests/fuzz/fuzz_envelope — Envelope records: any bytes are refused or read; what was read,
 *   written and read again is the same; and a notification made of it is always well-formed
 *   mail.
 */
#include <assert.h>
#include <stdint.h>

#include "gateway/mail/address.h"
#include "gateway/mail/dsn.h"
#include "gateway/mail/xtext.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool fit(const struct recipient *r)
{
    struct address a;
    return address_parse(r->address, &a) == RC_OK && (r->orcpt.n == 0 || orcpt_is_valid(r->orcpt));
}

static void notify(const struct envelope *e, struct slice original, struct buf *out)
{
    struct dsn_recipient list[4];
    struct address to;
    size_t n = 0;
    if (address_parse(e->sender, &to) != RC_OK || (e->env_id.n && !xtext_is_valid(e->env_id)))
        return;
    for (size_t i = 0; i < e->recipients_n && n < 4; i++) {
        const struct recipient *r = &e->recipients[i];
        if (fit(r))
            list[n++] = (struct dsn_recipient){ .address = r->address,
                                                .orcpt = r->orcpt,
                                                .action = (enum dsn_action)(r->notify & 3),
                                                .code = r->code,
                                                .status = r->status,
                                                .reply = r->reply,
                                                .remote_mta = r->reply_host };
    }
    struct dsn dsn = { .hostname = SLICE_LIT("gw"),
                       .id = SLICE_LIT("1"),
                       .to = e->sender,
                       .env_id = e->env_id,
                       .deliver_by_ms = e->by.at_ms,
                       .hold = e->hold,
                       .recipients = list,
                       .recipients_n = n,
                       .ret = DSN_RET_HDRS,
                       .original_facts = e->content,
                       .original_smtputf8 = e->smtputf8,
                       .original = original,
                       .original_max = 1000 };
    struct dsn_needs needs;
    buf_clear(out);
    dsn_put(out, &dsn, &needs);
    assert(!out->full && !needs.facts.has_bare_eol && !needs.facts.has_nul);
    assert(needs.facts.longest_line <= 1200 && !needs.facts.lacks_final_eol);
    assert(needs.smtputf8 || !needs.facts.has_8bit);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice record = { (const char *)data, size };
    struct arena *arena = arena_new(4096);
    struct envelope e, again;
    struct buf first, second;
    buf_init(&first, 1 << 24);
    buf_init(&second, 1 << 24);
    if (envelope_unpack(record, arena, &e) == RC_OK) {
        envelope_pack(&e, &first);
        assert(envelope_unpack(buf_slice(&first), arena, &again) == RC_OK);
        assert(again.recipients_n == e.recipients_n && slice_eq(again.sender, e.sender));
        assert(again.by.mode == e.by.mode && again.by.at_ms == e.by.at_ms);
        assert(again.by.trace == e.by.trace && again.by.told == e.by.told);
        assert(again.hold.until_ms == e.hold.until_ms && again.hold.for_s == e.hold.for_s);
        envelope_pack(&again, &second);
        assert(slice_eq(buf_slice(&first), buf_slice(&second)));
        notify(&again, record, &second);
    }
    buf_free(&first);
    buf_free(&second);
    arena_free(&arena);
    return 0;
}
