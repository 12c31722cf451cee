/*
 * reputation/standing_advice — what standing means for the relay, put into a table of advice
 *
 *   Into a table that has its egresses and nothing of ours yet: an egress of which no address may
 *   carry mail is EGRESS_BARRED (unless it has a fault of its own), else it gets the best share of
 *   its addresses; addresses that may not are barred one by one; and for each receiver with which
 *   an egress does not stand as well as can be, a row. Several addresses of one egress take turns,
 *   so what a receiver holds against any of them counts for the egress.
 *
 *   A canary is a row with a small allowance: what becomes of that mail decides (standing_reply).
 *
 * Pure.
 */
#ifndef WAYPOST_REPUTATION_STANDING_ADVICE_H
#define WAYPOST_REPUTATION_STANDING_ADVICE_H

#include "policies/advice.h"
#include "reputation/standing.h"

void standing_put_advice(const struct standing *standing, int64_t now_ms, struct advice *advice);

#endif
