#include "gateway/daemon/geo_child.h"

#include <stdlib.h>

#include "gateway/base/cursor.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"

enum rc geo_child_take(struct geo_child *g, struct slice bytes, struct err *err)
{
    struct cursor c = cur_of(bytes.p, bytes.n);
    struct slice asn = cur_slice16(&c), city = cur_slice16(&c);
    if (c.bad)
        return err_set(err, RC_PARSE, "malformed paths of databases");
    geo_child_free(g);
    if (asn.n)
        g->asn = mem_strndup(asn.p, asn.n);
    if (city.n)
        g->city = mem_strndup(city.p, city.n);
    return RC_OK;
}

void geo_child_free(struct geo_child *g)
{
    free(g->asn);
    free(g->city);
    *g = (struct geo_child){ NULL, NULL };
}

struct geo *geo_child_make(const struct geo_child *g, const struct conf *conf)
{
    struct geo_files files = { g->asn, g->city }, none = { NULL, NULL };
    struct geo *geo = NULL;
    struct err err;
    if (!g->asn && !g->city && !conf->geo.networks.n)
        return NULL;
    if (geo_new(&conf->geo, &files, &geo, &err) != RC_OK) {
        log_error(NULL, "geo_database_failed", "error", err.text, NULL);
        geo_new(&conf->geo, &none, &geo, NULL);
    }
    return geo;
}
