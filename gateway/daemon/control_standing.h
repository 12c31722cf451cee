/*
 * daemon/control_standing — what our addresses are worth, in control: evidence in, advice out
 *
 *   Owns the core of reputation/standing.h and keeps it on disk. What replies said comes from the
 *   relay (control_line.h), listings and names from control_lists, orders from operators, faults of
 *   egresses with each advice table, as links have them: they bar nothing here, but pools do not
 *   rely on an egress that is at fault. What comes of it goes into each advice table before it is
 *   sent, and events to whoever listens.
 *
 *   An egress with several addresses has a member each: those that may carry nothing are barred one
 *   by one, and one that a receiver blocks or limits is left out there (beyond its limit) while
 *   another of its family is fit. See standing_advice.c for what its limit means for the others.
 *
 *   Where neither `address` nor `source` says it, the address is the one that mail turns out to
 *   leave from (reputation/learned.h). It has no member of its own: its egress is what is judged.
 *
 *   Everything runs on control's loop. State is written within a second of a change, an order into
 *   both copies (keeper.h); what could not be written is tried again. When neither can be read all
 *   addresses begin in doubt.
 */
#ifndef WAYPOST_DAEMON_CONTROL_STANDING_H
#define WAYPOST_DAEMON_CONTROL_STANDING_H

#include "gateway/io/loop.h"
#include "policies/policies.h"
#include "reputation/hygiene.h"
#include "reputation/learned.h"
#include "reputation/listing.h"
#include "reputation/report.h"
#include "reputation/standing.h"

struct control_standing;

struct control_standing_env {
    struct loop *loop;
    const char *folder;         /* where it keeps what it knows; control may write there */
    void (*changed)(void *arg); /* a new advice table is wanted; may be NULL */
    /* Every event of the core: copy and return. May be NULL. */
    void (*event)(void *arg, const struct standing_event *event);
    void (*learned)(void *arg); /* control_standing_learned() tells others; may be NULL */
    void *arg;
};

struct control_standing *control_standing_new(const struct control_standing_env *env);
void control_standing_free(struct control_standing **standing); /* writes what is not yet written */

/* What it knew could not be read at the start: orders and listings are forgotten. */
bool control_standing_lost(const struct control_standing *standing);

/* At the start and after each reload. Takes a reference. */
void control_standing_configure(struct control_standing *standing, struct policies *policies);

/* The addresses of egresses of which the configuration names none. */
const struct learned *control_standing_learned(const struct control_standing *standing);

/* After a reset: what it leaves from may be another address by now. */
void control_standing_forget(struct control_standing *standing, struct slice egress);

/* What a receiver said, and to whom. */
void control_standing_report(struct control_standing *standing, const struct reply_report *report);
/* What a list says of an address of this egress, after each look: an address is free again only
 * after several that found nothing. */
void control_standing_listing(struct control_standing *standing, struct slice egress,
                              const struct listing *listing);
/* Names count for addresses of the open Internet only. */
void control_standing_hygiene(struct control_standing *standing, struct slice egress,
                              const struct hygiene *hygiene);
/* Learns the faults of egresses from a table that was just made, and puts bars, shares and
 * standings into it. */
void control_standing_advise(struct control_standing *standing, struct advice *advice);

/* The core, for lists that found something and for reports; who changes it calls
 * control_standing_touched(). */
struct standing *control_standing_core(struct control_standing *standing);
void control_standing_touched(struct control_standing *standing);
/* Now, instead of with the next tick, and on the disk when it returns. False: not written. */
bool control_standing_save_now(struct control_standing *standing);

#endif
