#include "gateway/geo/check.h"

const char *const geo_kind_names[] = { "asn", "city", NULL };

const struct conf_file *geo_database_of(const struct conf_geo *conf, enum geo_kind kind)
{
    return kind == GEO_ASN ? &conf->asn_database : &conf->city_database;
}

enum rc geo_check_file(const char *path, enum geo_kind kind, struct database_info *info_r,
                       struct err *err)
{
    enum rc rc = database_check(path, info_r, err);
    if (rc == RC_OK && !(kind == GEO_ASN ? info_r->has_asn : info_r->has_place))
        rc = err_set(err, RC_CORRUPT, "it is a \"%s\" and has no %s", info_r->type,
                     kind == GEO_ASN ? "AS numbers" : "places");
    return rc;
}

void geo_complain(const struct conf_file *file, const struct err *err, struct conf_errors *errors)
{
    conf_error(errors, file->pos, "found \"%s\", expected a MaxMind DB that can be used: %s",
               file->path.p, err->text);
}

void geo_check(const struct conf_geo *conf, struct conf_errors *errors)
{
    for (int kind = 0; kind < GEO_KINDS; kind++) {
        const struct conf_file *file = geo_database_of(conf, (enum geo_kind)kind);
        struct database_info info;
        struct err err;
        if (file->path.n && geo_check_file(file->path.p, (enum geo_kind)kind, &info, &err) != RC_OK)
            geo_complain(file, &err, errors);
    }
}
