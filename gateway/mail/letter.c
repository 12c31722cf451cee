#include "gateway/mail/letter.h"

#include "gateway/base/base64.h"
#include "gateway/base/clock.h"
#include "gateway/mail/address.h"

enum { SUBJECT_MAX = 200, LINE_MAX = 900, BASE64_LINE = 76 };

static bool is_plain(struct slice text)
{
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] > 126 || (text.p[i] < ' ' && text.p[i] != '\n'))
            return false;
    return true;
}

/* Lines end with CRLF, the last one too; longer ones than SMTP takes are broken. */
static void put_lines(struct buf *out, struct slice text)
{
    size_t column = 0;
    for (size_t i = 0; i < text.n; i++) {
        bool end = text.p[i] == '\n';
        if (!end) {
            buf_putc(out, text.p[i]);
            column++;
        }
        if (end || column == LINE_MAX || i + 1 == text.n) {
            buf_puts(out, "\r\n");
            column = 0;
        }
    }
}

static void put_base64(struct buf *out, struct slice text)
{
    struct buf lines, coded;
    buf_init(&lines, 2 * text.n + 16);
    buf_init(&coded, 3 * text.n + 16);
    put_lines(&lines, text);
    base64_encode(buf_slice(&lines), &coded);
    for (struct slice rest = buf_slice(&coded); rest.n;) {
        size_t n = rest.n < BASE64_LINE ? rest.n : BASE64_LINE;
        buf_put(out, rest.p, n);
        buf_puts(out, "\r\n");
        rest = slice_skip(rest, n);
    }
    buf_free(&lines);
    buf_free(&coded);
}

static void put_subject(struct buf *out, struct slice subject)
{
    buf_puts(out, "Subject: ");
    for (size_t i = 0; i < subject.n && i < SUBJECT_MAX; i++)
        buf_putc(out, subject.p[i] < ' ' || subject.p[i] > '~' ? '?' : subject.p[i]);
}

static void put_header(struct buf *out, const struct letter *l, const struct address *to)
{
    buf_puts(out, "From: Mail Delivery System <MAILER-DAEMON@");
    buf_put_slice(out, l->hostname);
    buf_puts(out, ">\r\nTo: <");
    address_put_ascii(out, to);
    buf_puts(out, ">\r\n");
    put_subject(out, l->subject);
    buf_puts(out, "\r\nDate: ");
    clock_put_rfc5322(out, l->now_ms);
    buf_puts(out, "\r\nMessage-ID: <");
    buf_put_slice(out, l->id);
    buf_putc(out, '@');
    buf_put_slice(out, l->hostname);
    buf_puts(out, ">\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
                  "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: ");
}

enum rc letter_put(struct buf *out, const struct letter *l)
{
    struct address to;
    if (address_parse(l->to, &to) != RC_OK)
        return RC_PARSE;
    if (address_needs_utf8(&to))
        return RC_DENIED;
    bool plain = is_plain(l->text);
    put_header(out, l, &to);
    buf_puts(out, plain ? "7bit\r\n\r\n" : "base64\r\n\r\n");
    (plain ? put_lines : put_base64)(out, l->text);
    return RC_OK;
}
