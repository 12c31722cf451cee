/*
 * ingress/quotas — how much of what users and clients send may be urgent, over all workers
 *
 *   One entry for each user and each `clients` entry that has a quota (policies/quota.h). An entry
 *   lives while a ruleset refers to it, so a reload finds it as it was, and one that left the
 *   configuration goes with the last session that knows it. Any thread may call anything here.
 */
#ifndef WAYPOST_INGRESS_QUOTAS_H
#define WAYPOST_INGRESS_QUOTAS_H

#include <pthread.h>

#include "gateway/base/addr.h"
#include "gateway/base/map.h"
#include "policies/quota.h"

struct quotas {
    pthread_mutex_t lock; /* of all below and of the entries: held for some 100 ns */
    struct map *entries;
};

struct quota_entry {
    unsigned refs;
    struct quota quota;
    size_t key_len;
    char key[];
};

void quotas_init(struct quotas *quotas);
void quotas_done(struct quotas *quotas); /* no references are left */

/* One reference; NULL when the rate says no limit. A rate that differs from the entry's is the new
 * one. */
struct quota_entry *quotas_user(struct quotas *quotas, struct slice user, struct rate rate,
                                int64_t now_ms);
struct quota_entry *quotas_client(struct quotas *quotas, const struct network *network,
                                  struct rate rate, int64_t now_ms);
void quotas_unref(struct quotas *quotas, struct quota_entry *entry);

/* One message of both, or of neither; each may be NULL. */
bool quotas_take(struct quotas *quotas, struct quota_entry *user, struct quota_entry *client,
                 int64_t now_ms);
/* That message, taken at taken_ms, was not accepted: its places are free again. */
void quotas_give_back(struct quotas *quotas, struct quota_entry *user, struct quota_entry *client,
                      int64_t taken_ms, int64_t now_ms);
/* How many a user or client could send now; UINT64_MAX: nobody has set a limit. */
uint64_t quotas_left_of_user(struct quotas *quotas, struct slice user, int64_t now_ms);
uint64_t quotas_left_of_client(struct quotas *quotas, const struct network *network,
                               int64_t now_ms);

#endif
