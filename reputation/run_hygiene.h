/*
 * reputation/run_hygiene — looks up what hygiene.h judges, for each egress address
 *
 *   At the start, then hourly; every ten minutes while something is broken or unknown. Asks the
 *   servers of `dns`, nobody else: an address's names are the world's business.
 *
 * Callbacks: from the loop, after every check, whether something changed or not.
 */
#ifndef WAYPOST_REPUTATION_RUN_HYGIENE_H
#define WAYPOST_REPUTATION_RUN_HYGIENE_H

#include "gateway/dns/resolver.h"
#include "gateway/io/loop.h"
#include "reputation/hygiene.h"

struct run_hygiene;

/* `index` is that of run_hygiene_configure(). */
typedef void run_hygiene_fn(void *arg, size_t index, const struct hygiene *hygiene);

enum rc run_hygiene_new(struct loop *loop, const struct resolver_conf *dns, run_hygiene_fn *fn,
                        void *arg, struct run_hygiene **run_r, struct err *err);
void run_hygiene_free(struct run_hygiene **run);

/* An address and the name said in EHLO by it. */
struct hygiene_subject {
    struct addr address;
    struct slice ehlo;
    bool relayed; /* a relay says another */
};
/* Copies them; checks under way are forgotten, and all are due. */
void run_hygiene_configure(struct run_hygiene *run, const struct hygiene_subject *subjects,
                           size_t n);

#endif
