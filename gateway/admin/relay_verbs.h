/*
 * admin/relay_verbs — the verbs the relay answers: queue, explain, deliveries, links, ...
 *
 *   One function a verb, for an admin_server whose argument is a struct relay_view.
 */
#ifndef WAYPOST_ADMIN_RELAY_VERBS_H
#define WAYPOST_ADMIN_RELAY_VERBS_H

#include "gateway/admin/fanout.h"
#include "gateway/admin/server.h"
#include "gateway/ingress/hub.h"
#include "gateway/spool/spool.h"
#include "policies/policies.h"

struct relay_view {
    struct loop *loop;
    struct fanout_group workers;
    struct policies *policies; /* in force; the owner exchanges it */
    const struct spool *spool;
    struct ingress_hub *hub;
    int64_t started_ms;                /* wall clock */
    const struct counters *of_control; /* what the relay writes for control; NULL: nothing */
    /* Takes over the call of control that watches the paths (daemon/relay_links.h). */
    void (*links)(void *arg, struct call *call);
    void *links_arg;
};

extern const struct admin_verb relay_verbs[];

void verb_queue(void *view, struct call *call, const struct request *request);
void verb_explain(void *view, struct call *call, const struct request *request);
void verb_deliveries(void *view, struct call *call, const struct request *request);
void verb_totals(void *view, struct call *call, const struct request *request);
void verb_under_way(void *view, struct call *call, const struct request *request);

/* Counters of the workers and the spool, as members of an object. */
void totals_put(const struct relay_view *view, struct buf *json);

#endif
