/*
 * tests/fuzz/fuzz_replies — the rules about remote replies, and what they say of any reply
 *
 *   The first byte says which: 'r', the rest is a file of rules, providers before a form feed; any
 *   other is the step and the rest a reply. A judgement does not depend on case, on where the lines
 *   of a reply break, or on the codes in front of them.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "reputation/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct reply_rules *shipped(void)
{
    static struct reply_rules *rules;
    if (!rules)
        rules = reply_rules_shipped();
    return rules;
}

/* In memory of its own: a byte read past the end is seen. */
static struct slice copy(struct slice s)
{
    char *p = mem_zero(s.n ? s.n : 1);
    if (s.n)
        memcpy(p, s.p, s.n);
    return (struct slice){ p, s.n };
}

static void release(struct slice s)
{
    free((char *)(uintptr_t)s.p);
}

static void check_same(const struct reply_judgement *a, const struct reply_judgement *b)
{
    assert(a->class == b->class && a->scope == b->scope && a->rule == b->rule);
    assert(a->names_us == b->names_us && a->names_other == b->names_other);
    assert(a->names_ehlo == b->names_ehlo && a->names_sender == b->names_sender &&
           a->names_recipient == b->names_recipient);
    assert(a->ends_by_itself == b->ends_by_itself && slice_ieq(a->zone, b->zone));
}

/* Another break at each blank, with the codes a server puts in front of a line, in upper case. */
static struct slice rewritten(const struct reply_facts *f, uint8_t seed)
{
    struct buf out;
    size_t n;
    buf_init(&out, 1 << 22);
    for (size_t i = 0; i < f->text.n; i++) {
        char c = f->text.p[i];
        if (c == ' ' && ((i + seed) & 1)) {
            buf_printf(&out, "\r\n%u%c", f->code, (seed & 2) ? '-' : ' ');
            if (f->status.class_ && (seed & 4)) {
                enhanced_put(&out, f->status);
                buf_putc(&out, ' ');
            }
        } else {
            buf_putc(&out, (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c));
        }
    }
    assert(!out.full);
    char *p = buf_take(&out, &n);
    return (struct slice){ p, n };
}

static void check_normal(const struct reply_facts *f)
{
    static char once[REPLY_TEXT_MAX], twice[REPLY_TEXT_MAX];
    struct reply_facts again = *f;
    struct slice first = reply_normal(f, once);
    again.text = first;
    assert(slice_eq(reply_normal(&again, twice), first));
}

static void check_reply(const struct reply_rules *rules, uint8_t head, struct slice text)
{
    struct addr source;
    struct reply_judgement j, other;
    struct slice mx, own = copy(text);
    struct reply_facts f = { .code = (uint16_t)(head & 0x40 ? 550 : 421), .text = own };
    assert(addr_parse(slice_of(head & 0x20 ? "2001:db8::42" : "203.0.113.42"), &source) == RC_OK);
    f.source = head & 0x10 ? &source : NULL;
    f.at = (enum reply_at)(head % REPLY_ATS);
    f.status = (struct enhanced){ (uint8_t)(f.code / 100), 7, head % 30 };
    slice_cut(own, '\n', &mx, &f.text);
    f.mx = f.ehlo = mx;
    f.sender = slice_of(head & 0x80 ? "user@example.com" : "");
    f.recipient = SLICE_LIT("user@example.net");
    reply_classify(rules, &f, &j);
    assert(j.class < REPLY_CLASSES && j.scope < REPLY_SCOPES && j.rule && j.rule[0]);
    assert(!(j.names_us && j.names_other) && j.provider.n <= REPLY_PROVIDER_MAX);
    assert(f.source || (!j.names_us && !j.names_other));
    assert((f.sender.n || !j.names_sender) && (memchr(mx.p, '.', mx.n) || !j.names_ehlo));
    assert(slice_eq(j.provider, reply_provider(rules, f.mx)));
    check_normal(&f);
    struct slice again = rewritten(&f, head);
    struct reply_facts changed = f;
    changed.text = again;
    reply_classify(rules, &changed, &other);
    check_same(&j, &other);
    release(again);
    release(own);
}

static void check_rules(struct slice text)
{
    struct slice providers, replies;
    struct reply_rules *rules = NULL, *twin = NULL;
    struct err err = { .text = "" };
    if (!slice_cut(text, '\f', &providers, &replies))
        replies = (struct slice){ NULL, 0 };
    struct slice own = copy(providers), own_replies = copy(replies);
    enum rc rc = reply_rules_read(own, own_replies, &rules, &err);
    assert(reply_rules_read(own, own_replies, &twin, NULL) == rc);
    release(own);
    release(own_replies);
    if (rc != RC_OK) {
        assert(!rules && !twin && err.text[0]);
        return;
    }
    check_reply(rules, 0x5a, text); /* the rules live on without the text they came from */
    reply_rules_free(&rules);
    reply_rules_free(&twin);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct slice rest = { (const char *)data + 1, size - 1 };
    if (data[0] == 'r')
        check_rules(rest);
    else
        check_reply(shipped(), data[0], rest);
    return 0;
}
