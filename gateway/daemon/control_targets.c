#include "gateway/daemon/control_targets.h"

#include "gateway/base/log.h"

/* A proxy carries no UDP: what lies behind it is asked by connecting. */
static void name_resolvers(struct links *core, struct geo_cache *groups, const struct conf *conf,
                           size_t egress)
{
    const struct conf_egress *e = &conf->egress.at[egress];
    for (size_t i = 0; e->via.kind == CONF_VIA_NONE && i < e->resolvers.n; i++) {
        const struct geo_group *g = geo_group(groups, &e->resolvers.at[i]);
        int group = links_group(core, g->carrier, g->region);
        links_target(core, group, OBS_RESOLVER, &e->resolvers.at[i], (int)egress);
    }
}

static void name_beacons(struct links *core, struct geo_cache *groups, const struct conf *conf)
{
    for (size_t i = 0; i < conf->probes.beacons.n; i++) {
        const struct conf_beacon *b = &conf->probes.beacons.at[i];
        const struct geo_group *g = b->carrier.n || b->region.n
                                        ? geo_group_named(groups, b->carrier, b->region)
                                        : geo_group(groups, &b->address);
        int group = links_group(core, g->carrier, g->region);
        links_target(core, group, OBS_BEACON, &b->address, -1);
    }
}

static void group_of(void *groups, const struct addr *address, struct slice *carrier_r,
                     struct slice *region_r)
{
    const struct geo_group *g = geo_group(groups, address);
    *carrier_r = g->carrier;
    *region_r = g->region;
}

void control_targets_name(struct links *core, struct geo_cache *groups, const struct conf *conf,
                          int64_t now_ms)
{
    links_targets_clear(core);
    unsigned moved = links_regroup(core, group_of, groups, now_ms);
    if (moved)
        log_info(NULL, "addresses_regrouped", "addresses", LOG_INT(moved), NULL);
    name_beacons(core, groups, conf);
    for (size_t e = 0; e < conf->egress.n; e++) {
        name_resolvers(core, groups, conf, e);
        if (conf->egress.at[e].via.kind == CONF_VIA_RELAY) /* its mail may be of no group */
            (void)links_group(core, SLICE_LIT("other"), SLICE_LIT("other"));
    }
}
