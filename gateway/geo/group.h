/*
 * geo/group — which carrier and region an address belongs to
 *
 *   struct geo is one state of the tables and databases: immutable, shared by all threads, counted.
 *   struct geo_cache belongs to one loop and remembers answers: geo_group() costs nanoseconds for
 *   an address seen lately and about a microsecond for any other. A new state comes in by
 *   geo_cache_use(); what was answered from the old one is forgotten.
 *
 *   carrier   geo.networks, else the name in geo.carriers that holds the AS number, else "AS<n>",
 *             else "other"
 *   region    geo.networks, else the name in geo.regions that holds the subdivision, else the
 *             country, else the continent; else the country's code, else "other"
 *
 * Guarantees: a group, its index and its names stay as they are for the life of the cache: callers
 *             may keep and compare pointers across reloads. Nothing fails: what is not known is
 *             "other".
 * Limits:     `groups_max` groups; any further one is answered as (other, other), which is index 0.
 *             So none may be too many for long: routes and limits go by what they are called. How
 *             many are measured at a time is another matter (probes/links.h).
 */
#ifndef WAYPOST_GEO_GROUP_H
#define WAYPOST_GEO_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/base/rc.h"
#include "gateway/base/slice.h"
#include "gateway/conf/plan.h"

/* What relay and control use: more pairs of carrier and country than mail hosts are in. One takes
 * memory when it is met, some 200 bytes. */
enum { GEO_GROUPS_MAX = 64 * 1024 };

struct geo_group {
    struct slice carrier, region; /* NUL-terminated; never empty */
    uint32_t index;               /* 0 .. groups_max - 1, in the order they were met */
};

/* Where the databases are; NULL: none of that kind. Both kinds may be the same file. Files must not
 * change while they are open (a file truncated in place would kill the process): the supervisor
 * hands out copies that nobody writes to. */
struct geo_files {
    const char *asn, *city;
};

struct geo;

/* Opens the files and compiles the tables; copies what it needs of `conf`. RC_NOT_FOUND, RC_IO,
 * RC_CORRUPT with text that names the file: nothing is made. Files are taken to be checked
 * (geo/database.h). */
enum rc geo_new(const struct conf_geo *conf, const struct geo_files *files, struct geo **geo_r,
                struct err *err);
struct geo *geo_ref(struct geo *geo); /* atomic; returns geo */
void geo_unref(struct geo **geo);     /* sets NULL; the last one closes the files */

/* What the databases say of an address; for people (explain). Zero or empty: not known. */
struct geo_facts {
    uint32_t asn;
    char country[4], continent[4];
    char subdivision[8];                        /* the most specific, as in ISO 3166-2: "CN-BJ" */
    char organisation[96];                      /* of the AS number; cut at the limit */
    bool carrier_by_network, region_by_network; /* geo.networks decided */
};
void geo_facts(const struct geo *geo, const struct addr *address, struct geo_facts *facts_r);

struct geo_cache;

struct geo_cache *geo_cache_new(size_t groups_max);
void geo_cache_free(struct geo_cache **cache);
/* From now on answers come from `geo` (NULL: everything is "other"). Takes a reference. */
void geo_cache_use(struct geo_cache *cache, struct geo *geo);
const struct geo *geo_cache_state(const struct geo_cache *cache); /* what it uses; may be NULL */

/* Never NULL; valid for the life of the cache. The port does not matter. */
const struct geo_group *geo_group(struct geo_cache *cache, const struct addr *address);
/* The same for names from elsewhere (labels of beacons); empty counts as "other". */
const struct geo_group *geo_group_named(struct geo_cache *cache, struct slice carrier,
                                        struct slice region);
size_t geo_groups_count(const struct geo_cache *cache);

#endif
