#include "gateway/mail/dsn.h"

#include "gateway/base/clock.h"
#include "gateway/base/utf8.h"
#include "gateway/mail/address.h"
#include "gateway/mail/dsn_parts.h"

bool dsn_wanted(struct slice sender, unsigned notify, enum dsn_action action)
{
    if (sender.n == 0 || (notify & NOTIFY_NEVER))
        return false;
    switch (action) {
    case DSN_FAILED:
        return notify == 0 || (notify & NOTIFY_FAILURE);
    case DSN_DELAYED:
        return notify == 0 || (notify & NOTIFY_DELAY);
    case DSN_DELIVERED:
    case DSN_RELAYED:
        return (notify & NOTIFY_SUCCESS) != 0;
    }
    return false;
}

static bool mailbox_needs_utf8(struct slice text)
{
    struct address address;
    return !utf8_is_ascii(text) &&
           (address_parse(text, &address) != RC_OK || address_needs_utf8(&address));
}

/* Is there anything that only SMTPUTF8 can say? Broken bytes from a client that never asked for
 * it do not count: those are replaced or encoded. */
static bool needs_global(const struct dsn *dsn)
{
    if (!dsn->original_smtputf8)
        return false;
    bool needed = dsn->original_facts.header_8bit || mailbox_needs_utf8(dsn->to);
    for (size_t i = 0; i < dsn->recipients_n; i++)
        needed |= mailbox_needs_utf8(dsn->recipients[i].address) ||
                  !utf8_is_ascii(dsn->recipients[i].orcpt);
    return needed;
}

static const char *subject_of(const struct dsn *dsn)
{
    bool seen[DSN_RELAYED + 1] = { false };
    for (size_t i = 0; i < dsn->recipients_n; i++)
        seen[dsn->recipients[i].action] = true;
    if (seen[DSN_FAILED])
        return "Undelivered mail: your message could not be delivered";
    if (seen[DSN_DELAYED])
        return "Delayed mail: your message is still being tried";
    return "Delivery report for your message";
}

static void put_boundary(struct buf *out, uint64_t boundary)
{
    static const char digits[] = "0123456789abcdef";
    buf_puts(out, "=_dsn_");
    for (unsigned shift = 64; shift;) {
        shift -= 4;
        buf_putc(out, digits[boundary >> shift & 15]);
    }
}

static void put_delimiter(struct buf *out, uint64_t boundary, const char *tail)
{
    buf_puts(out, "\r\n--");
    put_boundary(out, boundary);
    buf_puts(out, tail);
}

static void put_header(struct buf *out, const struct dsn *dsn, bool global)
{
    buf_puts(out, "From: Mail Delivery System <MAILER-DAEMON@");
    buf_put_slice(out, dsn->hostname);
    buf_puts(out, ">\r\nTo: <");
    dsn_put_mailbox(out, dsn->to, global);
    buf_puts(out, ">\r\nSubject: ");
    buf_puts(out, subject_of(dsn));
    buf_puts(out, "\r\nDate: ");
    clock_put_rfc5322(out, dsn->now_ms);
    buf_puts(out, "\r\nMessage-ID: <");
    buf_put_slice(out, dsn->id);
    buf_putc(out, '@');
    buf_put_slice(out, dsn->hostname);
    buf_puts(out, ">\r\nAuto-Submitted: auto-replied\r\n"
                  "MIME-Version: 1.0\r\n"
                  "Content-Type: multipart/report; report-type=delivery-status;\r\n"
                  "\tboundary=\"");
    put_boundary(out, dsn->boundary);
    buf_puts(out, "\"\r\n");
}

static struct content_facts facts_of(struct slice message, bool header_8bit)
{
    struct content_scan scan;
    content_scan_init(&scan);
    content_scan_feed(&scan, message);
    content_scan_end(&scan);
    scan.facts.header_8bit = header_8bit;
    return scan.facts;
}

void dsn_put(struct buf *out, const struct dsn *dsn, struct dsn_needs *needs_r)
{
    bool global = needs_global(dsn);
    size_t start = buf_len(out);
    put_header(out, dsn, global);
    size_t header_end = buf_len(out);
    put_delimiter(out, dsn->boundary, "\r\n");
    dsn_put_text_part(out, dsn, global);
    put_delimiter(out, dsn->boundary, "\r\n");
    dsn_put_status_part(out, dsn, global);
    put_delimiter(out, dsn->boundary, "\r\n");
    dsn_put_original_part(out, dsn, global);
    put_delimiter(out, dsn->boundary, "--\r\n");

    struct slice all = buf_slice(out);
    struct slice header = { all.p + start, header_end - start };
    needs_r->smtputf8 = global;
    needs_r->facts =
        facts_of((struct slice){ all.p + start, all.n - start }, !utf8_is_ascii(header));
}
