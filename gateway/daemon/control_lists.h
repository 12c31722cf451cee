/*
 * daemon/control_lists — what the world holds against our egress addresses, in control
 *
 *   From a configuration: which addresses are ours (those of local egresses, the `source` of those
 *   that begin elsewhere, and what was learned of the others), which lists and feeds to watch,
 *   which names to check. Runs them (reputation/run_dnsbl.h, run_feeds.h, run_hygiene.h), logs what
 *   changes as events `listing`, `hygiene` and `reputation_alarm`, and tells whoever listens.
 *
 *   An egress of which none is known yet cannot be watched, which is logged (`egress_not_watched`).
 *
 * Everything runs on control's loop. Hooks run from the loop; they must not configure or free.
 */
#ifndef WAYPOST_DAEMON_CONTROL_LISTS_H
#define WAYPOST_DAEMON_CONTROL_LISTS_H

#include "gateway/admin/web.h"
#include "policies/policies.h"
#include "reputation/hygiene.h"
#include "reputation/learned.h"
#include "reputation/listing.h"

struct control_lists;

/* Once for each egress that has the address. Any may be NULL. */
struct control_lists_hooks {
    /* After every look that bears the state out, whether `changed` or only repeated: a few times
     * an hour at the least. `counts`: it is what the list has to say of the egress; of several
     * addresses that were learned, which are judged as one, it may have another for more. */
    void (*listing)(void *arg, struct slice egress, const struct listing *listing, bool counts);
    /* After every check, hourly or so. */
    void (*hygiene)(void *arg, struct slice egress, const struct hygiene *hygiene);
    /* Something is wrong with a list itself, or that is over; `text` is "" when nothing was. */
    void (*fault)(void *arg, struct slice source, enum list_fault fault, const char *text);
    /* The addresses of an egress of which the configuration names none; how many. */
    size_t (*learned)(void *arg, struct slice egress, struct addr address_r[LEARNED_EACH]);
    void *arg;
};

struct control_lists *control_lists_new(struct loop *loop, const struct control_lists_hooks *hooks);
void control_lists_free(struct control_lists **lists);

/* At the start and after each reload. Takes a reference. */
void control_lists_configure(struct control_lists *lists, struct policies *policies);
/* More was learned. */
void control_lists_renew(struct control_lists *lists);
/* MSG_FEED: its content, and a descriptor that is taken over (-1: none). */
void control_lists_feed(struct control_lists *lists, struct slice message, int fd);
/* Whom of an egress is meant: one address, or ADDR_NONE: whatever was learned. */
struct control_lists_subject {
    struct slice egress;
    struct addr address;
};
/* What was believed before this process began is no news. */
void control_lists_believed(struct control_lists *lists,
                            const struct control_lists_subject *subject, struct slice source,
                            bool many);
/* Ask more often. */
void control_lists_suspect(struct control_lists *lists, const struct control_lists_subject *subject,
                           bool suspect);
/* A row, a JSON object, for each address and list, and for the names of each address; of egresses
 * that match the glob (NULL: all). */
void control_lists_rows(struct control_lists *lists, const char *glob, web_row_fn *row, void *to);

#endif
