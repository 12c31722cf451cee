/*
 * reputation/run_dnsbl — asks the questions of the blocklist core (dnsbl.h) on a loop
 *
 *   One c-ares channel for each resolver that some list uses, directly: never through a cache of
 *   ours, never a carrier's resolver, because each resolver's own word is what the quorum counts.
 *   An answer counts when it is whole, to the question asked, and NOERROR or NXDOMAIN; everything
 *   else is "no usable answer" with its name.
 *
 * Callbacks: verdict and fault run from the loop, never from inside a call; configure and free must
 *            not be called in them.
 */
#ifndef WAYPOST_REPUTATION_RUN_DNSBL_H
#define WAYPOST_REPUTATION_RUN_DNSBL_H

#include "gateway/io/loop.h"
#include "reputation/dnsbl.h"

enum {
    DNSBL_TICK_MS = 100, /* between two looks at what is to be asked */
    DNSBL_TRY_MS = 2000  /* a resolver that has not answered by then gives no answer */
};

struct run_dnsbl_hooks {
    void (*listing)(void *arg, const struct listing *listing);
    void (*fault)(void *arg, struct slice zone, enum list_fault fault, const char *text);
    void *arg;
};

struct run_dnsbl;

struct run_dnsbl *run_dnsbl_new(struct loop *loop, const struct run_dnsbl_hooks *hooks);
void run_dnsbl_free(struct run_dnsbl **run);
/* As dnsbl_configure(). Resolvers that cannot be used are lists without an answer. */
void run_dnsbl_configure(struct run_dnsbl *run, const struct dnsbl_config *config);
struct dnsbl *run_dnsbl_core(struct run_dnsbl *run);

#endif
