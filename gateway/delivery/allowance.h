/*
 * delivery/allowance — how much mail an egress may still carry to a receiver, over all workers
 *
 *   An address that is warming up, or has just been let back in, may send so many mails an hour to
 *   each receiver (policies/advice.h, per_hour). The relay has one table for all its workers, which
 *   outlives advice tables and configurations: a rate per key, kept by the time at which the next
 *   mail would be due (GCRA). A minute's worth may come at once, at least one mail.
 *
 *   The rate is the caller's and may change with each call. Without a place for one more key (all
 *   ALLOWANCES_MAX owe something) the answer is no.
 *
 * Guarantees: any thread; no lock, no allocation after allowances_new(); never more than allowed.
 * Units:      microseconds of the monotonic clock.
 */
#ifndef WAYPOST_DELIVERY_ALLOWANCE_H
#define WAYPOST_DELIVERY_ALLOWANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/slice.h"

enum { ALLOWANCES_MAX = 8192 };

struct allowances;

struct allowances *allowances_new(void);
void allowances_free(struct allowances **allowances);

uint64_t allowance_key(struct slice egress, struct slice provider); /* never 0 */
/* Is there one left? Takes nothing. */
bool allowance_left(const struct allowances *a, uint64_t key, uint32_t per_hour, int64_t now_us);
/* Takes one; false: there is none. */
bool allowance_take(struct allowances *a, uint64_t key, uint32_t per_hour, int64_t now_us);
/* One that was taken was not used. */
void allowance_give_back(struct allowances *a, uint64_t key, uint32_t per_hour, int64_t now_us);

/* ---- over a restart (daemon/kept_allowances.h); while nobody else uses them ---- */

/* What was used by then is not known: as if all had gone that could. */
void allowances_doubt(struct allowances *a, int64_t at_us);
bool allowances_doubted(const struct allowances *a, int64_t *at_us_r);
/* Nothing before then, but for the burst. */
void allowance_owe(struct allowances *a, uint64_t key, int64_t due_us);
/* Each that owes: how long until its next mail is due. */
void allowances_each(const struct allowances *a, int64_t now_us,
                     void (*fn)(void *arg, uint64_t key, int64_t left_us), void *arg);

#endif
