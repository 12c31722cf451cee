#include "gateway/mail/trace.h"

#include "gateway/base/clock.h"

enum { WORD_MAX = 255 };

static bool word_char(unsigned char c, bool utf8)
{
    return c > ' ' && c != 127 && c != '(' && c != ')' && c != '\\' && c != '"' && c != '<' &&
           c != '>' && c != ';' && c != ',' && (c < 128 || utf8);
}

/* A word of the client's that cannot break out of the field or of its comment. */
static void put_word(struct buf *out, struct slice s, bool utf8)
{
    size_t n = s.n < WORD_MAX ? s.n : WORD_MAX;
    char *at = n ? buf_reserve(out, n) : NULL;
    if (!at)
        return;
    for (size_t i = 0; i < n; i++)
        at[i] = word_char((unsigned char)s.p[i], utf8) ? s.p[i] : '?';
    buf_commit(out, n);
}

static void put_client(struct buf *out, const struct trace *t)
{
    if (t->client_address.n == 0)
        return;
    buf_puts(out, " (");
    if (t->client_name.n) {
        put_word(out, t->client_name, t->smtputf8);
        buf_putc(out, ' ');
    }
    bool v6 = false;
    for (size_t i = 0; i < t->client_address.n; i++)
        v6 |= t->client_address.p[i] == ':';
    buf_puts(out, v6 ? "[IPv6:" : "[");
    put_word(out, t->client_address, false);
    buf_puts(out, "])");
}

/* RFC 3848, RFC 6531 section 4.3. */
static void put_protocol(struct buf *out, const struct trace *t)
{
    if (!t->esmtp) {
        buf_puts(out, "SMTP");
        return;
    }
    buf_puts(out, t->smtputf8 ? "UTF8SMTP" : "ESMTP");
    if (t->tls.n)
        buf_putc(out, 'S');
    if (t->authenticated)
        buf_putc(out, 'A');
}

/* TLS texts are the library's, with blanks between their words. */
static void put_tls(struct buf *out, struct slice tls)
{
    struct slice word;
    bool more = tls.n > 0;
    if (more)
        buf_puts(out, " (");
    while (more) {
        more = slice_cut(tls, ' ', &word, &tls);
        put_word(out, word, false);
        buf_puts(out, more ? " " : ")");
    }
}

void trace_put_received(struct buf *out, const struct trace *t)
{
    buf_puts(out, "Received: from ");
    put_word(out, t->helo.n ? t->helo : SLICE_LIT("unknown"), t->smtputf8);
    put_client(out, t);
    buf_puts(out, "\r\n\tby ");
    buf_put_slice(out, t->by);
    buf_puts(out, " with ");
    put_protocol(out, t);
    put_tls(out, t->tls);
    buf_puts(out, "\r\n\tid ");
    buf_put_slice(out, t->id);
    if (t->recipient.n) {
        buf_puts(out, "\r\n\tfor <");
        buf_put_slice(out, t->recipient);
        buf_putc(out, '>');
    }
    if (t->priority_given)
        buf_printf(out, "\r\n\tPRIORITY %d", t->priority);
    buf_puts(out, ";\r\n\t");
    clock_put_rfc5322(out, t->received_ms);
    buf_puts(out, "\r\n");
}
