/*
 * delivery/record — what goes into the delivery log
 */
#include "gateway/delivery/settle.h"
#include "gateway/queue/site.h"

static void put_item(struct delivery_event *e, const struct item *item)
{
    e->id = item->id;
    e->has_id = true;
    e->size = item->body_size;
    e->lane = (enum lane)item->lane;
    e->route = item_route(item);
    if (item->site)
        e->site = slice_of(item->site->name);
}

static void put_hop(struct delivery_event *e, const struct hop *hop)
{
    e->egress = hop->egress;
    e->mx = hop->mx;
    e->address = hop->address;
    if (!hop->connected)
        return;
    e->source = hop->source;
    e->source.port = 0;
    e->tls = hop->tls;
    e->connection = true;
    e->reused = hop->reused;
    e->rtt_us = hop->rtt_us;
    e->retransmits = hop->retransmits;
}

static void put_stages(struct delivery_event *e, const struct attempt *a, const struct hop *hop)
{
    for (int i = 0; i < STAGES; i++)
        e->stage_us[i] = a->stage_us[i] >= 0 || !hop ? a->stage_us[i] : hop->stage_us[i];
}

void record_recipient(const struct attempt *a, const struct hop *hop, uint32_t recipient,
                      enum delivery_event_kind kind, const struct verdict *verdict, int64_t next_ms)
{
    const struct finding *f = &a->findings[recipient];
    struct delivery_event e;
    delivery_event_init(&e, kind);
    put_item(&e, a->item);
    if (hop)
        put_hop(&e, hop);
    put_stages(&e, a, hop);
    e.has_sender = true;
    e.sender = a->env.sender;
    e.recipient = a->env.recipients[recipient].address;
    e.user = a->env.origin.user;
    addr_parse(a->env.origin.address, &e.client);
    e.attempt = a->item->attempts;
    e.code = f->code;
    e.enhanced = verdict->status;
    e.reply = f->text;
    e.class = slice_of(verdict->class);
    e.may_duplicate = verdict->may_duplicate;
    if (kind == EVENT_DEFERRED)
        e.next_attempt_ms = next_ms;
    delivery_log_write(a->delivery->log, &e);
}

void record_note(struct delivery *d, const struct item *item, enum delivery_event_kind kind,
                 const char *text)
{
    struct delivery_event e;
    delivery_event_init(&e, kind);
    put_item(&e, item);
    e.reply = slice_of(text);
    delivery_log_write(d->log, &e);
}
