#include "gateway/admin/explain_egress.h"

#include "gateway/base/json.h"
#include "gateway/delivery/race.h"
#include "gateway/report/live.h"

static void put_terms(struct buf *json, const struct cost *cost)
{
    const struct {
        const char *name;
        double ms;
    } terms[] = {
        { "setup", cost->setup_ms },       { "dialogue", cost->dialogue_ms },
        { "loss", cost->loss_ms },         { "think", cost->think_ms },
        { "transfer", cost->transfer_ms }, { "failure", cost->failure_ms },
        { "policy", cost->policy_ms },
    };
    json_key(json, "terms_ms");
    json_open(json, '{');
    for (size_t i = 0; i < sizeof terms / sizeof terms[0]; i++)
        json_num(json, terms[i].name, terms[i].ms);
    json_close(json, '}');
}

static void put_path(struct buf *json, const struct advice_path *path)
{
    json_cstr(json, "state", path_state_names[path ? path->state : PATH_UNKNOWN]);
    if (!path)
        return;
    json_num(json, "rtt_ms", (double)path->rtt_ms);
    json_share(json, "loss", (double)path->loss);
    json_share(json, "fail", (double)path->fail);
    json_num(json, "goodput_kbyte_s", (double)path->goodput);
    json_num(json, "samples", (double)path->samples);
    json_int(json, "age_ms", path->age_ms);
}

static void put_candidate(struct buf *json, const struct candidate *c, bool chosen, bool measured)
{
    json_bool(json, "allowed", c->reason < RULED_OUT_UNUSABLE);
    json_bool(json, "chosen", chosen);
    json_cstr(json, "reason", choice_reason_texts[c->reason]);
    if (c->fallback)
        json_bool(json, "fallback", true);
    if (c->fault != EGRESS_FINE)
        json_cstr(json, "fault", egress_fault_names[c->fault]);
    put_path(json, c->path);
    if (!measured || c->cost.total_ms <= 0)
        return;
    json_num(json, "cost_ms", c->cost.total_ms);
    json_num(json, "better_pct", c->better_pct);
    put_terms(json, &c->cost);
}

/* The one that is tried beside the chosen one when that takes too long to connect. */
static void put_race(struct buf *json, const struct conf *conf, const struct choice *choice,
                     const struct candidate *c)
{
    int64_t ms = choice_race_ms(choice);
    if (ms == CHOICE_RACE_NEVER || c != &choice->at[choice->second])
        return;
    const struct conf_egress *chosen = &conf->egress.at[choice->at[choice->chosen].egress];
    json_int(json, "races_after_ms", race_wait_ms(chosen->via.kind != CONF_VIA_NONE, ms));
}

static const struct candidate *find(const struct choice *choice, size_t egress)
{
    for (uint32_t i = 0; choice && i < choice->n; i++)
        if (choice->at[i].egress == egress)
            return &choice->at[i];
    return NULL;
}

static const char *why_not(struct egress_set fallback, size_t egress, bool reload)
{
    if (reload)
        return "a reload is under way: ask again";
    for (size_t i = 0; i < fallback.n; i++)
        if (fallback.at[i] == egress)
            return "only when none that the route names is usable";
    return "the route does not allow it";
}

/* Name servers of its own that are left out: dns/honesty. */
static void put_view(struct buf *json, const struct conf_egress *e, unsigned rewriting)
{
    if (rewriting)
        json_cstr(json, "resolvers",
                  rewriting == e->resolvers.n
                      ? "not used: they rewrite names that do not exist"
                      : "some not used: they rewrite names that do not exist");
}

void explain_put_egresses(struct buf *json, const struct conf *conf, struct egress_set fallback,
                          const struct choice *choice, const struct delivery *delivery)
{
    json_key(json, "egress");
    json_open(json, '[');
    for (size_t i = 0; i < conf->egress.n; i++) {
        const struct conf_egress *e = &conf->egress.at[i];
        const struct candidate *c = find(choice, i);
        json_open(json, '{');
        json_str(json, "name", e->name);
        json_int(json, "weight", (int64_t)e->weight);
        if (e->via.kind == CONF_VIA_RELAY)
            json_cstr(json, "measured", LIVE_MEASURED_LEG);
        if (choice)
            put_view(json, e, delivery_rewriting(delivery, (int)i));
        if (choice && c) {
            put_candidate(json, c, choice->chosen >= 0 && c == &choice->at[choice->chosen],
                          choice->measured);
            put_race(json, conf, choice, c);
        } else {
            json_bool(json, "allowed", false);
            json_bool(json, "chosen", false);
            json_cstr(json, "reason", why_not(fallback, i, !choice));
        }
        json_close(json, '}');
    }
    json_close(json, ']');
}
