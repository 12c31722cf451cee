/*
 * daemon/control_lists_report — `waypost report reputation`: a row for each address and list
 */
#include <fnmatch.h>
#include <stdio.h>

#include "gateway/base/json.h"
#include "gateway/daemon/control_lists_private.h"

enum { ROW_MAX = 4096 };

struct report {
    struct control_lists *c;
    const char *glob;
    web_row_fn *row;
    void *to;
};

static void put_time(const struct control_lists *c, struct buf *row, const char *key, int64_t at_ms)
{
    if (at_ms)
        json_time(row, key, loop_wall_ms(c->loop) - (loop_now_ms(c->loop) - at_ms));
}

static void begin_row(struct buf *row, const char *kind, const struct owned *o)
{
    char address[ADDR_TEXT_MAX];
    buf_clear(row);
    json_open(row, '{');
    json_cstr(row, "kind", kind);
    json_cstr(row, "address", addr_host_text(&o->address, address));
    json_str(row, "egress", o->egress->name);
}

static void put_listed(struct buf *row, const struct listing *l)
{
    char answer[16];
    json_int(row, "points", l->points);
    json_cstr(row, "weight", zone_kind_names[l->kind]);
    if (l->many)
        json_bool(row, "many", true);
    if (l->answer) {
        snprintf(answer, sizeof answer, "%u.%u.%u.%u", l->answer >> 24, l->answer >> 16 & 255,
                 l->answer >> 8 & 255, l->answer & 255);
        json_cstr(row, "answer", answer);
    }
    json_cstr(row, "what", l->what);
    json_cstr(row, "text", l->text[0] ? l->text : NULL);
    json_cstr(row, "link", l->link[0] ? l->link : NULL);
    json_bool(row, "expires", l->expires);
}

static bool wanted(const struct report *r, const struct owned *o)
{
    return !r->glob || fnmatch(r->glob, o->egress->name.p, 0) == 0;
}

static void put_listing(void *arg, const struct listing *l)
{
    const struct report *r = arg;
    struct buf row;
    buf_init(&row, ROW_MAX);
    for (size_t i = 0; i < r->c->owned_n; i++) {
        const struct owned *o = &r->c->owned[i];
        if (!addr_same_host(&o->address, &l->address) || !wanted(r, o))
            continue;
        begin_row(&row, l->is_feed ? "feed" : "blocklist", o);
        json_str(&row, "source", l->source);
        json_cstr(&row, "state", l->dead ? "dead" : listing_state_names[l->state]);
        put_time(r->c, &row, "since", l->state == LIST_UNKNOWN ? 0 : l->since_ms);
        put_time(r->c, &row, "checked", l->checked_ms);
        if (l->state == LIST_LISTED)
            put_listed(&row, l);
        json_cstr(&row, "problem", l->problem);
        json_close(&row, '}');
        r->row(r->to, buf_slice(&row));
    }
    buf_free(&row);
}

static void put_hygiene(const struct report *r, const struct owned *o)
{
    const struct hygiene *h = &o->hygiene;
    struct buf row;
    buf_init(&row, ROW_MAX);
    begin_row(&row, "hygiene", o);
    json_cstr(&row, "source", "own names");
    bool broken = h->reverse == HYGIENE_BROKEN || h->ehlo == HYGIENE_BROKEN;
    bool fine = h->reverse == HYGIENE_OK && h->ehlo == HYGIENE_OK;
    json_cstr(&row, "state", broken ? "broken" : fine ? "ok" : "unknown");
    put_time(r->c, &row, "checked", o->checked_ms);
    json_cstr(&row, "reverse", hygiene_state_names[h->reverse]);
    json_cstr(&row, "ehlo", hygiene_state_names[h->ehlo]);
    json_cstr(&row, "name", h->name[0] ? h->name : NULL);
    json_cstr(&row, "problem", h->why[0] ? h->why : NULL);
    json_close(&row, '}');
    r->row(r->to, buf_slice(&row));
    buf_free(&row);
}

void control_lists_rows(struct control_lists *c, const char *glob, web_row_fn *row, void *to)
{
    struct report r = { c, glob, row, to };
    dnsbl_each(run_dnsbl_core(c->dnsbl), put_listing, &r);
    run_feeds_each(c->feeds, put_listing, &r);
    for (size_t i = 0; i < c->owned_n; i++)
        if (wanted(&r, &c->owned[i]))
            put_hygiene(&r, &c->owned[i]);
}
