/*
 * delivery/record — what goes into the delivery log
 */
#include "gateway/delivery/settle.h"

#include <stdio.h>

#include "gateway/geo/group.h"
#include "gateway/queue/site.h"

enum { CODES_MAX = 32, SAID_MAX = 500, REASON_MAX = 700 };

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

static void put_detour(struct delivery_event *e, const struct item *item)
{
    if (!item->detour)
        return;
    e->previous = item->detour->egress;
    e->reason = item->detour->reason;
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
    e->via = slice_of(hop->via);
    e->rtt_us = hop->rtt_us;
    e->retransmits = hop->retransmits;
}

/* Not without a `geo`: "other" on every line tells nobody anything. */
static void put_place(struct delivery_event *e, const struct delivery *d)
{
    if (!d->geo || !geo_cache_state(d->geo) || e->address.family == ADDR_NONE)
        return;
    const struct geo_group *group = geo_group(d->geo, &e->address);
    e->carrier = group->carrier;
    e->region = group->region;
}

static void put_stages(struct delivery_event *e, const struct attempt *a, const struct hop *hop)
{
    for (int i = 0; i < STAGES; i++)
        e->stage_us[i] = a->stage_us[i] >= 0 || !hop ? a->stage_us[i] : hop->stage_us[i];
}

/* What `waypost queue` shows as the last error. */
static void note_on_site(struct site *site, const struct delivery_event *e)
{
    struct buf text;
    struct slice reply = e->reply;
    if (!site)
        return;
    reply.n = reply.n < sizeof site->last_error ? reply.n : sizeof site->last_error;
    buf_init(&text, sizeof site->last_error + CODES_MAX);
    status_put_reply(&text, e->code, e->enhanced, reply);
    snprintf(site->last_error, sizeof site->last_error, "%.*s", SLICE_FMT(buf_slice(&text)));
    buf_free(&text);
}

void record_recipient(const struct attempt *a, const struct hop *hop, uint32_t recipient,
                      enum delivery_event_kind kind, const struct verdict *verdict, int64_t next_ms)
{
    const struct finding *f = &a->findings[recipient];
    struct delivery_event e;
    delivery_event_init(&e, kind);
    put_item(&e, a->item);
    put_detour(&e, a->item);
    if (hop)
        put_hop(&e, hop);
    put_place(&e, a->delivery);
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
    e.waited_ms = loop_wall_ms(a->delivery->loop) - item_since_ms(a->item);
    if (kind == EVENT_DEFERRED) {
        e.next_attempt_ms = next_ms;
        note_on_site(a->item->site, &e);
    }
    delivery_log_write(a->delivery->log, &e);
}

/* The reply about our address, or else the first that is no good. */
static const struct finding *finding_against(const struct attempt *a)
{
    const struct finding *bad = NULL;
    for (uint32_t i = 0; i < a->env.recipients_n; i++) {
        const struct finding *f = &a->findings[i];
        if (outcome_is_address(f))
            return f;
        if (!bad && (f->fault != FAULT_NONE || f->code >= 400))
            bad = f;
    }
    return bad;
}

void record_detour(const struct attempt *a, const struct hop *hop)
{
    const struct finding *f = hop ? finding_against(a) : NULL;
    char address[ADDR_TEXT_MAX];
    struct buf text;
    buf_init(&text, REASON_MAX);
    if (f && hop->source.family != ADDR_NONE)
        buf_printf(&text, "from %s: ", addr_host_text(&hop->source, address));
    if (f)
        status_put_reply(&text, f->code, f->status,
                         (struct slice){ f->text.p, f->text.n < SAID_MAX ? f->text.n : SAID_MAX });
    item_set_detour(a->item, f ? hop->egress : slice_of(""), buf_slice(&text));
    buf_free(&text);
}

void record_note(struct delivery *d, const struct item *item, enum delivery_event_kind kind,
                 const char *text)
{
    struct delivery_event e;
    delivery_event_init(&e, kind);
    struct envelope env;
    struct arena *arena = arena_new(1024);
    put_item(&e, item);
    e.attempt = item->attempts;
    e.reply = slice_of(text);
    if (envelope_unpack(item_envelope(item), arena, &env) != RC_OK)
        env.recipients_n = 0;
    for (size_t i = 0; i < env.recipients_n; i++) {
        e.has_sender = true;
        e.sender = env.sender;
        e.recipient = env.recipients[i].address;
        delivery_log_write(d->log, &e);
    }
    arena_free(&arena);
}
