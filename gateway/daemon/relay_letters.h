/*
 * daemon/relay_letters — mail to people on its way from control into the spool
 *
 *   control ─ LETTER ─► main thread ─► a worker: stored ─► main thread ─ LETTER_FATE ─► control
 *
 *   Control keeps what it sent until it hears that it was stored. There is room for a few at once.
 *
 *   Runs on the relay's main thread but for relay_letter_done().
 */
#ifndef WAYPOST_DAEMON_RELAY_LETTERS_H
#define WAYPOST_DAEMON_RELAY_LETTERS_H

#include "gateway/daemon/link_frame.h"
#include "gateway/io/loop.h"
#include "gateway/io/mailbox.h"

struct errand; /* one letter */
struct relay_letters;

/* How a worker takes one; the texts are valid during the call. relay_letter_done() follows once,
 * then or later, on the worker's thread. */
typedef void link_letter_fn(void *worker, const struct link_letter *letter, struct errand *errand);
void relay_letter_done(struct errand *errand, enum letter_fate fate);

/* `tell` sends a frame to control, if it is there. */
struct relay_letters *relay_letters_new(struct loop *loop, void (*tell)(void *arg, struct slice),
                                        void *arg);
/* The worker has stopped, and the loop's mailbox is drained. */
void relay_letters_free(struct relay_letters **letters);
/* Whose queue takes them: it finds the worker whose destination it is. Before it runs. */
void relay_letters_worker(struct relay_letters *letters, struct mailbox *box, link_letter_fn *fn,
                          void *worker);
/* The content of a LETTER. RC_PARSE: it is none. */
enum rc relay_letters_take(struct relay_letters *letters, struct slice content);

#endif
