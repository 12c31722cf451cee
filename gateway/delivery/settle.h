/*
 * delivery/settle — carries the verdicts out: log, spool record, notices, the queue's call
 *
 *   Recipients that are delivered or failed leave the envelope. What is left is deferred to the
 *   earliest time any of its causes allows; when nothing is left the item is done. Notices (failed,
 *   delayed, relayed) are made by notice.c and committed in one group with the change of the item,
 *   so no failure is forgotten and none is told twice.
 */
#ifndef WAYPOST_DELIVERY_SETTLE_H
#define WAYPOST_DELIVERY_SETTLE_H

#include "gateway/delivery/session.h"
#include "gateway/mail/dsn.h"

/* Every recipient has a finding. `hop`: where it was found out, NULL: no session was used. Frees
 * the attempt, now or when its notices are committed. */
void settle_attempt(struct attempt **attempt, const struct hop *hop);
/* What the queue could not place. */
void settle_trouble(struct delivery *d, struct item *item, enum queue_trouble why,
                    const char *text);

/* The receiver does not take this mail from that address of that egress. True: it goes by another
 * now; at most twice. */
bool settle_other_address(struct attempt *a, const struct conf_route *route,
                          const struct conf_egress *egress, const struct addr *source);

/* The rest of a settlement, after the notice (if any) is committed. */
struct settlement {
    struct attempt *attempt;
    struct recipient *rest; /* still to be delivered; room for all */
    size_t rest_n;
    bool done;      /* nothing is left of the item */
    int64_t due_ms; /* else: wall clock */
    struct buf env; /* else: its new envelope, packed */
    struct dsn_recipient *notices;
    size_t notices_n;
};
void settle_op(const struct settlement *st, struct spool_op *op_r);
void settle_finish(struct settlement *st);
/* The notice could not be committed: all but the delivered recipients are tried again. */
void settle_untold(struct settlement *st);

/* ---- notice.c ---- */
/* Takes the settlement over (copied); settle_finish() follows. False: no notice can be made. */
bool notice_start(const struct settlement *st);

/* ---- record.c: the delivery log ---- */
void record_recipient(const struct attempt *a, const struct hop *hop, uint32_t recipient,
                      enum delivery_event_kind kind, const struct verdict *verdict,
                      int64_t next_ms);
/* The mail goes by another egress than that of `hop`: the lines about what comes of it say why.
 * NULL: it does not. */
void record_detour(const struct attempt *a, const struct hop *hop);
void record_note(struct delivery *d, const struct item *item, enum delivery_event_kind kind,
                 const char *text);

#endif
