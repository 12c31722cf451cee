#include "gateway/daemon/control_links.h"

#include <stdio.h>
#include <stdlib.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/daemon/control_line.h"
#include "gateway/daemon/control_targets.h"
#include "gateway/daemon/keeper.h"
#include "gateway/io/timer.h"
#include "probes/run.h"

enum { TICK_MS = 50, SAVE_MS = 10 * 1000 };
static const char FILE_NAME[] = "links.bin";

struct control_links {
    struct loop *loop;
    struct control_links_env env;
    struct policies *policies; /* NULL: not configured yet */
    struct links *core;
    struct control_line *line;
    struct resolver *resolver; /* for the names of proxies and relays */
    struct prober *prober;     /* NULL: not configured yet */
    struct geo_cache *groups;
    struct advice *advice; /* the latest */
    bool unsent;           /* the relay has not got it yet */
    uint64_t lost;         /* observations, at the last look */
    struct keeper *keeper;
    int64_t saved_ms; /* when the state was last written */
    struct timer tick;
    struct rnd rnd;
    struct control_links_stats stats;
};

static const struct conf *conf_of(const struct control_links *c)
{
    return policies_conf(c->policies);
}

/* ---- kept on disk ---- */

static void save(struct control_links *c)
{
    struct buf bytes;
    buf_init(&bytes, LINKS_PACK_MAX);
    c->saved_ms = loop_now_ms(c->loop);
    links_pack(c->core, c->saved_ms, loop_wall_ms(c->loop), &bytes);
    if (!bytes.full) /* else the one of before stays */
        keeper_save(c->keeper, FILE_NAME, buf_slice(&bytes));
    buf_free(&bytes);
}

struct loading {
    struct control_links *c;
    const struct links_hooks *hooks;
};

static bool take_kept(void *arg, struct slice bytes, struct err *err)
{
    const struct loading *l = arg;
    struct loop *loop = l->c->loop;
    return links_unpack(bytes, l->hooks, loop_now_ms(loop), loop_wall_ms(loop), &l->c->core, err) ==
           RC_OK;
}

static void load(struct control_links *c, const struct links_hooks *hooks)
{
    struct loading loading = { c, hooks };
    enum rc rc = keeper_load(c->keeper, FILE_NAME, LINKS_PACK_MAX, take_kept, &loading);
    if (rc != RC_OK)
        c->core = links_new(hooks);
    c->saved_ms = loop_now_ms(c->loop);
    if (rc != RC_NOT_FOUND) /* damaged: somebody was here before, too */
        links_resume(c->core, c->saved_ms);
    else
        c->saved_ms -= SAVE_MS; /* who comes after us shall know that we were here */
}

/* ---- what comes in ---- */

static int group_of(struct control_links *c, const struct observation *o)
{
    if (o->address.family == ADDR_NONE)
        return links_group(c->core, SLICE_LIT("other"), SLICE_LIT("other"));
    const struct geo_group *g = geo_group(c->groups, &o->address);
    return links_group(c->core, g->carrier, g->region);
}

static void on_observation(void *arg, const struct observation *o)
{
    struct control_links *c = arg;
    uint64_t lost = control_line_lost(c->line);
    c->stats.observations++;
    if (lost != c->lost)
        links_ask_again(c->core);
    c->lost = lost;
    if (c->policies)
        links_observe(c->core, o, group_of(c, o), loop_now_ms(c->loop));
}

static void on_report(void *arg, const struct reply_report *r)
{
    struct control_links *c = arg;
    if (c->env.report)
        c->env.report(c->env.arg, r);
}

static void on_letter(void *arg, uint64_t ticket, enum letter_fate fate)
{
    const struct control_links *c = arg;
    if (c->env.letter)
        c->env.letter(c->env.arg, ticket, fate);
}

static bool reached(const struct observation *o)
{
    return o->result == OBS_OK || o->result == OBS_REPLY_4XX || o->result == OBS_REPLY_5XX ||
           o->result == OBS_SILENT;
}

/* A beacon is of the group that the configuration gives it, wherever its address is. */
static void on_probed(void *arg, const struct observation *o, int group)
{
    struct control_links *c = arg;
    if (o->result != OBS_CONNECTED) {
        c->stats.probes++;
        c->stats.failed_probes += !reached(o);
    }
    links_observe(c->core, o, group, loop_now_ms(c->loop));
}

/* ---- what the core asks for ---- */

static void on_probe(void *arg, const struct links_probe *probe)
{
    struct control_links *c = arg;
    if (c->prober && prober_run(c->prober, probe))
        return;
    c->stats.refused_probes++;
    links_unsent(c->core, probe);
}

static void put_note(struct control_links *c, const struct links_event *e)
{
    bool fault = e->kind == LINKS_EGRESS_FAULT;
    struct link_note note = { .carrier = e->carrier,
                              .region = e->region,
                              .reason = slice_of(e->reason) };
    if (e->kind == LINKS_SWITCH) {
        note.kind = NOTE_PATH_SWITCH;
        note.egress = e->to;
        note.previous = e->from;
    } else {
        note.egress = e->from;
        note.state = slice_of(egress_fault_names[fault ? e->fault : EGRESS_FINE]);
    }
    control_line_note(c->line, &note);
}

static void log_event(const struct links_event *e)
{
    char carrier[64], region[64], from[64], to[64];
    snprintf(carrier, sizeof carrier, "%.*s", SLICE_FMT(e->carrier));
    snprintf(region, sizeof region, "%.*s", SLICE_FMT(e->region));
    snprintf(from, sizeof from, "%.*s", SLICE_FMT(e->from));
    snprintf(to, sizeof to, "%.*s", SLICE_FMT(e->to));
    log_info(NULL, "link_event", "kind", links_event_names[e->kind], "carrier", carrier, "region",
             region, "from", from, "to", to, "reason", e->reason ? e->reason : "", NULL);
}

static void on_event(void *arg, const struct links_event *e)
{
    struct control_links *c = arg;
    log_event(e);
    if (e->kind == LINKS_SWITCH || e->kind == LINKS_EGRESS_FAULT || e->kind == LINKS_EGRESS_FINE)
        put_note(c, e);
    if (c->env.event)
        c->env.event(c->env.arg, e);
}

/* ---- advice ---- */

static void send_advice(struct control_links *c)
{
    if (c->unsent && control_line_advise(c->line, c->advice)) {
        c->unsent = false;
        c->stats.tables++;
    }
}

static void on_line_open(void *arg)
{
    struct control_links *c = arg;
    links_ask_again(c->core); /* it may be another relay, and what was on the way is lost */
    c->unsent = c->advice != NULL;
    send_advice(c);
}

static void on_tick(struct timer *timer)
{
    struct control_links *c = CONTAINER_OF(timer, struct control_links, tick);
    int64_t now = loop_now_ms(c->loop);
    links_tick(c->core, now, &c->rnd);
    struct advice *made = links_advice(c->core, now);
    if (made) {
        if (c->env.advise)
            c->env.advise(c->env.arg, made);
        if (c->advice)
            advice_unref(&c->advice);
        c->advice = made;
        c->unsent = true;
    }
    send_advice(c);
    if (now - c->saved_ms >= SAVE_MS)
        save(c);
    timer_set(c->loop, &c->tick, TICK_MS);
}

/* ---- configuration ---- */

static void describe(const struct conf_egress *e, struct links_egress *egress_r)
{
    bool any = e->addresses.n == 0;
    *egress_r =
        (struct links_egress){ .name = e->name,
                               .weight = (double)e->weight,
                               .cost_ms = (double)e->cost,
                               .v4 = any,
                               .v6 = any,
                               .proxied = e->via.kind != CONF_VIA_NONE,
                               .blind = e->via.kind == CONF_VIA_PROXY,
                               .relay = e->via.kind == CONF_VIA_RELAY,
                               .own_view = e->via.kind == CONF_VIA_NONE && e->resolvers.n > 0 };
    for (size_t i = 0; i < e->addresses.n; i++) {
        if (e->addresses.at[i].family == ADDR_V6)
            egress_r->v6 = true;
        else
            egress_r->v4 = true;
    }
}

static void make_prober(struct control_links *c)
{
    const struct conf *conf = conf_of(c);
    struct resolver_conf rc = resolver_defaults;
    struct err err;
    rc.servers = conf->dns.servers.at;
    rc.server_count = conf->dns.servers.n;
    rc.timeout_ms = conf->dns.timeout;
    rc.allow_loopback = true; /* proxies and relays are our own */
    if (resolver_new(c->loop, &rc, &c->resolver, &err) == RC_OK)
        c->prober = prober_new(c->loop, c->resolver, on_probed, c);
    else
        log_error(NULL, "no_probes", "error", err.text, NULL);
}

void control_links_configure(struct control_links *c, struct policies *policies)
{
    struct policies *old = c->policies;
    c->policies = policies_ref(policies);
    const struct conf *conf = conf_of(c);
    struct links_egress *egress = mem_array(conf->egress.n, sizeof *egress);
    for (size_t i = 0; i < conf->egress.n; i++)
        describe(&conf->egress.at[i], &egress[i]);
    struct links_config config = { .egress = egress,
                                   .egress_n = (uint32_t)conf->egress.n,
                                   .interval_ms = conf->probes.interval,
                                   .per_egress = conf->probes.per_egress,
                                   .total = conf->probes.total };
    links_configure(c->core, &config);
    free(egress);
    if (!c->prober)
        make_prober(c);
    if (c->prober)
        prober_configure(c->prober, conf);
    if (old)
        policies_unref(&old);
    else
        timer_set(c->loop, &c->tick, 0);
}

void control_links_use_geo(struct control_links *c, struct geo *geo)
{
    geo_cache_use(c->groups, geo);
    if (c->policies)
        control_targets_name(c->core, c->groups, conf_of(c), loop_now_ms(c->loop));
}

/* ---- for others ---- */

void control_links_renew(struct control_links *c)
{
    links_renew(c->core);
}

void control_links_note(struct control_links *c, const struct link_note *note)
{
    control_line_note(c->line, note);
}

bool control_links_letter(struct control_links *c, const struct link_letter *letter)
{
    return control_line_letter(c->line, letter);
}

const struct policies *control_links_policies(const struct control_links *c)
{
    return c->policies;
}

struct links *control_links_core(struct control_links *c)
{
    return c->core;
}

struct advice *control_links_advice(const struct control_links *c)
{
    return c->advice;
}

void control_links_get_stats(const struct control_links *c, struct control_links_stats *stats_r)
{
    *stats_r = c->stats;
    stats_r->lost = control_line_lost(c->line);
    stats_r->relay_open = control_line_is_open(c->line);
}

/* ---- life ---- */

struct control_links *control_links_new(const struct control_links_env *env)
{
    static const struct control_line_ops line_ops = { on_line_open, on_observation, on_report,
                                                      on_letter };
    struct control_links *c = mem_zero(sizeof *c);
    c->loop = env->loop;
    c->env = *env;
    struct links_hooks hooks = { on_probe, on_event, c };
    c->keeper = keeper_new(env->folder);
    load(c, &hooks);
    c->groups = geo_cache_new(GEO_GROUPS_MAX);
    c->line = control_line_new(c->loop, env->relay_path, &line_ops, c);
    rnd_seed_system(&c->rnd);
    timer_init(&c->tick, on_tick);
    return c;
}

void control_links_free(struct control_links **links)
{
    struct control_links *c = *links;
    if (!c)
        return;
    timer_stop(c->loop, &c->tick);
    save(c);
    keeper_free(&c->keeper);
    control_line_free(&c->line);
    prober_free(&c->prober);
    resolver_free(&c->resolver);
    links_free(&c->core);
    geo_cache_free(&c->groups);
    if (c->advice)
        advice_unref(&c->advice);
    if (c->policies)
        policies_unref(&c->policies);
    free(c);
    *links = NULL;
}
