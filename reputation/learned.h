/*
 * reputation/learned — which addresses mail turns out to leave from, where the configuration does
 *   not say (pure)
 *
 *   An egress without `address` leaves by the system's choice, one behind SOCKS5 by that of the
 *   proxy, which tells it with each connection. Lists are to be asked about these, too.
 *
 *   Up to LEARNED_EACH of an egress. One that was not seen for a day while another of its family
 *   was is somebody else's by now and is forgotten; one of which nothing else is known stays, for
 *   an address that is listed carries no mail, and is watched until it is free again. Addresses of
 *   private networks are not those that receivers see.
 *
 * Times are monotonic ms; what was kept counts as seen when it is read.
 */
#ifndef WAYPOST_REPUTATION_LEARNED_H
#define WAYPOST_REPUTATION_LEARNED_H

#include "gateway/base/addr.h"

enum {
    LEARNED_EACH = 4,
    LEARNED_EGRESSES = 256,
    LEARNED_NAME_MAX = 255,
    LEARNED_PACK_MAX = 256 * 1024
};

struct learned;

struct learned *learned_new(void);
void learned_free(struct learned **learned);

/* Mail left from there by the egress. True: it has other addresses than before. */
bool learned_note(struct learned *learned, struct slice egress, const struct addr *address,
                  int64_t now_ms);
/* How many, and which. Without ports. */
size_t learned_of(const struct learned *learned, struct slice egress,
                  struct addr address_r[LEARNED_EACH]);
/* Nothing is known of it any more. True: there was something. */
bool learned_forget(struct learned *learned, struct slice egress);
/* Forgets all egresses but these. */
void learned_retain(struct learned *learned, const struct slice *egress, size_t n);

void learned_pack(const struct learned *learned, struct buf *out);
/* RC_PARSE: nothing that learned_pack() would have written. */
enum rc learned_unpack(struct slice bytes, int64_t now_ms, struct learned **learned_r,
                       struct err *err);

#endif
