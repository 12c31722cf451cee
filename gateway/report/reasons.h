/*
 * report/reasons — the most frequent reasons of deferrals and failures, in bounded memory
 *
 *   A reason is the reply code, enhanced code and the first words of the reply with its digits
 *   folded (so that a queue id or an address in the text does not make each one different). At most
 *   REASONS_MAX are kept: a new one takes the place of the least frequent and inherits its count,
 *   so a frequent reason is never missed (the "space saving" algorithm). One owner: the worker.
 */
#ifndef WAYPOST_REPORT_REASONS_H
#define WAYPOST_REPORT_REASONS_H

#include <stdint.h>

#include "gateway/base/slice.h"
#include "gateway/mail/status.h"

enum { REASONS_MAX = 64, REASON_TEXT_MAX = 96 };

struct reason {
    uint8_t kind; /* enum delivery_event_kind */
    uint16_t code;
    struct enhanced enhanced;
    uint64_t count;
    int64_t last_ms; /* wall clock */
    char text[REASON_TEXT_MAX];
};

struct reasons {
    unsigned n;
    struct reason at[REASONS_MAX];
};

void reasons_count(struct reasons *r, unsigned kind, uint16_t code, struct enhanced enhanced,
                   struct slice text, uint64_t times, int64_t wall_ms);
/* Adds all of `from` to `into`: for a sum over workers. */
void reasons_merge(struct reasons *into, const struct reasons *from);
/* Most frequent first. */
void reasons_sort(struct reasons *r);

#endif
