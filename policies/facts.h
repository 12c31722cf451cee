/*
 * policies/facts — what is known about one mail (towards one recipient) when a rule is asked
 *
 *   The caller fills what it knows and names it in `known`; all slices stay the caller's. A rule
 * that needs a fact not yet known answers "unknown" and is decided later, unless `final` says that
 *   nothing more will become known: then the unknown matches no pattern.
 */
#ifndef WAYPOST_POLICIES_FACTS_H
#define WAYPOST_POLICIES_FACTS_H

#include "gateway/base/addr.h"
#include "gateway/conf/rules.h"

struct origin;

struct fact_header {
    struct slice name, value; /* value unfolded and trimmed */
};

struct facts {
    unsigned known; /* FACT_BIT(key) of every key that is filled in */
    bool final;
    unsigned assumed; /* FACT_BIT(key): terms of these were found to hold before (route.h) */
    bool past_not;    /* and the rule's `not` was found not to hold */
    struct slice sender, sender_domain;       /* "" and "" for the null sender */
    struct slice recipient, recipient_domain; /* domain as A-label */
    struct slice client;     /* name of the matching `clients` entry; may be empty */
    struct addr client_addr; /* ADDR_NONE (a bounce of our own) */
    struct slice user;       /* empty: not authenticated */
    const struct fact_header *headers;
    size_t header_count;
    uint64_t size;
    const struct slice *mx; /* host names of the site */
    size_t mx_count;
    struct slice site, carrier, region, provider, egress;
    enum lane lane;
    int64_t wall_ms;
    struct slice text; /* of a remote reply, as one line */
};

#define FACT_BIT(key) (1u << (key))

/* Fill in a pair of address and domain (what follows the last '@') and mark both known. */
void facts_set_sender(struct facts *f, struct slice sender);
void facts_set_recipient(struct facts *f, struct slice recipient);
/* Who gave us the mail, client and user, as its envelope says; marks both known. */
void facts_set_origin(struct facts *f, const struct origin *origin);

#endif
