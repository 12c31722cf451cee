/*
 * mail/dsn_text — the part for people, and how foreign text is made fit (mail/dsn_parts.h)
 */
#include "gateway/base/utf8.h"
#include "gateway/mail/address.h"
#include "gateway/mail/dsn_parts.h"

enum { WRAP_COLUMN = 76, WORD_MAX = 400 };

void dsn_put_mailbox(struct buf *out, struct slice text, bool global)
{
    struct address address;
    if (global || address_parse(text, &address) != RC_OK ||
        address_put_ascii(out, &address) != RC_OK)
        dsn_put_wrapped(out, text, 0, "", global);
}

static size_t put_word(struct buf *out, struct slice word, bool utf8)
{
    for (size_t i = 0; i < word.n; i++) {
        unsigned char c = (unsigned char)word.p[i];
        buf_putc(out, c > 127 && !utf8 ? '?' : word.p[i]);
    }
    return word.n;
}

static bool is_break(char c)
{
    return (c >= 0 && c <= ' ') || c == 127;
}

static struct slice next_word(struct slice *text)
{
    while (text->n && is_break(text->p[0]))
        *text = slice_skip(*text, 1);
    struct slice word = { text->p, 0 };
    while (word.n < text->n && word.n < WORD_MAX && !is_break(text->p[word.n]))
        word.n++;
    *text = slice_skip(*text, word.n);
    return word;
}

void dsn_put_wrapped(struct buf *out, struct slice text, size_t column, const char *indent,
                     bool utf8)
{
    bool first = true;
    struct slice prefix = slice_of(indent);
    utf8 = utf8 && utf8_is_valid(text);
    for (struct slice word = next_word(&text); word.n; word = next_word(&text)) {
        if (!first && prefix.n && column + 1 + word.n > WRAP_COLUMN) {
            buf_puts(out, "\r\n");
            buf_put_slice(out, prefix);
            column = prefix.n;
        } else if (!first) {
            buf_putc(out, ' ');
            column++;
        }
        column += put_word(out, word, utf8);
        first = false;
    }
}

static const char *intro_of(enum dsn_action action)
{
    switch (action) {
    case DSN_FAILED:
        return "Your message could not be delivered to the recipients below, and will not be\r\n"
               "tried again. What went wrong is written under each of them.\r\n";
    case DSN_DELAYED:
        return "Your message has not yet been delivered to the recipients below. It is still\r\n"
               "being tried: you need not send it again.\r\n";
    case DSN_DELIVERED:
        return "Your message was delivered to the recipients below.\r\n";
    case DSN_RELAYED:
        return "Your message was handed over to the mail servers of the recipients below.\r\n"
               "Nothing more may be heard of it unless those servers report deliveries.\r\n";
    }
    return "";
}

static const char *lead_of(const struct dsn_recipient *r)
{
    if (r->expired)
        return "    The time for delivering it was up. The last attempt ended with:";
    return r->action == DSN_DELAYED ? "    The last attempt ended with:" : NULL;
}

static void put_recipient(struct buf *out, const struct dsn_recipient *r, bool global)
{
    static const char indent[] = "    ";
    buf_puts(out, "\r\n<");
    dsn_put_mailbox(out, r->address, global);
    buf_puts(out, ">\r\n");
    if (lead_of(r)) {
        buf_puts(out, lead_of(r));
        buf_puts(out, "\r\n");
    }
    if (r->reply.n == 0 && r->code == 0)
        return;
    buf_puts(out, indent);
    size_t start = buf_len(out);
    if (r->remote_mta.n) {
        dsn_put_wrapped(out, r->remote_mta, 0, "", false);
        buf_puts(out, " said: ");
    }
    if (r->code) {
        buf_put_u64(out, r->code);
        buf_putc(out, ' ');
    }
    size_t column = sizeof indent - 1 + buf_len(out) - start;
    dsn_put_wrapped(out, r->reply, column, indent, global);
    buf_puts(out, "\r\n");
}

static void put_section(struct buf *out, const struct dsn *dsn, enum dsn_action action, bool global)
{
    bool begun = false;
    for (size_t i = 0; i < dsn->recipients_n; i++) {
        if (dsn->recipients[i].action != action)
            continue;
        if (!begun) {
            buf_puts(out, "\r\n");
            buf_puts(out, intro_of(action));
            begun = true;
        }
        put_recipient(out, &dsn->recipients[i], global);
    }
}

void dsn_put_text_part(struct buf *out, const struct dsn *dsn, bool global)
{
    buf_puts(out, "Content-Type: text/plain; charset=");
    buf_puts(out, global ? "utf-8\r\nContent-Transfer-Encoding: 8bit\r\n" : "us-ascii\r\n");
    buf_puts(out, "Content-Description: Notification\r\n\r\n");
    buf_puts(out, "This is the mail relay at ");
    buf_put_slice(out, dsn->hostname);
    buf_puts(out, ".\r\n");
    for (int action = DSN_FAILED; action <= DSN_RELAYED; action++)
        put_section(out, dsn, (enum dsn_action)action, global);
    buf_puts(out, "\r\nDetails for your mail administrator and the message, or its header, are\r\n"
                  "attached.\r\n");
}
