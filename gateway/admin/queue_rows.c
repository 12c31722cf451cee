#include "gateway/admin/queue_rows.h"

#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/json.h"
#include "gateway/mail/envelope.h"

enum { RECIPIENTS_SHOWN = 100 };

/* Fixed part of a copied item; the texts follow. */
struct item_copy {
    struct spool_id id;
    int64_t accepted_ms, due_ms, expire_ms, release_ms, deadline_ms;
    uint64_t body_size;
    uint16_t sub, siblings, attempts;
    uint8_t state, lane;
};

void rows_copy_item(struct buf *out, const struct item *item)
{
    struct item_copy c;
    memset(&c, 0, sizeof c);
    c.id = item->id;
    c.accepted_ms = item->accepted_ms;
    c.due_ms = item->due_ms;
    c.expire_ms = item->expire_ms;
    c.release_ms = item->release_ms;
    c.deadline_ms = item->deadline_ms;
    c.body_size = item->body_size;
    c.sub = item->sub;
    c.siblings = item->siblings;
    c.attempts = item->attempts;
    c.state = item->state;
    c.lane = item->lane;
    buf_put(out, &c, sizeof c);
    put_slice32(out, item_envelope(item));
    put_slice32(out, item_route(item));
    put_slice32(out, item_domain(item));
    put_slice32(out, slice_of(item->site ? item->site->name : NULL));
    put_slice32(out, slice_of(item->site ? item->site->last_error : NULL));
}

struct item_view {
    struct item_copy c;
    struct slice envelope, route, domain, site, site_error;
};

static bool take_item(struct cursor *copies, struct item_view *v)
{
    if (cur_left(copies) == 0)
        return false;
    struct slice fixed = cur_bytes(copies, sizeof v->c);
    v->envelope = cur_slice32(copies);
    v->route = cur_slice32(copies);
    v->domain = cur_slice32(copies);
    v->site = cur_slice32(copies);
    v->site_error = cur_slice32(copies);
    if (copies->bad)
        return false;
    memcpy(&v->c, fixed.p, sizeof v->c);
    return true;
}

static void put_time(struct buf *json, const char *key, int64_t wall_ms)
{
    if (!wall_ms)
        return;
    json_key(json, key);
    buf_putc(json, '"');
    clock_put_rfc3339(json, wall_ms);
    buf_putc(json, '"');
}

static void put_text(struct buf *json, const char *key, struct slice text)
{
    if (text.n)
        json_str(json, key, text);
}

static void put_status(struct buf *json, const struct recipient *r)
{
    if (r->code)
        json_int(json, "code", r->code);
    if (r->status.class_) {
        json_key(json, "enhanced");
        buf_putc(json, '"');
        enhanced_put(json, r->status);
        buf_putc(json, '"');
    }
    put_text(json, "reply", r->reply);
    put_text(json, "reply_host", r->reply_host);
}

static void put_notify(struct buf *json, unsigned notify)
{
    static const char *const names[] = { "never", "success", "failure", "delay" };
    if (!notify)
        return;
    json_key(json, "notify");
    json_open(json, '[');
    for (unsigned i = 0; i < 4; i++) {
        if (notify & (1u << i))
            json_cstr(json, NULL, names[i]);
    }
    json_close(json, ']');
}

static void put_recipient(struct buf *json, const struct recipient *r)
{
    static const char *const states[] = { "pending", "delivered", "failed" };
    json_open(json, '{');
    json_str(json, "address", r->address);
    json_cstr(json, "state", states[r->state]);
    put_status(json, r);
    put_text(json, "orcpt", r->orcpt);
    put_notify(json, r->notify);
    json_close(json, '}');
}

static void put_envelope_detail(struct buf *json, const struct envelope *e)
{
    put_text(json, "client", e->origin.address);
    put_text(json, "client_entry", e->origin.name);
    put_text(json, "helo", e->origin.helo);
    put_text(json, "user", e->origin.user);
    put_text(json, "client_tls", e->origin.tls);
    put_text(json, "envid", e->env_id);
    json_cstr(json, "body", body_kind_name((enum body_kind)e->body));
    json_bool(json, "smtputf8", e->smtputf8);
    if (e->mt_priority_given)
        json_int(json, "mt_priority", e->mt_priority);
    if (e->by.mode != BY_NONE)
        json_cstr(json, "when_late", e->by.mode == BY_RETURN ? "return" : "notify");
    json_key(json, "recipients");
    json_open(json, '[');
    for (size_t i = 0; i < e->recipients_n; i++)
        put_recipient(json, &e->recipients[i]);
    json_close(json, ']');
}

/* The recipients that still wait, and what the last of them was told. */
static void put_envelope(struct buf *json, const struct envelope *e, struct slice site_error)
{
    const struct recipient *last = NULL;
    size_t shown = 0;
    json_key(json, "recipients");
    json_open(json, '[');
    for (size_t i = 0; i < e->recipients_n; i++) {
        const struct recipient *r = &e->recipients[i];
        if (r->state != RECIPIENT_PENDING)
            continue;
        if (shown++ < RECIPIENTS_SHOWN)
            json_str(json, NULL, r->address);
        if (!last || r->reply.n)
            last = r;
    }
    json_close(json, ']');
    json_int(json, "recipient_count", (int64_t)shown);
    if (last && (last->code || last->reply.n))
        put_status(json, last);
    else
        put_text(json, "reply", site_error);
}

bool rows_put_item(struct cursor *copies, bool detail, int64_t now_ms, struct arena *arena,
                   struct buf *json)
{
    struct item_view v;
    struct envelope e;
    if (!take_item(copies, &v))
        return false;
    char id[SPOOL_ID_TEXT + 1];
    spool_id_format(v.c.id, id);
    json_open(json, '{');
    json_cstr(json, "id", id);
    json_int(json, "item", v.c.sub);
    json_int(json, "of", v.c.siblings);
    json_cstr(json, "state", item_state_name((enum item_state)v.c.state));
    json_cstr(json, "priority", lane_names[v.c.lane]);
    json_int(json, "size", (int64_t)v.c.body_size);
    put_text(json, "route", v.route);
    put_text(json, "domain", v.domain);
    put_text(json, "site", v.site);
    json_int(json, "attempts", v.c.attempts);
    put_time(json, "accepted", v.c.accepted_ms);
    json_int(json, "age_s", (now_ms - v.c.accepted_ms) / 1000);
    put_time(json, "next_attempt", v.c.due_ms == ITEM_DUE_HELD ? 0 : v.c.due_ms);
    put_time(json, "expires", v.c.expire_ms);
    if (v.c.release_ms > now_ms)
        put_time(json, "held_until", v.c.release_ms);
    put_time(json, "deliver_by", v.c.deadline_ms);
    arena_reset(arena);
    if (envelope_unpack(v.envelope, arena, &e) == RC_OK) {
        json_str(json, "sender", e.sender);
        if (detail)
            put_envelope_detail(json, &e);
        else
            put_envelope(json, &e, v.site_error);
    }
    if (detail)
        put_text(json, "site_error", v.site_error);
    json_close(json, '}');
    return true;
}

/* ---- sites ---- */

static const char *const hold_names[] = {
    [SITE_BACKOFF] = "back-off",         [SITE_CONNECTIONS] = "connections",
    [SITE_BEARS] = "what it bears",      [SITE_FREE] = "",
    [SITE_TOTAL] = "connections in all", [SITE_NO_EGRESS] = "no egress",
    [SITE_OPENING] = "connecting",
};

void rows_copy_site(struct buf *out, const struct queue_site_row *row)
{
    struct rows_site c;
    memset(&c, 0, sizeof c);
    memcpy(c.ready, row->ready, sizeof c.ready);
    c.busy = row->busy;
    c.waiting = row->waiting;
    c.held = row->held;
    c.sessions = row->sessions;
    c.failures = row->failures;
    c.bears = row->bears;
    c.connections = row->connections;
    c.oldest_ms = row->oldest_ms;
    memcpy(c.ages, row->ages, sizeof c.ages);
    c.backoff_ms = row->backoff_ms;
    buf_put(out, &c, sizeof c);
    put_slice32(out, slice_of(row->name));
    put_slice32(out, slice_of(row->key));
    put_slice32(out, slice_of(row->last_error));
    put_slice32(out, slice_of(row->hold == SITE_LIMIT ? row->held_by : hold_names[row->hold]));
}

/* Lanes with mail only. */
static void put_ages(struct buf *json, const struct rows_site *c)
{
    json_key(json, "ages");
    json_open(json, '{');
    for (int lane = 0; lane < LANE_COUNT; lane++) {
        uint64_t sum = 0;
        for (size_t i = 0; i < QUEUE_AGES; i++)
            sum += c->ages[lane][i];
        if (!sum)
            continue;
        json_key(json, lane_names[lane]);
        json_open(json, '[');
        for (size_t i = 0; i < QUEUE_AGES; i++)
            json_int(json, NULL, c->ages[lane][i]);
        json_close(json, ']');
    }
    json_close(json, '}');
}

static void add_limbo(struct rows_limbo *limbo, const struct rows_site *c, struct slice error)
{
    struct rows_site *sum = &limbo->sum;
    sum->busy += c->busy;
    sum->waiting += c->waiting;
    sum->held += c->held;
    if (!sum->oldest_ms || c->oldest_ms < sum->oldest_ms)
        sum->oldest_ms = c->oldest_ms;
    for (int lane = 0; lane < LANE_COUNT; lane++)
        for (size_t i = 0; i < QUEUE_AGES; i++)
            sum->ages[lane][i] += c->ages[lane][i];
    if (buf_len(&limbo->error) == 0 && error.n) {
        buf_init(&limbo->error, error.n);
        buf_put_slice(&limbo->error, error);
    }
}

static void put_site(const struct rows_site *c, struct slice name, struct slice key,
                     struct slice hold, struct slice error, int64_t now_ms, struct buf *json)
{
    json_open(json, '{');
    json_str(json, "site", name);
    json_str(json, "key", key);
    for (int i = 0; i < LANE_COUNT; i++)
        json_int(json, lane_names[i], c->ready[i]);
    json_int(json, "busy", c->busy);
    json_int(json, "waiting", c->waiting);
    json_int(json, "held", c->held);
    json_int(json, "sessions", c->sessions);
    if (c->connections)
        json_int(json, "connections", (int64_t)c->connections);
    if (c->bears)
        json_int(json, "bears", c->bears);
    put_text(json, "held_back_by", hold);
    json_int(json, "failures", c->failures);
    put_ages(json, c);
    json_int(json, "age_s", c->oldest_ms ? (now_ms - c->oldest_ms) / 1000 : 0);
    if (c->backoff_ms)
        json_int(json, "backoff_s", (c->backoff_ms + 999) / 1000);
    put_text(json, "last_error", error);
    json_close(json, '}');
}

bool rows_put_site(struct cursor *copies, int64_t now_ms, struct rows_limbo *limbo,
                   struct buf *json)
{
    struct rows_site c;
    while (cur_left(copies) > 0) {
        struct slice fixed = cur_bytes(copies, sizeof c);
        struct slice name = cur_slice32(copies), key = cur_slice32(copies);
        struct slice error = cur_slice32(copies), hold = cur_slice32(copies);
        if (copies->bad)
            return false;
        memcpy(&c, fixed.p, sizeof c);
        if (key.n) {
            put_site(&c, name, key, hold, error, now_ms, json);
            return true;
        }
        add_limbo(limbo, &c, error);
    }
    return false;
}

bool rows_put_limbo(struct rows_limbo *limbo, int64_t now_ms, struct buf *json)
{
    const struct slice none = { "", 0 };
    if (!limbo->sum.oldest_ms)
        return false;
    put_site(&limbo->sum, none, none, none, buf_slice(&limbo->error), now_ms, json);
    limbo->sum = (struct rows_site){ .oldest_ms = 0 };
    return true;
}
