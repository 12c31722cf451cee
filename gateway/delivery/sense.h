/*
 * delivery/sense — what a session and its transactions tell about the path, as observations
 *
 *   The files of delivery/ call these where something was learned; what becomes of it is
 *   observe.c's business. The kernel's TCP figures cost a system call: they are asked for when a
 *   session is ready, when it ends, and in between when the last ones are SENSE_TCP_MS old. A long
 *   body is looked at each second while it is being sent.
 *
 *   Segments and retransmissions are told as what came since the last time, so sums are right.
 */
#ifndef WAYPOST_DELIVERY_SENSE_H
#define WAYPOST_DELIVERY_SENSE_H

#include "gateway/delivery/session.h"

enum {
    SENSE_TCP_MS = 250,
    SENSE_LONG_MS = 1000,
    SENSE_GOODPUT_BYTES = 256 * 1024 /* smaller bodies say nothing about goodput */
};

/* Every address that failed, or the egress when that was to blame. */
void sense_dialled(struct session *s, const struct dial_result *result);
/* A dial takes longer than its path lets expect. */
void sense_overdue(struct session *s);
/* It stood, nobody greeted, and another egress was greeted meanwhile. */
void sense_outrun(struct session *s);
/* An egress is out, or back (EGRESS_FINE). */
void sense_egress(struct delivery *d, int egress, enum egress_fault_kind fault);
/* The session is ready for mail. */
void sense_opened(struct session *s);
/* It connected, but no session came of it. */
void sense_unfit(struct session *s, const struct finding *finding);
/* A command was answered: the fastest shows the round trip, also through a proxy. */
void sense_answer(struct session *s, int64_t took_us);
/* The body of a transaction begins; its attempt is over (findings are complete). */
void sense_body(struct session *s, struct attempt *a);
void sense_attempt(struct session *s, struct attempt *a);
/* What was sent does not arrive. */
void sense_stalled(struct session *s);
/* The connection was lost while a transaction ran; or it ends in peace. */
void sense_broken(struct session *s, const struct finding *finding);
void sense_quit(struct session *s);

/* The latest figures, SENSE_TCP_MS old at most. False: the system has none. */
bool sense_tcp(struct session *s, struct stream_tcp_info *info_r);

/* Looks at the bodies being sent, each second. */
void sense_on_tick(struct timer *timer); /* of struct delivery */

#endif
