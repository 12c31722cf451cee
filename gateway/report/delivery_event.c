/*
 * report/delivery_event — one event as a line of JSON
 *
 *   The hot path: no printf but for the clock's text, which is kept for the second it belongs to.
 */
#include "gateway/report/delivery_event.h"

#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/json.h"

enum { FIELD_MAX = 1024, REPLY_MAX = 512 };

const char *const delivery_event_names[EVENT_KINDS] = {
    [EVENT_RECEIVED] = "received",
    [EVENT_DELIVERED] = "delivered",
    [EVENT_DEFERRED] = "deferred",
    [EVENT_REROUTED] = "rerouted",
    [EVENT_BOUNCED] = "bounced",
    [EVENT_EXPIRED] = "expired",
    [EVENT_HELD] = "held",
    [EVENT_DROPPED] = "dropped",
    [EVENT_RELOAD] = "reload",
    [EVENT_EGRESS_STATE] = "egress_state",
    [EVENT_PATH_SWITCH] = "path_switch",
    [EVENT_LISTING] = "listing",
};

static const char *const stage_keys[STAGES] = {
    [STAGE_QUEUE] = "queue_ms", [STAGE_CONNECT] = "connect_ms", [STAGE_GREETING] = "greeting_ms",
    [STAGE_EHLO] = "ehlo_ms",   [STAGE_TLS] = "tls_ms",         [STAGE_ENVELOPE] = "envelope_ms",
    [STAGE_DATA] = "data_ms",   [STAGE_FINAL] = "final_ms",
};

void delivery_event_init(struct delivery_event *e, enum delivery_event_kind kind)
{
    *e = (struct delivery_event){
        .kind = kind, .lane = LANE_COUNT, .rtt_us = -1, .retransmits = -1
    };
    for (int i = 0; i < STAGES; i++)
        e->stage_us[i] = -1;
}

/* Cuts at `max` bytes, never inside a UTF-8 sequence. */
static struct slice clip(struct slice s, size_t max)
{
    if (s.n <= max)
        return s;
    while (max > 0 && ((unsigned char)s.p[max] & 0xc0) == 0x80)
        max--;
    return (struct slice){ s.p, max };
}

static void put_text(struct buf *b, const char *key, struct slice s)
{
    if (s.n)
        json_str(b, key, clip(s, FIELD_MAX));
}

static void put_addr(struct buf *b, const char *key, const struct addr *a)
{
    char text[ADDR_TEXT_MAX];
    if (a->family != ADDR_NONE)
        json_cstr(b, key, addr_text(a, text));
}

static void put_host(struct buf *b, const char *key, const struct addr *a)
{
    char text[ADDR_TEXT_MAX];
    if (a->family != ADDR_NONE)
        json_cstr(b, key, addr_host_text(a, text));
}

static void put_count(struct buf *b, const char *key, uint64_t n)
{
    json_key(b, key);
    buf_put_u64(b, n);
}

/* Microseconds as milliseconds: "0", "0.25", "17.031". */
static void put_ms(struct buf *b, const char *key, int64_t us)
{
    if (us < 0)
        return;
    put_count(b, key, (uint64_t)us / 1000);
    unsigned rest = (unsigned)((uint64_t)us % 1000);
    if (!rest)
        return;
    char digits[4] = { '.', (char)('0' + rest / 100), (char)('0' + rest / 10 % 10),
                       (char)('0' + rest % 10) };
    size_t n = sizeof digits;
    while (digits[n - 1] == '0')
        n--;
    buf_put(b, digits, n);
}

static void put_time(struct buf *b, const char *key, int64_t wall_ms, struct event_clock *clock)
{
    int64_t second = wall_ms / 1000;
    if (clock->second != second || !clock->text[0]) {
        struct buf full;
        buf_init(&full, sizeof clock->text);
        clock_put_rfc3339(&full, second * 1000);
        memcpy(clock->text, buf_slice(&full).p, EVENT_CLOCK_TEXT);
        buf_free(&full);
        clock->second = second;
    }
    unsigned ms = (unsigned)(wall_ms % 1000);
    char *fraction = clock->text + EVENT_CLOCK_FRACTION;
    fraction[0] = (char)('0' + ms / 100);
    fraction[1] = (char)('0' + ms / 10 % 10);
    fraction[2] = (char)('0' + ms % 10);
    json_key(b, key);
    buf_putc(b, '"');
    buf_put(b, clock->text, EVENT_CLOCK_TEXT);
    buf_putc(b, '"');
}

static void put_mail(struct buf *b, const struct delivery_event *e)
{
    if (e->has_id) {
        char text[SPOOL_ID_TEXT + 1];
        spool_id_format(e->id, text);
        json_str(b, "id", (struct slice){ text, SPOOL_ID_TEXT });
    }
    if (e->has_sender)
        json_str(b, "sender", clip(e->sender, FIELD_MAX));
    put_text(b, "recipient", e->recipient);
    if (e->recipients)
        put_count(b, "recipients", e->recipients);
    if (e->size)
        put_count(b, "size", e->size);
    if (e->lane < LANE_COUNT)
        json_cstr(b, "priority", lane_names[e->lane]);
    put_text(b, "priority_by", e->priority_by);
    if (e->mt_priority_given)
        json_int(b, "mt_priority", e->mt_priority);
    put_host(b, "client", &e->client);
    put_text(b, "user", e->user);
}

static void put_path(struct buf *b, const struct delivery_event *e)
{
    put_text(b, "route", e->route);
    put_text(b, "egress", e->egress);
    put_host(b, "source", &e->source);
    put_text(b, "site", e->site);
    put_text(b, "mx", e->mx);
    put_addr(b, "address", &e->address);
    put_text(b, "carrier", e->carrier);
    put_text(b, "region", e->region);
    put_text(b, "provider", e->provider);
    put_text(b, "previous", e->previous);
    put_text(b, "state", e->state);
    put_text(b, "reason", e->reason);
}

static void put_enhanced(struct buf *b, struct enhanced code)
{
    if (!code.class_)
        return;
    json_key(b, "enhanced");
    buf_putc(b, '"');
    enhanced_put(b, code);
    buf_putc(b, '"');
}

static void put_outcome(struct buf *b, const struct delivery_event *e)
{
    if (e->attempt)
        put_count(b, "attempt", e->attempt);
    if (e->code)
        put_count(b, "code", e->code);
    put_enhanced(b, e->enhanced);
    if (e->reply.n)
        json_str(b, "reply", clip(e->reply, REPLY_MAX));
    put_text(b, "class", e->class);
    put_text(b, "tls", e->tls);
    put_text(b, "via", e->via);
    for (int i = 0; i < STAGES; i++)
        put_ms(b, stage_keys[i], e->stage_us[i]);
    put_ms(b, "rtt_ms", e->rtt_us);
    if (e->retransmits >= 0)
        put_count(b, "retransmits", (uint64_t)e->retransmits);
    if (e->connection)
        json_bool(b, "reused", e->reused);
    if (e->may_duplicate)
        json_bool(b, "may_duplicate", true);
}

void delivery_event_put(struct buf *b, const struct delivery_event *e, int64_t wall_ms,
                        struct event_clock *clock)
{
    json_open(b, '{');
    put_time(b, "time", wall_ms, clock);
    json_cstr(b, "event", delivery_event_names[e->kind]);
    put_mail(b, e);
    put_path(b, e);
    put_outcome(b, e);
    if (e->next_attempt_ms) {
        struct event_clock other = { 0 };
        put_time(b, "next_attempt", e->next_attempt_ms, &other);
    }
    json_close(b, '}');
    buf_putc(b, '\n');
}
