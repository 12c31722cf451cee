/*
 * conf/zones — well-known DNS blocklists: what their answers mean (pure)
 *
 *   The table is data, reputation/data/zones.txt, compiled in; its head says how it is written. A
 *   name KEY in it stands for one label of the operator's: KEY.zen.dq.spamhaus.net.
 *
 *   zones_parse() reads such a text whole or not at all; zones_builtin() is the one shipped, read
 *   once, valid as long as the program. Neither does I/O.
 *
 * Errors: RC_PARSE with "line N: what".
 * See:    RFC 5782.
 */
#ifndef WAYPOST_CONF_ZONES_H
#define WAYPOST_CONF_ZONES_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/base/buf.h"
#include "gateway/base/mem.h"
#include "gateway/base/rc.h"
#include "gateway/base/slice.h"

enum zone_kind { ZONE_HARD, ZONE_SOFT, ZONE_REPORT };
extern const char *const zone_kind_names[]; /* "hard", "soft", "report", NULL */

struct zone_code {
    uint32_t first, last; /* answers, 127.0.0.0/8 in host order */
    unsigned points;      /* 0 for ZONE_REPORT */
    enum zone_kind kind;
    const char *text;
};

struct zone {
    struct slice *names;
    size_t name_n;
    const char *title, *link; /* link: with {address} */
    int64_t interval_ms;
    bool v4, v6, expires;
    struct zone_code *codes, *errors; /* of an error only first, last and text count */
    size_t code_n, error_n;
};

/* A domain, and all below it, that is no list of addresses. */
struct zone_refusal {
    struct slice name;
    const char *why;
};

struct zones {
    struct zone *at;
    size_t n;
    struct zone_refusal *refused;
    size_t refused_n;
};

/* Everything in *zones_r lives in the arena; it does not point into `text`. */
enum rc zones_parse(struct slice text, struct arena *arena, struct zones *zones_r, struct err *err);
const struct zones *zones_builtin(void); /* any thread */

/* `name` in any case, without a dot at the end. NULL: not known. */
const struct zone *zones_find(const struct zones *zones, struct slice name);
/* Why `name` cannot be used; NULL: it can. */
const char *zones_refusal(const struct zones *zones, struct slice name);
/* The link of a zone, about this address; nothing when it is not known and the link names it. */
void zone_put_link(const char *link, const struct addr *address, struct buf *out);
/* NULL: not in this table. */
const struct zone_code *zone_code_find(const struct zone_code *codes, size_t n, uint32_t answer);

#endif
