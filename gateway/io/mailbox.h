/*
 * io/mailbox — messages into a thread, from any thread, without locks
 *
 *   A mail is embedded in what it carries; from mailbox_post() until its handler begins it
 *   belongs to the mailbox. Handlers run on the receiving thread, in order per sender, and may
 *   free the mail or post it again. Posting never blocks and costs one compare-and-swap; the
 *   eventfd is written only when the receiver may be asleep.
 *
 *   A loop drains its own mailbox (loop_mailbox). A thread without a loop (the committer,
 *   readers) takes chains: while ((m = mailbox_take(mb)) or mailbox_wait(mb)).
 */
#ifndef WAYPOST_IO_MAILBOX_H
#define WAYPOST_IO_MAILBOX_H

#include <stdbool.h>
#include <stdint.h>

struct mail {
    struct mail *next;             /* the mailbox's while posted; chain link after mailbox_take() */
    void (*fn)(struct mail *mail); /* may be NULL when the receiver uses mailbox_take() */
};

struct mailbox;

struct mailbox *mailbox_new(void);
void mailbox_free(struct mailbox **mb); /* mails still inside are not handled: drain first */

void mailbox_post(struct mailbox *mb, struct mail *mail); /* any thread */

/* Receiving thread only. */
bool mailbox_drain(struct mailbox *mb); /* runs the handlers of what is there; false: nothing */
struct mail *mailbox_take(struct mailbox *mb); /* all that is there, oldest first; NULL: nothing */
void mailbox_wait(struct mailbox *mb, int64_t timeout_ms); /* until a mail comes; <0 no limit */

/* For a receiver that sleeps in its own poll: announce it (false: mail is waiting, do not sleep),
 * watch the fd, and call mailbox_awake() when it was readable. */
bool mailbox_sleep(struct mailbox *mb);
int mailbox_fd(const struct mailbox *mb);
void mailbox_awake(struct mailbox *mb);

#endif
