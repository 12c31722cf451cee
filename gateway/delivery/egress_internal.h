/*
 * delivery/egress_internal — the table of egresses, as egress.c and egress_faults.c share it
 *
 *   Ownership: the ways and their arrays are the table's; `conf` is of the policies it holds.
 *   Callbacks: each of these functions may run `changed` of the table, once per change.
 */
#ifndef WAYPOST_DELIVERY_EGRESS_INTERNAL_H
#define WAYPOST_DELIVERY_EGRESS_INTERNAL_H

#include "gateway/conf/conf.h"
#include "gateway/delivery/egress.h"
#include "gateway/delivery/egress_check.h"
#include "gateway/delivery/relay.h"
#include "gateway/io/timer.h"

struct way {
    struct egress_table *table;
    const struct conf_egress *conf;
    enum egress_fault_kind fault;
    bool refused; /* by the relay: mail tries it again, no check */
    bool doubted; /* by a probe of control, which is told what the check finds */
    char reason[128];
    bool *gone;        /* per address of its own */
    bool *barred;      /* by advice, per address of its own */
    bool *out;         /* either */
    unsigned families; /* of what is left */
    unsigned turn;     /* which of several addresses of a family is next */
    int64_t looked_ms; /* at its addresses */
    int64_t refused_ms;
    int64_t denied_ms; /* when the proxy is looked at again that answers us and connects nobody */
    unsigned looks;    /* at the proxy, since it worked last */
    unsigned denials;  /* in a row */
    struct relay_line line;
    struct egress_check *check;
    struct timer timer;
};

struct egress_table {
    struct loop *loop;
    struct resolver *resolver;
    struct policies *policies;
    struct way *at;
    size_t n;
    uint64_t heeded; /* version of the last advice */
    egress_changed_fn *changed;
    void *arg;
};

/* egress_faults.c */

/* Before use: an address may have gone while nobody looked. */
bool egress_fine(struct way *w);
void egress_note_left(struct way *w); /* `gone` or `barred` changed */
/* A probe of control found it out. Mail does not come this way any more that would notice, and only
 * what is out here is looked at until it is back. */
void egress_look(struct way *w, const struct advice_egress *held);
void egress_tell(struct way *w);             /* runs `changed` */
void egress_look_again(struct timer *timer); /* of a way: what is out may be back */

#endif
