/*
 * reputation/reply_names — whom the text names: our host, the sender, the recipient
 *
 *   "example.com is blacklisted" is about the sender or about our host: the words do not tell, the
 *   dialogue does.
 */
#include <string.h>

#include "gateway/mail/address.h"
#include "reputation/reply_internal.h"

/* What may be named; empty: nothing of it. */
struct parties {
    struct slice ehlo, sender, sender_domain, recipient, recipient_domain;
};

/* Without the root's dot; a single label is a word like any other. */
static struct slice host_name(struct slice s)
{
    if (slice_ends_with(s, "."))
        s.n--;
    if (s.n == 0 || !memchr(s.p, '.', s.n))
        s.n = 0;
    return s;
}

static struct slice domain_of(struct slice sender)
{
    struct slice domain = address_domain(sender);
    return host_name(domain.n ? domain : sender);
}

/* The length of `domain` when `name` is it or a name in it, else 0. */
static size_t within(struct slice name, struct slice domain)
{
    if (name.n < domain.n)
        return 0;
    size_t front = name.n - domain.n;
    bool fits =
        slice_ieq(slice_skip(name, front), domain) && (front == 0 || name.p[front - 1] == '.');
    return fits ? domain.n : 0;
}

static unsigned host_is_of(const struct parties *p, struct slice name)
{
    size_t sender = within(name, p->sender_domain), recipient = within(name, p->recipient_domain);
    if (p->ehlo.n && slice_ieq(name, p->ehlo))
        return REPLY_FACT_EHLO;
    if (sender > recipient)
        return REPLY_FACT_SENDER;
    return recipient > sender && recipient == name.n ? REPLY_FACT_RECIPIENT : 0;
}

/* Any address of the sender's domain is his, but only the recipient's own is the recipient: others
 * there are whom to turn to. */
static unsigned address_is_of(const struct parties *p, struct slice address)
{
    struct slice domain = host_name(address_domain(address));
    bool sender = slice_ieq(address, p->sender), recipient = slice_ieq(address, p->recipient);
    if (sender != recipient)
        return sender ? REPLY_FACT_SENDER : REPLY_FACT_RECIPIENT;
    return !sender && within(domain, p->sender_domain) > within(domain, p->recipient_domain)
               ? REPLY_FACT_SENDER
               : 0;
}

/* Without punctuation around it and, of "helo=mail.example.com", without the key. */
static struct slice bare_name(struct slice name)
{
    const char *key = name.n ? memrchr(name.p, '=', name.n) : NULL;
    if (key)
        name = slice_skip(name, (size_t)(key - name.p) + 1);
    while (name.n && strchr(".-_+", name.p[0]))
        name = slice_skip(name, 1);
    while (name.n && strchr(".-_+", name.p[name.n - 1]))
        name.n--;
    return name;
}

/* "From=user@example.com": the key is no part of it, unless the address known has one. */
static unsigned look_at_address(const struct parties *p, struct slice address)
{
    while (address.n && strchr(".-=", address.p[address.n - 1]))
        address.n--;
    unsigned named = address_is_of(p, address);
    const char *at = memchr(address.p, '@', address.n);
    const char *key = at ? memrchr(address.p, '=', (size_t)(at - address.p)) : NULL;
    return key ? named | address_is_of(p, slice_skip(address, (size_t)(key - address.p) + 1))
               : named;
}

/* "example.com/help": a URL without its scheme. */
static bool is_path(struct slice text, size_t at)
{
    return at + 1 < text.n && text.p[at] == '/' && text.p[at + 1] >= 'a' && text.p[at + 1] <= 'z';
}

unsigned reply_names(const struct reply_facts *facts, struct slice text)
{
    const struct parties p = { .ehlo = host_name(facts->ehlo),
                               .sender = facts->sender,
                               .sender_domain = domain_of(facts->sender),
                               .recipient = facts->recipient,
                               .recipient_domain = host_name(address_domain(facts->recipient)) };
    unsigned named = 0;
    for (size_t at = 0; at < text.n;) {
        size_t run = reply_run_until(text, at), until = reply_opaque_until(text, at, run);
        struct slice name = { text.p + at, run - at };
        if (until > run && text.p[run] == '@') {
            name.n = until - at;
            named |= look_at_address(&p, name);
        } else if (until == at && is_path(text, run) && memchr(name.p, '.', name.n)) {
            while (until < text.n && text.p[until] != ' ')
                until++;
        } else if (until == at && run > at) {
            named |= host_is_of(&p, bare_name(name));
        }
        at = until > run ? until : run > at ? run : at + 1;
    }
    return named;
}
