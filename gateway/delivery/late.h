/*
 * delivery/late — what a deadline means when an attempt is settled (RFC 2852 section 4.1.3)
 *
 *   Mode R: no attempt after it; the mail is returned with 5.4.7, whatever the last one ended with.
 *   Mode N: its sender is told once, with 4.4.7, and it is tried on.
 *
 *   Besides, senders are told once that mail is late by retry.delay_notice: when an attempt puts it
 *   off, or while it waits (mail of a site that takes nothing waits without attempts of its own).
 */
#ifndef WAYPOST_DELIVERY_LATE_H
#define WAYPOST_DELIVERY_LATE_H

#include "gateway/delivery/attempt.h"
#include "gateway/report/delivery_log.h"

extern const struct enhanced late_returned, late_delayed;

/* It is returned for its deadline. */
bool late_returns(const struct attempt *a, enum delivery_event_kind event);
bool late_is_up(struct enhanced status); /* is it late_returned? */

/* The deadline has passed and its sender has not been told. */
bool late_untold(const struct attempt *a);
/* One of these is, and this recipient (told before, by the second) has not heard of it. */
bool late_notice_due(const struct attempt *a, bool told_before);
/* All who want to know are told, if it is late: goes with the new envelope. */
void late_told(struct attempt *a);

#endif
