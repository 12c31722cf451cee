#include "gateway/smtp/mailparams.h"

#include <assert.h>

#include "gateway/base/utf8.h"
#include "gateway/mail/address.h"
#include "gateway/mail/xtext.h"
#include "gateway/smtp/limits.h"

static const struct hop_refusal too_large = {
    552, { 5, 3, 4 }, "The message is larger than the next mail server takes"
};
static const struct hop_refusal not_8bit = {
    554, { 5, 6, 3 }, "The message has 8-bit text and the next mail server takes only 7-bit"
};
static const struct hop_refusal not_binary = {
    554, { 5, 6, 3 }, "The message is binary and the next mail server takes only text"
};
static const struct hop_refusal not_utf8 = {
    553,
    { 5, 6, 7 },
    "The message needs internationalized mail, which the next mail server does not do"
};

static const struct hop_refusal no_deliverby = {
    554, { 5, 3, 3 }, "The message must arrive in time and the next mail server cannot promise that"
};
static const struct hop_refusal too_late = {
    554, { 5, 4, 7 }, "The next mail server cannot deliver the message in the time that is left"
};

static enum rc refuse(const struct hop_refusal *refusal, struct hop_refusal *refusal_r)
{
    *refusal_r = *refusal;
    return RC_DENIED;
}

/* Can this mailbox only be named under SMTPUTF8? */
static bool mailbox_needs_utf8(struct slice text)
{
    struct address address;
    if (utf8_is_ascii(text))
        return false;
    return address_parse(text, &address) != RC_OK || address_needs_utf8(&address);
}

/* Something beyond ASCII that SMTPUTF8 was asked for; body text counts too, since the header of
 * an inner part may be in UTF-8 (RFC 6532) and is not looked at. */
static bool has_utf8(const struct envelope *e)
{
    bool found = e->content.has_8bit || !utf8_is_ascii(e->sender);
    for (size_t i = 0; i < e->recipients_n; i++)
        found |= !utf8_is_ascii(e->recipients[i].address);
    return found;
}

static enum rc plan_utf8(const struct envelope *e, const struct ehlo_caps *caps,
                         struct mail_plan *plan, struct hop_refusal *refusal_r)
{
    if (e->smtputf8 && (caps->ext & EXT_SMTPUTF8)) {
        plan->smtputf8 = has_utf8(e);
        plan->ext |= plan->smtputf8 ? EXT_SMTPUTF8 : 0u;
        return RC_OK;
    }
    bool needed = (e->smtputf8 && e->content.header_8bit) || mailbox_needs_utf8(e->sender);
    return needed ? refuse(&not_utf8, refusal_r) : RC_OK;
}

static enum rc plan_body(const struct envelope *e, const struct ehlo_caps *caps,
                         struct mail_plan *plan, struct hop_refusal *refusal_r)
{
    const unsigned binary_ext = EXT_CHUNKING | EXT_BINARYMIME;
    const struct content_facts *c = &e->content;
    bool declared = e->body == BODY_BINARYMIME;
    /* A bare CR or LF must not meet the dots of DATA, whoever sent it; a NUL ends a line for some.
     */
    bool binary = c->has_bare_eol || c->has_nul;
    if ((binary || (declared && c->lacks_final_eol)) && (caps->ext & binary_ext) == binary_ext) {
        plan->body = BODY_BINARYMIME;
        plan->need_bdat = true;
        plan->ext |= binary_ext;
        return RC_OK;
    }
    if (binary)
        return refuse(&not_binary, refusal_r);
    if (!c->has_8bit)
        return RC_OK;
    if (caps->ext & EXT_8BITMIME) {
        plan->body = BODY_8BITMIME;
        plan->ext |= EXT_8BITMIME;
        return RC_OK;
    }
    return e->body == BODY_7BIT ? RC_OK : refuse(&not_8bit, refusal_r);
}

/* Rounded up: a second that has begun is left. */
static int64_t seconds_left(const struct deliver_by *by, int64_t now_ms)
{
    int64_t ms = by->at_ms - now_ms;
    return ms > 0 ? (ms + 999) / 1000 : ms / 1000;
}

/* A deadline of our own asks nothing of a hop that does not know it. */
static enum rc plan_by(const struct envelope *e, const struct ehlo_caps *caps, int64_t now_ms,
                       struct mail_plan *plan, struct hop_refusal *refusal_r)
{
    const struct deliver_by *by = &e->by;
    bool offered = caps->ext & EXT_DELIVERBY, asked = !by->ours;
    int64_t left = seconds_left(by, now_ms);
    if (by->mode == BY_NONE)
        return RC_OK;
    bool in_time = by->mode == BY_NOTIFY || (left > 0 && left >= caps->by_min);
    if (asked && by->mode == BY_RETURN && (!offered || !in_time))
        return refuse(offered || left <= 0 ? &too_late : &no_deliverby, refusal_r);
    plan->ext |= offered && in_time ? EXT_DELIVERBY : 0u;
    bool unknown_there = asked && !offered && left > 0;
    plan->tell_relayed = by->trace || unknown_there;
    plan->ask_delay = unknown_there;
    return RC_OK;
}

enum rc mailparams_plan(const struct envelope *e, const struct ehlo_caps *caps, int64_t now_ms,
                        struct mail_plan *plan_r, struct hop_refusal *refusal_r)
{
    *plan_r = (struct mail_plan){ .ext = caps->ext & (EXT_SIZE | EXT_DSN) };
    if (e->mt_priority_given)
        plan_r->ext |= caps->ext & EXT_MT_PRIORITY;
    if ((caps->ext & EXT_SIZE) && caps->size_max && e->size > caps->size_max)
        return refuse(&too_large, refusal_r);
    enum rc rc = plan_by(e, caps, now_ms, plan_r, refusal_r);
    if (!rc)
        rc = plan_utf8(e, caps, plan_r, refusal_r);
    return rc ? rc : plan_body(e, caps, plan_r, refusal_r);
}

enum rc mailparams_check_rcpt(const struct mail_plan *plan, const struct recipient *recipient,
                              struct hop_refusal *refusal_r)
{
    if (plan->smtputf8 || !mailbox_needs_utf8(recipient->address))
        return RC_OK;
    return refuse(&not_utf8, refusal_r);
}

static void put_path(struct buf *out, struct slice mailbox, bool utf8)
{
    struct address address;
    buf_putc(out, '<');
    if (utf8 || utf8_is_ascii(mailbox)) {
        buf_put_slice(out, mailbox);
    } else {
        enum rc rc = address_parse(mailbox, &address);
        if (!rc)
            rc = address_put_ascii(out, &address);
        assert(rc == RC_OK); /* the plan and the check saw to it */
    }
    buf_putc(out, '>');
}

static void put_param(struct buf *out, const char *name, struct slice value)
{
    buf_puts(out, name);
    buf_put_slice(out, value);
}

static void put_number(struct buf *out, const char *name, int64_t number)
{
    buf_puts(out, name);
    buf_puts(out, number < 0 ? "-" : "");
    buf_put_u64(out, (uint64_t)(number < 0 ? -number : number));
}

/* Time has passed since the plan was made: mode R never says zero or less. */
static void put_by(struct buf *out, const struct deliver_by *by, int64_t now_ms)
{
    int64_t left = seconds_left(by, now_ms), least = by->mode == BY_RETURN ? 1 : -SMTP_SECONDS_MAX;
    left = left < least ? least : left > SMTP_SECONDS_MAX ? SMTP_SECONDS_MAX : left;
    put_number(out, " BY=", left);
    buf_puts(out, by->mode == BY_RETURN ? ";R" : ";N");
    buf_puts(out, by->trace ? "T" : "");
}

void mailparams_put_mail(struct buf *out, const struct envelope *e, const struct mail_plan *plan,
                         int64_t now_ms)
{
    buf_puts(out, "MAIL FROM:");
    put_path(out, e->sender, plan->smtputf8);
    if (plan->ext & EXT_SIZE) {
        buf_puts(out, " SIZE=");
        buf_put_u64(out, e->size);
    }
    if (plan->ext & (EXT_8BITMIME | EXT_BINARYMIME))
        put_param(out, " BODY=", slice_of(body_kind_name((enum body_kind)plan->body)));
    if (plan->smtputf8)
        buf_puts(out, " SMTPUTF8");
    if ((plan->ext & EXT_DSN) && e->ret != DSN_RET_NONE)
        buf_puts(out, e->ret == DSN_RET_FULL ? " RET=FULL" : " RET=HDRS");
    if ((plan->ext & EXT_DSN) && e->env_id.n)
        put_param(out, " ENVID=", e->env_id);
    if (plan->ext & EXT_MT_PRIORITY)
        put_number(out, " MT-PRIORITY=", e->mt_priority);
    if (plan->ext & EXT_DELIVERBY)
        put_by(out, &e->by, now_ms);
    buf_puts(out, "\r\n");
}

static void put_notify(struct buf *out, unsigned notify)
{
    static const struct {
        enum dsn_notify flag;
        const char *name;
    } names[] = { { NOTIFY_NEVER, "NEVER" },
                  { NOTIFY_SUCCESS, "SUCCESS" },
                  { NOTIFY_FAILURE, "FAILURE" },
                  { NOTIFY_DELAY, "DELAY" } };
    const char *separator = " NOTIFY=";
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!(notify & names[i].flag))
            continue;
        buf_puts(out, separator);
        buf_puts(out, names[i].name);
        separator = ",";
    }
}

void mailparams_put_rcpt(struct buf *out, const struct recipient *recipient,
                         const struct mail_plan *plan)
{
    buf_puts(out, "RCPT TO:");
    put_path(out, recipient->address, plan->smtputf8);
    if (plan->ext & EXT_DSN) {
        unsigned notify = recipient->notify;
        if (plan->ask_delay && !(notify & NOTIFY_NEVER)) /* RFC 2852 section 4.1.4.2 */
            notify |= NOTIFY_DELAY | (notify ? 0u : NOTIFY_FAILURE);
        put_notify(out, notify);
        if (recipient->orcpt.n) {
            buf_puts(out, " ORCPT=");
            if (plan->smtputf8)
                buf_put_slice(out, recipient->orcpt);
            else
                orcpt_put_ascii(recipient->orcpt, out);
        }
    }
    buf_puts(out, "\r\n");
}

bool mailparams_relayed_dsn(const struct mail_plan *plan, const struct recipient *recipient)
{
    bool wanted =
        plan->tell_relayed || (!(plan->ext & EXT_DSN) && (recipient->notify & NOTIFY_SUCCESS));
    return wanted && !(recipient->notify & NOTIFY_NEVER);
}
