/*
 * daemon/relay_links — the relay's end of what is known about paths
 *
 *   Observations come in from the workers by mailbox and go out to control, when it is connected
 *   (the verb `links` of the relay's admin socket). Advice comes back and goes to every worker by
 *   mailbox: one pointer. Nothing waits for anything: a worker finds no free batch, or control
 *   reads too slowly, and observations are lost and counted; a new table replaces one that a worker
 *   has not taken yet. Without control the last table stays.
 *
 *   Runs on the relay's main thread but for relay_links_observe().
 */
#ifndef WAYPOST_DAEMON_RELAY_LINKS_H
#define WAYPOST_DAEMON_RELAY_LINKS_H

#include "gateway/admin/server.h"
#include "gateway/daemon/link_frame.h"
#include "gateway/daemon/relay_letters.h"
#include "gateway/delivery/observe.h"
#include "gateway/delivery/tally.h"
#include "gateway/report/delivery_log.h"
#include "policies/advice.h"

struct relay_links;
struct link_outbox; /* a worker's way to the main thread */

/* How a worker takes advice; on its thread, with a reference that is now its own. */
typedef void link_advise_fn(void *worker, struct advice *advice);

/* `log` is for the lines that control asks for. `folder`: where the last table is kept, so that an
 * egress that was barred stays so when the relay begins before control speaks; NULL: nowhere. */
struct relay_links *relay_links_new(struct loop *loop, unsigned workers, struct delivery_log *log,
                                    const char *folder);
/* Gives the workers the table that was kept, too old to choose by. Before they run. */
void relay_links_resume(struct relay_links *links);
void relay_links_free(struct relay_links **links); /* the workers have stopped */

/* Before the workers run. */
struct link_outbox *relay_links_outbox(struct relay_links *links, unsigned worker);
void relay_links_worker(struct relay_links *links, unsigned worker, struct mailbox *box,
                        link_advise_fn *advise, link_letter_fn *letter, void *arg);

/* An observe_sink_fn; `outbox` is the worker's. On its thread. */
void relay_links_observe(void *outbox, const struct observation *at, unsigned n);

/* A tally_sink_fn; the same. */
void relay_links_report(void *outbox, const struct reply_report *at, unsigned n);

/* Of the lines that control asked for. */
const struct counters *relay_links_counters(const struct relay_links *links);

/* The verb `links`: takes the call over, instead of the one before. */
void relay_links_serve(struct relay_links *links, struct call *call);
void relay_links_hang_up(struct relay_links *links); /* before the admin server goes */

/* The table in force; NULL: none yet. Valid until the loop turns. */
const struct advice *relay_links_advice(const struct relay_links *links);

#endif
