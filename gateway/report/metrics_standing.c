/*
 * report/metrics_standing — our addresses: states, points, listings, providers
 */
#include "gateway/report/metrics_private.h"

struct sample {
    const struct standing *standing;
    int64_t now_ms;
    int member;
    struct standing_view view;
};

static void put_name(struct buf *out, const char *metric, const struct standing_view *v)
{
    char address[ADDR_TEXT_MAX];
    bool known = v->address.family != ADDR_NONE;
    buf_printf(out, "waypost_%s{", metric);
    metrics_put_label(out, "egress", v->egress);
    metrics_put_label(out, "address", slice_of(known ? addr_host_text(&v->address, address) : ""));
}

/* ---- of each address ---- */

static double points_of(const struct sample *s)
{
    return s->view.points;
}

static double eligible_of(const struct sample *s)
{
    return s->view.eligible;
}

static double share_of(const struct sample *s)
{
    return s->view.share;
}

static double since_of(const struct sample *s)
{
    return (double)s->view.since_ms / 1000;
}

static double listings_of(const struct sample *s)
{
    struct standing_evidence all[STANDING_LISTINGS_MAX + STANDING_EVIDENCE_MAX];
    uint32_t n =
        standing_evidence(s->standing, s->member, s->now_ms, all, sizeof all / sizeof all[0]);
    double listings = 0;
    for (uint32_t i = 0; i < n; i++)
        listings += all[i].kind == STANDING_EV_LISTED && all[i].standing;
    return listings;
}

static const struct {
    const char *name, *help;
    double (*value)(const struct sample *sample);
} address_metrics[] = {
    { "address_points", "Evidence against the address.", points_of },
    { "address_eligible", "1: it may carry mail.", eligible_of },
    { "address_share_ratio", "How much of its weight it carries.", share_of },
    { "address_listings", "Lists that name it.", listings_of },
    { "address_since_seconds", "Unix time of its last change of state.", since_of },
};

static void put_figures(struct buf *out, const struct standing *standing, int64_t now_ms,
                        size_t metric)
{
    struct sample s = { .standing = standing, .now_ms = now_ms };
    metrics_put_head(out, address_metrics[metric].name, "gauge", address_metrics[metric].help);
    for (; standing_view(standing, s.member, now_ms, &s.view); s.member++) {
        put_name(out, address_metrics[metric].name, &s.view);
        buf_putc(out, '}');
        metrics_put_value(out, address_metrics[metric].value(&s));
    }
}

static void put_states(struct buf *out, const struct standing *standing, int64_t now_ms)
{
    static const uint8_t states[] = { STANDING_PROBATION, STANDING_CLEAN,  STANDING_SUSPECT,
                                      STANDING_DRAINING,  STANDING_LISTED, STANDING_QUARANTINED,
                                      STANDING_DISABLED };
    struct standing_view v;
    metrics_put_head(out, "address_state", "gauge", "1: it is in this state.");
    for (int m = 0; standing_view(standing, m, now_ms, &v); m++) {
        for (size_t i = 0; i < sizeof states; i++) {
            put_name(out, "address_state", &v);
            metrics_put_label(out, "state", slice_of(standing_state_names[states[i]]));
            buf_putc(out, '}');
            metrics_put_value(out, v.state == states[i]);
        }
    }
}

/* ---- providers ---- */

static void put_providers(struct buf *out, const struct standing *standing, int64_t now_ms)
{
    struct standing_view v;
    struct standing_provider_view p;
    unsigned shown = 0, more = 0;
    metrics_put_head(out, "address_provider_state", "gauge",
                     "1: the address is not clean with this provider, but in this state.");
    for (int m = 0; standing_view(standing, m, now_ms, &v); m++) {
        for (uint32_t i = 0; standing_provider_view(standing, m, i, now_ms, &p); i++) {
            if (p.state == STANDING_CLEAN)
                continue;
            if (shown == METRICS_PROVIDERS_MAX) {
                more++;
                continue;
            }
            shown++;
            put_name(out, "address_provider_state", &v);
            metrics_put_label(out, "provider", p.provider);
            metrics_put_label(out, "state", slice_of(standing_state_names[p.state]));
            buf_puts(out, "} 1\n");
        }
    }
    metrics_put_head(out, "address_providers_left_out", "gauge",
                     "Providers an address is not clean with that are not shown here.");
    buf_puts(out, "waypost_address_providers_left_out");
    metrics_put_value(out, more);
}

void metrics_put_standing(struct buf *out, const struct standing *standing, int64_t now_ms)
{
    put_states(out, standing, now_ms);
    for (size_t m = 0; m < sizeof address_metrics / sizeof address_metrics[0]; m++)
        put_figures(out, standing, now_ms, m);
    put_providers(out, standing, now_ms);
}
