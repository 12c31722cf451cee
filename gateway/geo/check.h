/*
 * geo/check — are the databases that a configuration names what it takes them for?
 *
 *   Reads them whole: for `waypost check` and the supervisor. Problems are errors at the key that
 *   names the file.
 */
#ifndef WAYPOST_GEO_CHECK_H
#define WAYPOST_GEO_CHECK_H

#include "gateway/conf/errors.h"
#include "gateway/geo/database.h"

enum geo_kind { GEO_ASN, GEO_CITY, GEO_KINDS };
extern const char *const geo_kind_names[];

const struct conf_file *geo_database_of(const struct conf_geo *conf, enum geo_kind kind);

/* database_check(), and that it holds what the key is for. */
enum rc geo_check_file(const char *path, enum geo_kind kind, struct database_info *info_r,
                       struct err *err);
void geo_check(const struct conf_geo *conf, struct conf_errors *errors);
/* The error of one of them, in the words of geo_check(). */
void geo_complain(const struct conf_file *file, const struct err *err, struct conf_errors *errors);

#endif
