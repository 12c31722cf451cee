/*
 * reputation/listing — what one list holds against one of our addresses
 *
 *   The common form of DNS blocklists and feeds: what callers are told when it changes, and what
 *   reports show. A value; texts are valid during the call that hands it over.
 */
#ifndef WAYPOST_REPUTATION_LISTING_H
#define WAYPOST_REPUTATION_LISTING_H

#include "gateway/base/addr.h"
#include "gateway/conf/zones.h"

/* UNKNOWN neither lists nor clears: keep what was true before. */
enum listing_state { LIST_UNKNOWN, LIST_CLEAR, LIST_LISTED };
extern const char *const listing_state_names[]; /* "unknown", "clear", "listed", NULL */

/* What is wrong with a list itself, as people are told of it. */
enum list_fault {
    LIST_FINE,
    LIST_HELD,    /* it lists most of our addresses at once: not believed for a while */
    LIST_MANY,    /* it still does: believed, with the weight of soft evidence */
    LIST_SILENT,  /* nothing usable for hours */
    LIST_REFUSED, /* a feed's content cannot be taken */
    LIST_FAULTS
};
extern const char *const list_fault_names[LIST_FAULTS]; /* "fine" */

struct listing {
    struct slice source; /* zone, or path or URL of the feed */
    bool is_feed;
    struct addr address;
    enum listing_state state;
    enum listing_state was; /* before; the same as `state` when only repeated */
    bool changed;           /* the state, or what the listing is for, is new; not in reports */
    int64_t since_ms;       /* monotonic */
    int64_t checked_ms;     /* of the last look that had a result; 0: none yet */
    const char *problem;    /* why the last look had none; NULL: it had one */
    bool dead;              /* nothing but problems for hours: the list is no witness any more */
    /* LIST_LISTED */
    uint32_t answer; /* of a zone, host order; 0 for a feed */
    unsigned points;
    enum zone_kind kind; /* ZONE_SOFT for a hard list, too, when `many` */
    bool many;           /* one of most of our addresses, which it took at once */
    const char *what;    /* what it means to be listed so */
    const char *text;    /* of the list itself, printable; "" when it gives none */
    const char *link;    /* where to be removed; "" when there is none */
    bool expires;        /* it goes by itself */
};

/* For a points figure of the operator's alone. */
enum zone_kind listing_kind_of(unsigned points);

#endif
