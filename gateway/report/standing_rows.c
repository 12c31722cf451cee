#include "gateway/report/standing_rows.h"

#include "gateway/base/json.h"
#include "gateway/conf/zones.h"

enum { LINK_MAX = 1024 };

/* ---- an address ---- */

static void put_known_time(struct buf *json, const char *key, int64_t at_ms)
{
    if (at_ms)
        json_time(json, key, at_ms);
}

static void put_text(struct buf *json, const char *key, struct slice text)
{
    if (text.n)
        json_str(json, key, text);
}

static void put_address(struct buf *json, const struct addr *address)
{
    char text[ADDR_TEXT_MAX];
    if (address->family != ADDR_NONE)
        json_cstr(json, "address", addr_host_text(address, text));
}

static void put_provider(struct buf *json, const struct standing_provider_view *p)
{
    json_open(json, '{');
    json_str(json, "provider", p->provider);
    json_cstr(json, "state", standing_state_names[p->state]);
    put_known_time(json, "since", p->since_ms);
    put_known_time(json, "until", p->until_ms);
    json_bool(json, "canary", p->canary);
    json_bool(json, "last_resort", p->last_resort);
    json_share(json, "share", p->share);
    if (p->quota_per_hour >= 0)
        json_num(json, "quota_per_hour", p->quota_per_hour);
    put_text(json, "reason", p->reason);
    put_text(json, "does", slice_of(p->does));
    json_close(json, '}');
}

static void put_providers(struct buf *json, const struct standing *s, int member, int64_t now_ms)
{
    struct standing_provider_view p;
    int64_t more = 0, shown = 0;
    json_key(json, "providers");
    json_open(json, '[');
    for (uint32_t i = 0; standing_provider_view(s, member, i, now_ms, &p); i++) {
        if (p.state == STANDING_CLEAN)
            continue;
        if (shown < STANDING_ROWS_PROVIDERS) {
            put_provider(json, &p);
            shown++;
        } else {
            more++;
        }
    }
    json_close(json, ']');
    if (more)
        json_int(json, "providers_more", more);
}

/* Where a well-known list says how to leave it. */
static void put_way_out(struct buf *json, const struct addr *address, struct slice source)
{
    const struct zone *zone = zones_find(zones_builtin(), source);
    struct buf link;
    if (!zone)
        return;
    buf_init(&link, LINK_MAX);
    zone_put_link(zone->link, address, &link);
    put_text(json, "link", buf_slice(&link));
    json_bool(json, "expires", zone->expires);
    buf_free(&link);
}

static void put_evidence(struct buf *json, const struct standing *s, int member,
                         const struct addr *address, int64_t now_ms)
{
    struct standing_evidence all[STANDING_LISTINGS_MAX + STANDING_EVIDENCE_MAX];
    uint32_t n = standing_evidence(s, member, now_ms, all, sizeof all / sizeof all[0]);
    json_key(json, "evidence");
    json_open(json, '[');
    for (uint32_t i = 0; i < n; i++) {
        const struct standing_evidence *e = &all[i];
        json_open(json, '{');
        json_cstr(json, "kind", standing_evidence_names[e->kind]);
        put_text(json, "source", e->source);
        put_text(json, "text", e->text);
        json_num(json, "points", e->points);
        put_known_time(json, "since", e->at_ms);
        put_known_time(json, "gone", e->gone_ms);
        json_bool(json, "standing", e->standing);
        if (e->kind == STANDING_EV_LISTED) {
            json_bool(json, "hard", e->hard);
            json_int(json, "clear_checks", e->clear);
            put_way_out(json, address, e->source);
        }
        json_close(json, '}');
    }
    json_close(json, ']');
}

bool standing_row_put(struct buf *json, const struct standing *s, int member, int64_t now_ms)
{
    struct standing_view v;
    if (!standing_view(s, member, now_ms, &v))
        return false;
    put_address(json, &v.address);
    json_cstr(json, "state", standing_state_names[v.state]);
    put_known_time(json, "since", v.since_ms);
    put_known_time(json, "until", v.until_ms);
    json_num(json, "points", v.points);
    json_bool(json, "eligible", v.eligible);
    json_share(json, "share", v.share);
    json_bool(json, "last_resort", v.last_resort);
    json_bool(json, "capped", v.capped);
    json_bool(json, "wants_acknowledge", v.wants_ack);
    json_int(json, "relapses", v.relapses);
    put_text(json, "reason", v.reason);
    put_text(json, "does", slice_of(v.does));
    put_text(json, "todo", slice_of(v.todo));
    put_providers(json, s, member, now_ms);
    put_evidence(json, s, member, &v.address, now_ms);
    return true;
}

void standing_rows_put(struct buf *json, const struct standing *s, struct slice egress,
                       int64_t now_ms)
{
    struct standing_view v;
    json_key(json, "standing");
    json_open(json, '[');
    for (int m = 0; standing_view(s, m, now_ms, &v); m++) {
        if (!slice_eq(v.egress, egress))
            continue;
        json_open(json, '{');
        standing_row_put(json, s, m, now_ms);
        json_close(json, '}');
    }
    json_close(json, ']');
}

/* ---- what happened ---- */

const char *const standing_note_names[STANDING_NOTE_KINDS] = {
    "egress_state", "pool_empty", "pool_back", "listing", "points",
};

void standing_note_put(struct buf *json, int64_t at_ms, const struct standing_note *n)
{
    json_open(json, '{');
    json_time(json, "time", at_ms);
    json_cstr(json, "event", standing_note_names[n->kind]);
    put_text(json, "egress", n->egress);
    put_text(json, "address", n->address);
    put_text(json, "with", n->with);
    put_text(json, "from", n->from);
    put_text(json, "to", n->to);
    json_num(json, "points", n->points);
    put_text(json, "reason", n->reason);
    json_close(json, '}');
}
