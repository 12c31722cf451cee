/*
 * delivery/gauge — what has been taken of a limit, over all workers
 *
 *   A gauge has the buckets and the number of connections of one toll (policies/traffic.h), found
 *   by its key. Whoever has a gauge counts on it without a lock; only finding one takes it, which
 *   happens when the limits of a site are looked up, not for a mail. A gauge that nobody has is
 *   forgotten when it owes nothing, so what was taken outlives reloads and sites.
 *
 * Guarantees: any thread. No connection is granted beyond what is allowed; gauge_join() counts all.
 * Units:      microseconds of the monotonic clock.
 */
#ifndef WAYPOST_DELIVERY_GAUGE_H
#define WAYPOST_DELIVERY_GAUGE_H

#include "gateway/conf/rules.h"
#include "policies/bucket.h"
#include "policies/traffic.h"

enum { GAUGE_URGENT_US = 20000, GAUGE_WANTED_US = 300000 };

struct gauges;
struct gauge;

struct gauges *gauges_new(void);
void gauges_free(struct gauges **gauges); /* nobody has one any more */

/* With the rates of the toll from now on: what was taken under others stays taken. */
struct gauge *gauge_get(struct gauges *gauges, const struct traffic_toll *toll, int64_t now_us);
void gauge_put(struct gauges *gauges, struct gauge **gauge);

/* Until the next token comes, whoever gets it. The rates are those of the caller's toll. */
int64_t gauge_token_us(const struct gauge *g, enum traffic_rate kind, struct rate rate,
                       int64_t now_us);
/* Until mail of this lane may take one. Urgent mail that has to wait goes first: others wait
 * until it has, or has not come back for it GAUGE_URGENT_US after its time. */
int64_t gauge_wait_us(struct gauge *g, enum traffic_rate kind, struct rate rate, enum lane lane,
                      int64_t now_us);
bool gauge_take(struct gauge *g, enum traffic_rate kind, struct rate rate, uint64_t n,
                int64_t now_us);
/* What was taken is of no use: others may have it. */
void gauge_give_back(struct gauge *g, enum traffic_rate kind, struct rate rate, uint64_t n);
void gauge_charge(struct gauge *g, enum traffic_rate kind, struct rate rate, uint64_t n,
                  int64_t now_us);

/* Sessions that are opened for mail of a rate (policies/ahead.h) come hardly faster than it,
 * all of them together; `n` is what such a mail usually takes. One of no use is given back. */
int64_t gauge_pace_wait_us(const struct gauge *g, enum traffic_rate kind, struct rate rate,
                           int64_t now_us);
void gauge_pace(struct gauge *g, enum traffic_rate kind, struct rate rate, uint64_t n,
                int64_t now_us);
void gauge_pace_back(struct gauge *g, enum traffic_rate kind, struct rate rate, uint64_t n);

uint32_t gauge_connections(const struct gauge *g);
/* Of these, those that are not being closed already. */
uint32_t gauge_staying(const struct gauge *g);
/* One more, of `most`; false: there are as many, and, unless one of them is being closed, those at
 * rest are asked to end for GAUGE_WANTED_US. */
bool gauge_connect(struct gauge *g, uint64_t most, int64_t now_us);
/* One that is there already: counted, however many there are. */
void gauge_join(struct gauge *gauge);
void gauge_disconnect(struct gauge *g);
/* One is being closed, which counts until it is: that is gauge_parted(). */
void gauge_part(struct gauge *g);
void gauge_parted(struct gauge *g);
void gauge_want(struct gauge *g, int64_t now_us); /* the same request */
bool gauge_is_wanted(const struct gauge *g, int64_t now_us);

#endif
