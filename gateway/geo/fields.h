/*
 * geo/fields — what publishers call an AS number, a country, a subdivision
 *
 *   Private to geo. One table of names; missing and odd values leave the facts as they are.
 */
#ifndef WAYPOST_GEO_FIELDS_H
#define WAYPOST_GEO_FIELDS_H

#include <maxminddb.h>

#include "gateway/geo/group.h"

/* Fills those of *facts that are empty and that the record has. */
void fields_take(MMDB_entry_s *record, struct geo_facts *facts);

#endif
