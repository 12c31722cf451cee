#include "gateway/report/live.h"

#include "gateway/base/json.h"
#include "gateway/report/standing_rows.h"
#include "policies/cost.h"

/* ---- paths ---- */

uint32_t live_path_count(const struct live *l)
{
    return l->advice ? l->advice->egress_n * l->advice->group_n : 0;
}

static uint32_t egress_of(const struct live *l, uint32_t path)
{
    return path % l->advice->egress_n;
}

static uint32_t group_of(const struct live *l, uint32_t path)
{
    return path / l->advice->egress_n;
}

const struct advice_path *live_path(const struct live *l, uint32_t path)
{
    return &l->advice->path[egress_of(l, path) * l->advice->group_n + group_of(l, path)];
}

const struct advice_egress *live_path_egress(const struct live *l, uint32_t path)
{
    return &l->advice->egress[egress_of(l, path)];
}

const struct advice_group *live_path_group(const struct live *l, uint32_t path)
{
    return &l->advice->group[group_of(l, path)];
}

bool live_path_preferred(const struct live *l, uint32_t path)
{
    return live_path_group(l, path)->preferred == (int)egress_of(l, path);
}

/* Mostly in the same row: it is looked for once for each of thousands of paths. */
static const struct conf_egress *find_conf(const struct live *l, uint32_t row)
{
    struct slice name = l->advice->egress[row].name;
    size_t n = l->conf ? l->conf->egress.n : 0;
    if (row < n && slice_eq(l->conf->egress.at[row].name, name))
        return &l->conf->egress.at[row];
    for (size_t i = 0; i < n; i++)
        if (slice_eq(l->conf->egress.at[i].name, name))
            return &l->conf->egress.at[i];
    return NULL;
}

double live_path_cost(const struct live *l, uint32_t path)
{
    const struct advice_path *p = live_path(l, path);
    if (p->rtt_ms <= 0)
        return -1;
    const struct conf_egress *e = find_conf(l, egress_of(l, path));
    return cost_of_path(p, live_path_group(l, path)->think_ms, e ? (double)e->cost : 0,
                        COST_SMALL_BYTES);
}

static void put_known(struct buf *json, const char *key, double value)
{
    if (value > 0)
        json_num(json, key, value);
}

static const char *state_name(unsigned state)
{
    return path_state_names[state <= PATH_DOWN ? state : PATH_UNKNOWN];
}

void live_path_put(struct buf *json, const struct live *l, uint32_t path)
{
    const struct advice_path *p = live_path(l, path);
    const struct advice_group *g = live_path_group(l, path);
    double age_ms = (double)p->age_ms + (double)(l->now_ms - l->advice->made_ms);
    json_open(json, '{');
    json_str(json, "egress", live_path_egress(l, path)->name);
    json_str(json, "carrier", g->carrier);
    json_str(json, "region", g->region);
    json_cstr(json, "state", state_name(p->state));
    json_bool(json, "preferred", live_path_preferred(l, path));
    json_bool(json, "preferred_large", g->preferred_large == (int)egress_of(l, path));
    json_bool(json, "destination_suspect", g->destination_suspect);
    const struct conf_egress *e = find_conf(l, egress_of(l, path));
    if (e && e->via.kind == CONF_VIA_RELAY)
        json_cstr(json, "measured", LIVE_MEASURED_LEG);
    put_known(json, "cost_ms", live_path_cost(l, path));
    put_known(json, "rtt_ms", (double)p->rtt_ms);
    if (p->samples > 0) {
        json_share(json, "loss", (double)p->loss);
        json_share(json, "fail", (double)p->fail);
        json_num(json, "samples", (double)p->samples);
        json_num(json, "age_s", age_ms / 1000);
    }
    put_known(json, "goodput_bytes_s", (double)p->goodput * 1000);
    json_close(json, '}');
}

/* ---- egresses ---- */

static const char *kind_of(const struct conf_egress *e)
{
    switch ((enum conf_via_kind)e->via.kind) {
    case CONF_VIA_SOCKS5:
        return "socks5";
    case CONF_VIA_PROXY:
        return "proxy";
    case CONF_VIA_RELAY:
        return "relay";
    case CONF_VIA_NONE:
        break;
    }
    return e->addresses.n ? "address" : "system";
}

static void put_host(struct buf *json, const struct conf_host *host)
{
    char text[ADDR_TEXT_MAX];
    struct buf b;
    buf_init(&b, 512);
    if (host->is_addr)
        buf_puts(&b, addr_text(&host->addr, text));
    else
        buf_put_slice(&b, host->host);
    if (!host->is_addr && host->port)
        buf_printf(&b, ":%u", (unsigned)host->port);
    json_str(json, NULL, buf_slice(&b));
    buf_free(&b);
}

static void put_addresses(struct buf *json, const struct conf_egress *e)
{
    char text[ADDR_TEXT_MAX];
    json_key(json, "addresses");
    json_open(json, '[');
    for (size_t i = 0; i < e->addresses.n; i++)
        json_cstr(json, NULL, addr_host_text(&e->addresses.at[i], text));
    if (e->via.kind == CONF_VIA_SOCKS5)
        put_host(json, &e->via.socks5);
    else if (e->via.kind == CONF_VIA_PROXY)
        put_host(json, &e->via.proxy);
    else if (e->via.kind == CONF_VIA_RELAY)
        put_host(json, &e->via.relay);
    json_close(json, ']');
}

static void put_paths_of(struct buf *json, const struct live *l, int egress)
{
    unsigned states[PATH_DOWN + 1] = { 0 }, preferred = 0;
    const struct advice *a = l->advice;
    for (uint32_t g = 0; g < a->group_n; g++) {
        unsigned state = a->path[(uint32_t)egress * a->group_n + g].state;
        states[state <= PATH_DOWN ? state : PATH_UNKNOWN]++;
        preferred += a->group[g].preferred == egress;
    }
    json_key(json, "paths");
    json_open(json, '{');
    for (int state = 0; state <= PATH_DOWN; state++)
        json_int(json, path_state_names[state], states[state]);
    json_int(json, "preferred", preferred);
    json_close(json, '}');
}

void live_egress_put(struct buf *json, const struct live *l, size_t egress,
                     const struct live_fault *fault)
{
    const struct conf_egress *e = &l->conf->egress.at[egress];
    int known = l->advice ? advice_egress(l->advice, e->name) : ADVICE_NONE;
    unsigned kind = known >= 0 ? l->advice->egress[known].fault : EGRESS_FINE;
    json_open(json, '{');
    json_str(json, "egress", e->name);
    json_cstr(json, "kind", kind_of(e));
    put_addresses(json, e);
    if (e->carrier.n)
        json_str(json, "carrier", e->carrier);
    if (e->region.n)
        json_str(json, "region", e->region);
    json_int(json, "weight", (int64_t)e->weight);
    json_int(json, "cost_ms", e->cost);
    json_cstr(json, "state",
              known < 0 ? "unknown" : egress_fault_names[kind <= EGRESS_BARRED ? kind : 0]);
    if (fault && fault->since_ms)
        json_time(json, "since", fault->since_ms);
    if (fault && fault->reason)
        json_cstr(json, "evidence", fault->reason);
    if (known >= 0) {
        json_share(json, "share", l->advice->egress[known].share);
        put_paths_of(json, l, known);
    }
    if (l->standing)
        standing_rows_put(json, l->standing, e->name, l->wall_ms);
    json_close(json, '}');
}

/* ---- events ---- */

void link_event_put(struct buf *json, int64_t at_ms, const struct links_event *e)
{
    static const char *const names[] = { "carrier", "region", "from", "to" };
    const struct slice texts[] = { e->carrier, e->region, e->from, e->to };
    json_open(json, '{');
    json_time(json, "time", at_ms);
    json_cstr(json, "event", links_event_names[e->kind]);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i].n)
            json_str(json, names[i], texts[i]);
    }
    if (e->kind == LINKS_SWITCH)
        json_cstr(json, "mail", e->large ? "large" : "small");
    if (e->fault != EGRESS_FINE && e->fault <= EGRESS_BARRED)
        json_cstr(json, "fault", egress_fault_names[e->fault]);
    put_known(json, "from_ms", e->from_ms);
    put_known(json, "to_ms", e->to_ms);
    if (e->reason && e->reason[0])
        json_cstr(json, "reason", e->reason);
    json_close(json, '}');
}
