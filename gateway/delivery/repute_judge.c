/*
 * delivery/repute_judge — what a reply means, from what the session knows of it
 */
#include "gateway/conf/conf.h"
#include "gateway/delivery/repute.h"
#include "gateway/geo/group.h"
#include "policies/facts.h"
#include "policies/reply.h"
#include "reputation/reply.h"

static enum reply_at at_of(uint8_t where)
{
    static const uint8_t table[] = {
        [WHERE_GREETING] = REPLY_AT_GREETING, [WHERE_EHLO] = REPLY_AT_EHLO,
        [WHERE_TLS] = REPLY_AT_TLS,           [WHERE_AUTH] = REPLY_AT_AUTH,
        [WHERE_MAIL] = REPLY_AT_MAIL,         [WHERE_RCPT] = REPLY_AT_RCPT,
        [WHERE_DATA] = REPLY_AT_DATA,         [WHERE_FINAL] = REPLY_AT_FINAL
    };
    return where < sizeof table ? (enum reply_at)table[where] : REPLY_AT_UNKNOWN;
}

/* What a rule of the operator may ask for. The header is not at hand any more (`check` says so),
 * and whose mail it is only when one recipient is asked for. */
static struct facts facts_of(const struct session *s, const struct slice *mx, struct slice text)
{
    struct facts f = { .known = FACT_BIT(WHEN_MX) | FACT_BIT(WHEN_SITE) | FACT_BIT(WHEN_TEXT) |
                                FACT_BIT(WHEN_TIME),
                       .final = true,
                       .wall_ms = loop_wall_ms(s->delivery->loop),
                       .mx = mx,
                       .mx_count = 1,
                       .site = slice_of(s->target->site->name),
                       .text = text };
    if (s->front && s->front->item) {
        f.recipient_domain = item_domain(s->front->item);
        f.size = s->front->item->body_size;
        f.lane = (enum lane)s->front->item->lane;
        f.known |= FACT_BIT(WHEN_SIZE) | FACT_BIT(WHEN_PRIORITY);
        if (f.recipient_domain.n)
            f.known |= FACT_BIT(WHEN_RECIPIENT_DOMAIN);
        facts_set_sender(&f, s->front->env.sender);
        facts_set_origin(&f, &s->front->env.origin);
        if (s->front->env.recipients_n == 1)
            facts_set_recipient(&f, s->front->env.recipients[0].address);
    }
    if (s->delivery->geo && s->address.family != ADDR_NONE) {
        const struct geo_group *group = geo_group(s->delivery->geo, &s->address);
        f.carrier = group->carrier;
        f.region = group->region;
        f.known |= FACT_BIT(WHEN_CARRIER) | FACT_BIT(WHEN_REGION);
    }
    return f;
}

/* Whom the peer knows of by now. */
static void name_parties(const struct session *s, enum where where, struct reply_facts *facts)
{
    const struct attempt *a = s->front;
    facts->ehlo = policies_conf(s->policies)->egress.at[s->egress].ehlo;
    if (!a || where < WHERE_MAIL)
        return;
    facts->sender = a->env.sender;
    facts->recipient = attempt_asked_for(a, where);
}

void repute_judge(const struct session *s, struct finding *f)
{
    if (f->fault != FAULT_NONE || f->code < 400 || !s->delivery->replies)
        return;
    char normal[REPLY_TEXT_MAX];
    struct slice mx = session_mx(s);
    struct reply_judgement j;
    struct reply_facts facts = { .mx = mx,
                                 .source = s->source.family != ADDR_NONE ? &s->source : NULL,
                                 .code = f->code,
                                 .status = f->status,
                                 .text = f->text,
                                 .at = at_of(f->where) };
    name_parties(s, (enum where)f->where, &facts);
    reply_classify(s->delivery->replies, &facts, &j);
    struct facts mail = facts_of(s, &mx, reply_normal(&facts, normal));
    struct reply_choice own = policies_reply(s->policies, &mail);
    if (own.rule)
        reply_overrule(&j, &facts, own.class, own.rule);
    f->class = (uint8_t)j.class;
    f->ends_by_itself = j.ends_by_itself;
    f->names_us = j.names_us;
    f->rule = j.rule;
}
