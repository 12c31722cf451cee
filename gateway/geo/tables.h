/*
 * geo/tables — the names an operator gave to AS numbers, codes and networks (private to geo)
 *
 *   Compiled from geo.carriers, geo.regions and geo.networks; texts are copied. The letters of a
 *   continent (AF AN AS EU NA OC SA) mean the continent: the countries of the same letters have to
 *   be named by their subdivisions or networks.
 */
#ifndef WAYPOST_GEO_TABLES_H
#define WAYPOST_GEO_TABLES_H

#include "gateway/base/mem.h"
#include "gateway/geo/group.h"

struct tables;

struct tables *tables_new(const struct conf_geo *conf);
void tables_free(struct tables **tables);

/* Empty: no table names it. */
struct slice tables_carrier(const struct tables *t, uint32_t asn);
struct slice tables_region(const struct tables *t, const struct geo_facts *facts);
/* From geo.networks: for each of the two the longest prefix that has one. */
void tables_networks(const struct tables *t, const struct addr *address, struct slice *carrier_r,
                     struct slice *region_r);

#endif
