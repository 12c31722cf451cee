/*
 * delivery/tally — evidence about our addresses, on its way to control
 *
 *   Refusals of the address (ip-blocked, ip-throttled) leave at once: control acts on them within
 *   moments. Everything else is summed up by address, receiver and class, and leaves when
 *   tally_flush() is called, each second, or when the table is full.
 *
 * Callbacks: the sink runs inside these calls; it takes all of them or loses them.
 */
#ifndef WAYPOST_DELIVERY_TALLY_H
#define WAYPOST_DELIVERY_TALLY_H

#include "reputation/report.h"

typedef void tally_sink_fn(void *arg, const struct reply_report *at, unsigned n);

enum { TALLY_BATCH_MAX = 32 };

struct tally;

struct tally *tally_new(tally_sink_fn *sink, void *arg); /* sink NULL: all is dropped */
void tally_free(struct tally **tally);
void tally_add(struct tally *tally, const struct reply_report *report);
void tally_flush(struct tally *tally);
bool tally_empty(const struct tally *tally);

#endif
