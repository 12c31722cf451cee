/*
 * mail/dsn_status — message/delivery-status, RFC 3464 section 2 (mail/dsn_parts.h)
 */
#include "gateway/base/clock.h"
#include "gateway/base/utf8.h"
#include "gateway/mail/dsn_parts.h"
#include "gateway/mail/xtext.h"

struct enhanced dsn_status(const struct dsn_recipient *r)
{
    struct enhanced status = enhanced_or_default(r->status, r->code);
    if (status.class_)
        return status;
    switch (r->action) {
    case DSN_FAILED:
        return r->expired ? (struct enhanced){ 4, 4, 7 } : (struct enhanced){ 5, 0, 0 };
    case DSN_DELAYED:
        return (struct enhanced){ 4, 0, 0 };
    case DSN_DELIVERED:
    case DSN_RELAYED:
        break;
    }
    return (struct enhanced){ 2, 0, 0 };
}

static const char *action_name(enum dsn_action action)
{
    static const char *const names[] = { "failed", "delayed", "delivered", "relayed" };
    return names[action];
}

static void put_date(struct buf *out, const char *field, int64_t wall_ms)
{
    if (wall_ms == 0)
        return;
    buf_puts(out, field);
    clock_put_rfc5322(out, wall_ms);
    buf_puts(out, "\r\n");
}

/* RFC 6533 section 3: a utf-8 address stays in its ASCII form outside message/global-*. */
static void put_original_recipient(struct buf *out, struct slice orcpt, bool global)
{
    if (orcpt.n == 0)
        return;
    buf_puts(out, "Original-Recipient: ");
    if (slice_istarts_with(orcpt, "utf-8;") && !global)
        dsn_put_wrapped(out, orcpt, 0, "", false);
    else
        orcpt_put_decoded(orcpt, out);
    buf_puts(out, "\r\n");
}

static void put_diagnostic(struct buf *out, const struct dsn_recipient *r, bool global)
{
    if (r->code == 0 && r->reply.n == 0)
        return;
    size_t start = buf_len(out);
    buf_puts(out, "Diagnostic-Code: ");
    buf_puts(out, r->code ? "smtp; " : "X-Waypost; ");
    if (r->code) {
        buf_put_u64(out, r->code);
        buf_putc(out, ' ');
    }
    dsn_put_wrapped(out, r->reply, buf_len(out) - start, "\t", global);
    buf_puts(out, "\r\n");
}

static void put_recipient(struct buf *out, const struct dsn_recipient *r, bool global)
{
    buf_puts(out, "\r\n");
    put_original_recipient(out, r->orcpt, global);
    buf_puts(out, "Final-Recipient: ");
    buf_puts(out, global && !utf8_is_ascii(r->address) ? "utf-8; " : "rfc822; ");
    dsn_put_mailbox(out, r->address, global);
    buf_puts(out, "\r\nAction: ");
    buf_puts(out, action_name(r->action));
    buf_puts(out, "\r\nStatus: ");
    enhanced_put(out, dsn_status(r));
    buf_puts(out, "\r\n");
    if (r->remote_mta.n) {
        buf_puts(out, "Remote-MTA: dns; ");
        dsn_put_wrapped(out, r->remote_mta, 0, "", false);
        buf_puts(out, "\r\n");
    }
    put_diagnostic(out, r, global);
    put_date(out, "Last-Attempt-Date: ", r->last_attempt_ms);
    if (r->action == DSN_DELAYED)
        put_date(out, "Will-Retry-Until: ", r->will_retry_until_ms);
}

/* ENVID decoded; what a header field cannot hold becomes '?'. */
static void put_envelope_id(struct buf *out, struct slice env_id)
{
    struct buf plain;
    if (env_id.n == 0)
        return;
    buf_init(&plain, env_id.n);
    if (xtext_decode(env_id, &plain) == RC_OK) {
        struct slice id = buf_slice(&plain);
        buf_puts(out, "Original-Envelope-Id: ");
        for (size_t i = 0; i < id.n; i++)
            buf_putc(out, id.p[i] < ' ' || id.p[i] > '~' ? '?' : id.p[i]);
        buf_puts(out, "\r\n");
    }
    buf_free(&plain);
}

static void put_hold(struct buf *out, const struct mail_hold *hold)
{
    if (hold->until_ms == 0)
        return;
    buf_puts(out, hold->for_s ? "Future-Release-Request: for;" : "Future-Release-Request: until;");
    if (hold->for_s)
        buf_put_u64(out, hold->for_s);
    else
        clock_put_rfc3339(out, hold->until_ms);
    buf_puts(out, "\r\n");
}

void dsn_put_status_part(struct buf *out, const struct dsn *dsn, bool global)
{
    buf_puts(out, "Content-Type: message/");
    buf_puts(out, global ? "global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n"
                         : "delivery-status\r\n");
    buf_puts(out, "Content-Description: Delivery report\r\n\r\n");
    put_envelope_id(out, dsn->env_id);
    buf_puts(out, "Reporting-MTA: dns; ");
    buf_put_slice(out, dsn->hostname);
    buf_puts(out, "\r\n");
    if (dsn->original_id.n) {
        buf_puts(out, "X-Waypost-Id: ");
        buf_put_slice(out, dsn->original_id);
        buf_puts(out, "\r\n");
    }
    put_date(out, "Arrival-Date: ", dsn->arrival_ms);
    put_date(out, "Deliver-By-Date: ", dsn->deliver_by_ms);
    put_hold(out, &dsn->hold);
    for (size_t i = 0; i < dsn->recipients_n; i++)
        put_recipient(out, &dsn->recipients[i], global);
}
