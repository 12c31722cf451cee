/*
 * tests/fuzz/fuzz_params — MAIL and RCPT arguments: what we accept as a server, we can say again
 *   as a client, with the same meaning.
 */
#include <assert.h>
#include <stdint.h>

#include "gateway/base/utf8.h"
#include "gateway/smtp/command.h"
#include "gateway/smtp/mailparams.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ALL = EXT_ALL };

static struct slice without(struct slice line, size_t front)
{
    assert(line.n >= front + 2);
    return (struct slice){ line.p + front, line.n - front - 2 };
}

static void same_mail(const struct mail_args *a, const struct mail_args *b)
{
    assert(slice_eq(a->from.text, b->from.text));
    assert(b->size_given && a->size == b->size);
    assert(slice_eq(a->env_id, b->env_id) && a->ret == b->ret);
    assert(a->mt_priority_given <= b->mt_priority_given && a->mt_priority == b->mt_priority);
    assert(a->by_mode == b->by_mode && a->by_trace == b->by_trace && a->by_s == b->by_s);
    assert(!a->hold_for_s || !a->hold_until_ms);
}

static void mail(struct slice args, struct buf *out)
{
    struct mail_args m, again;
    const char *reply = NULL;
    if (command_parse_mail(args, ALL, &m, &reply) != RC_OK) {
        assert(reply && reply[0] == '5');
        return;
    }
    struct envelope e = {
        .sender = m.from.text,
        .env_id = m.env_id,
        .size = m.size,
        .body = m.body,
        .smtputf8 = m.smtputf8,
        .ret = m.ret,
        .mt_priority_given = m.mt_priority_given,
        .mt_priority = m.mt_priority,
        .by = { .mode = m.by_mode, .trace = m.by_trace, .at_ms = (int64_t)m.by_s * 1000 }
    };
    struct ehlo_caps caps = { .ext = ALL };
    struct mail_plan plan;
    struct hop_refusal refusal;
    e.content.has_8bit = m.body == BODY_8BITMIME;
    assert(mailparams_plan(&e, &caps, 0, &plan, &refusal) == RC_OK);
    mailparams_put_mail(out, &e, &plan, 0);
    struct slice line = without(buf_slice(out), 5);
    assert(command_parse_mail(line, ALL, &again, &reply) == RC_OK);
    same_mail(&m, &again);
}

static void rcpt(struct slice args, struct buf *out)
{
    struct rcpt_args r, again;
    const char *reply = NULL;
    if (command_parse_rcpt(args, ALL, true, &r, &reply) != RC_OK) {
        assert(reply && reply[0] == '5');
        return;
    }
    struct recipient recipient = { .address = r.to.text, .orcpt = r.orcpt, .notify = r.notify };
    struct mail_plan plan = { .ext = EXT_DSN, .smtputf8 = true };
    struct hop_refusal refusal;
    mailparams_put_rcpt(out, &recipient, &plan);
    assert(command_parse_rcpt(without(buf_slice(out), 5), ALL, true, &again, &reply) == RC_OK);
    assert(slice_eq(r.to.text, again.to.text) && slice_eq(r.orcpt, again.orcpt));
    assert(r.notify == again.notify);
    /* A hop without SMTPUTF8 sees ASCII only. */
    plan.smtputf8 = false;
    buf_clear(out);
    if (mailparams_check_rcpt(&plan, &recipient, &refusal) == RC_OK) {
        mailparams_put_rcpt(out, &recipient, &plan);
        assert(utf8_is_ascii(buf_slice(out)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice args = { (const char *)data, size };
    struct buf out;
    if (size > 4096)
        return 0;
    buf_init(&out, 1 << 16);
    mail(args, &out);
    buf_clear(&out);
    rcpt(args, &out);
    buf_free(&out);
    return 0;
}
