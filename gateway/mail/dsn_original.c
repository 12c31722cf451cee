/*
 * mail/dsn_original — the returned message or its header, RFC 3462 (mail/dsn_parts.h)
 */
#include "gateway/mail/dsn_parts.h"
#include "gateway/mail/header.h"

enum { QP_COLUMN = 72, LINE_MAX_RFC5322 = 998 };

static struct slice header_of(struct slice message)
{
    struct header_scan scan;
    header_scan_init(&scan, NULL, 0, DSN_HEADER_MAX);
    header_scan_feed(&scan, message);
    struct slice header = { message.p, (size_t)scan.size };
    header_scan_free(&scan);
    return header;
}

/* RET speaks of failures only; all other reports return the header (RFC 3461 section 4.3). Bytes
 * that need BINARYMIME are not returned either: few next hops could take the notification. */
static bool return_whole(const struct dsn *dsn)
{
    bool failure = false;
    for (size_t i = 0; i < dsn->recipients_n; i++)
        failure |= dsn->recipients[i].action == DSN_FAILED;
    return failure && dsn->ret != DSN_RET_HDRS && !dsn->original_cut &&
           dsn->original.n <= dsn->original_max && !dsn->original_facts.has_nul &&
           !dsn->original_facts.has_bare_eol;
}

static struct content_facts facts_of(struct slice text)
{
    struct content_scan scan;
    content_scan_init(&scan);
    content_scan_feed(&scan, text);
    content_scan_end(&scan);
    return scan.facts;
}

/* Quoted-printable (RFC 2045 section 6.7) with CRLF kept as line ends. */
static void put_quoted_printable(struct buf *out, struct slice s)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t column = 0;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool crlf = c == '\r' && i + 1 < s.n && s.p[i + 1] == '\n';
        bool blank_at_end = (c == ' ' || c == '\t') && (i + 1 == s.n || s.p[i + 1] == '\r');
        if (crlf) {
            buf_puts(out, "\r\n");
            column = 0;
            i++;
            continue;
        }
        if (column >= QP_COLUMN) {
            buf_puts(out, "=\r\n");
            column = 0;
        }
        if (((c >= ' ' && c <= '~' && c != '=') || c == '\t') && !blank_at_end) {
            buf_putc(out, (char)c);
            column++;
        } else {
            char code[3] = { '=', digits[c >> 4], digits[c & 15] };
            buf_put(out, code, 3);
            column += 3;
        }
    }
}

static void put_whole(struct buf *out, const struct dsn *dsn, bool global)
{
    buf_puts(out, global ? "Content-Type: message/global\r\n" : "Content-Type: message/rfc822\r\n");
    if (dsn->original_facts.has_8bit || global)
        buf_puts(out, "Content-Transfer-Encoding: 8bit\r\n");
    buf_puts(out, "Content-Description: Your message\r\n\r\n");
    buf_put_slice(out, dsn->original);
}

static void put_header_only(struct buf *out, const struct dsn *dsn, bool global)
{
    struct slice header = header_of(dsn->original);
    struct content_facts facts = facts_of(header);
    bool encode = (facts.has_8bit && !global) || facts.has_nul || facts.has_bare_eol ||
                  facts.longest_line > LINE_MAX_RFC5322;
    buf_puts(out, global ? "Content-Type: message/global-headers\r\n"
                         : "Content-Type: text/rfc822-headers\r\n");
    if (encode)
        buf_puts(out, "Content-Transfer-Encoding: quoted-printable\r\n");
    else if (global)
        buf_puts(out, "Content-Transfer-Encoding: 8bit\r\n");
    buf_puts(out, "Content-Description: Header of your message\r\n\r\n");
    if (encode)
        put_quoted_printable(out, header);
    else
        buf_put_slice(out, header);
}

void dsn_put_original_part(struct buf *out, const struct dsn *dsn, bool global)
{
    if (return_whole(dsn))
        put_whole(out, dsn, global);
    else
        put_header_only(out, dsn, global);
}
