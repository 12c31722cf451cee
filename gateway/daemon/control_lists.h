/*
 * daemon/control_lists — what the world holds against our egress addresses, in control
 *
 *   From a configuration: which addresses are ours (those of local egresses, and the `source` of
 *   those behind a proxy), which lists and feeds to watch, which names to check. Runs them
 *   (reputation/run_dnsbl.h, run_feeds.h, run_hygiene.h), logs what changes as events `listing`,
 *   `hygiene` and `reputation_alarm`, and tells whoever listens.
 *
 *   An egress without an address of its own leaves by the system's choice, which may be behind a
 *   translation: nothing is known to ask about, and that is logged once (`egress_not_watched`).
 *
 * Everything runs on control's loop. Hooks run from the loop; they must not configure or free.
 */
#ifndef WAYPOST_DAEMON_CONTROL_LISTS_H
#define WAYPOST_DAEMON_CONTROL_LISTS_H

#include "gateway/admin/web.h"
#include "policies/policies.h"
#include "reputation/hygiene.h"
#include "reputation/listing.h"

struct control_lists;

/* Once for each egress that has the address. Any may be NULL. */
struct control_lists_hooks {
    /* After every look that bears the state out, whether `changed` or only repeated: a few times
     * an hour at the least. */
    void (*listing)(void *arg, struct slice egress, const struct listing *listing);
    /* After every check, hourly or so. */
    void (*hygiene)(void *arg, struct slice egress, const struct hygiene *hygiene);
    /* Something is wrong with a list itself, or that is over; `text` is "" when nothing was. */
    void (*fault)(void *arg, struct slice source, enum list_fault fault, const char *text);
    void *arg;
};

struct control_lists *control_lists_new(struct loop *loop, const struct control_lists_hooks *hooks);
void control_lists_free(struct control_lists **lists);

/* At the start and after each reload. Takes a reference. */
void control_lists_configure(struct control_lists *lists, struct policies *policies);
/* MSG_FEED: its content, and a descriptor that is taken over (-1: none). */
void control_lists_feed(struct control_lists *lists, struct slice message, int fd);
/* What was believed before this process began is no news. */
void control_lists_believed(struct control_lists *lists, struct slice source,
                            const struct addr *address, bool many);
/* Ask more often about this address. */
void control_lists_suspect(struct control_lists *lists, const struct addr *address, bool suspect);
/* A row, a JSON object, for each address and list, and for the names of each address; of egresses
 * that match the glob (NULL: all). */
void control_lists_rows(struct control_lists *lists, const char *glob, web_row_fn *row, void *to);

#endif
