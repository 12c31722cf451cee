/*
 * policies/compiled — the compiled forms behind policies.h and when.h
 *
 *   Private to policies/.
 */
#ifndef WAYPOST_POLICIES_COMPILED_H
#define WAYPOST_POLICIES_COMPILED_H

#include <stdatomic.h>

#include "policies/policies.h"
#include "policies/reply.h"
#include "policies/route.h"

struct term {
    enum when_key key;
    bool any; /* a pattern is "*" */
    struct slice header;
    size_t n; /* of the one the key uses: patterns, ranges or windows */
    struct pattern *patterns;
    struct size_range *ranges;
    struct time_window *windows;
    struct network *networks; /* client only */
    size_t networks_n;
    unsigned lanes; /* priority only: bit per lane */
};

struct when {
    struct term *terms;
    size_t n;
    struct when *negated; /* NULL: none */
};

struct patterns {
    struct pattern *at;
    size_t n; /* 0: anything goes */
};

struct compiled_route {
    struct when *when;
    struct egress_set egress, fallback;
};

/* What a traffic rule counts over, and the name that its counts have over reloads. */
struct compiled_traffic {
    struct when *when;
    unsigned needs; /* when_needs() */
    unsigned over;  /* set of enum traffic_over */
    uint64_t key;   /* of its `when`, as written */
};

struct compiled_reply {
    struct when *when;
    const char *name; /* "replies[2]" */
};

/* Arrays run parallel to those of conf. */
struct policies {
    struct conf *conf;
    struct arena *arena;
    atomic_uint references;
    struct when **priorities;
    struct compiled_route *routes;
    struct compiled_traffic *traffic;
    unsigned traffic_needs; /* of all of them */
    struct compiled_reply *replies;
    struct patterns *client_recipients;
    struct patterns *user_senders;
};

struct patterns patterns_compile(struct arena *arena, const struct conf_texts *texts);
/* Of addresses or domains: those with letters also as A-labels. */
struct patterns names_compile(struct arena *arena, const struct conf_texts *texts,
                              struct conf_errors *errors);
void traffic_compile(struct policies *p, struct conf_errors *errors);
void routes_compile(struct policies *p, struct conf_errors *errors);
void replies_compile(struct policies *p, struct conf_errors *errors);

#endif
