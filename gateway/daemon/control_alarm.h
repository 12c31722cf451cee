/*
 * daemon/control_alarm — tells people what needs one: a webhook and mail (reputation.notify)
 *
 *   Takes what happens to our addresses and lists, lets reputation/alarm.h decide what is told and
 *   when, and tells it: JSON by POST to the webhook, and a message to the mailbox, which the relay
 *   stores and sends like any other mail: by an egress that still works.
 *
 *   A webhook that fails is tried again for a day, then given up with a line in the log
 *   (webhook.h). Mail waits here until the relay says that it has stored it. What was told, and
 *   what waits to be, is kept (alarms.bin): a restart repeats nothing and makes no room for more
 *   messages. What has not arrived is kept, too (unsent.bin): it may come twice when control or the
 *   relay dies just then.
 *
 *   Everything runs on control's loop. The inputs may be called from inside the callbacks of the
 *   core of standing: what is told of it is read later.
 */
#ifndef WAYPOST_DAEMON_CONTROL_ALARM_H
#define WAYPOST_DAEMON_CONTROL_ALARM_H

#include "gateway/daemon/control_links.h"
#include "policies/policies.h"
#include "reputation/hygiene.h"
#include "reputation/listing.h"
#include "reputation/standing.h"

struct control_alarm;

/* All must outlive it. */
struct control_alarm_env {
    struct loop *loop;
    struct control_links *links;     /* the way to the relay */
    const struct standing *standing; /* what to do about it */
    const char *folder;              /* where it keeps what was told; control may write there */
};

struct control_alarm *control_alarm_new(const struct control_alarm_env *env);
void control_alarm_free(struct control_alarm **alarm);
/* At the start and after each reload. Takes a reference. */
void control_alarm_configure(struct control_alarm *alarm, struct policies *policies);

void control_alarm_standing(struct control_alarm *alarm, const struct standing_event *event);
void control_alarm_hygiene(struct control_alarm *alarm, struct slice egress,
                           const struct hygiene *hygiene);
/* Also that nothing is wrong with it (any more), once it is known. */
void control_alarm_list(struct control_alarm *alarm, struct slice source, enum list_fault fault,
                        const char *text);
/* What was known is lost: nothing of it could be read at the start. */
void control_alarm_loss(struct control_alarm *alarm);

/* What became of the mail that the relay was given. */
void control_alarm_letter(struct control_alarm *alarm, uint64_t ticket, enum letter_fate fate);

struct control_alarm_stats {
    uint64_t messages; /* told, by whatever way */
    uint64_t lost;     /* webhooks and mail given up */
};
struct control_alarm_stats control_alarm_stats(const struct control_alarm *alarm);

#endif
