/*
 * geo/database — one MaxMind DB file: checked, opened, asked
 *
 *   Field names differ between publishers; what is known of them (MaxMind GeoLite2 and GeoIP2,
 *   DB-IP, IPinfo, the flat files of ip-location-db) is one table in fields.c. A file may hold AS
 *   numbers, places, or both.
 *
 *   database_check() reads a whole file and may take a second for a big one: it is for the
 *   supervisor and the command line. database_open() maps a file that was checked: microseconds.
 */
#ifndef WAYPOST_GEO_DATABASE_H
#define WAYPOST_GEO_DATABASE_H

#include "gateway/geo/group.h"

struct database_info {
    char type[64]; /* as the file says: "GeoLite2-ASN" */
    uint64_t build_epoch;
    bool has_asn, has_place; /* seen in a sample of its records */
};

/* Every byte that a lookup could reach (mmdb_bytes.h), and that the library takes it. RC_NOT_FOUND,
 * RC_IO, RC_CORRUPT; the text does not name the file. */
enum rc database_check(const char *path, struct database_info *info_r, struct err *err);

struct database;

enum rc database_open(const char *path, struct database **database_r, struct err *err);
void database_close(struct database **database);
uint64_t database_epoch(const struct database *database); /* when it was built; Unix time */
/* Adds what it knows of the address to those of *facts that are empty still. Any thread. */
void database_ask(const struct database *database, const struct addr *address,
                  struct geo_facts *facts);

#endif
