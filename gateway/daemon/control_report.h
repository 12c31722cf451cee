/*
 * daemon/control_report — what control shows and keeps: history, web page, metrics, reports
 *
 *   Hands what control_links knows to the history, minute by minute and event by event, and to the
 *   web (admin/web.h). Nothing the mail or the watch over the paths needs: every failure here is a
 *   line in the log.
 *
 *   Everything runs on control's loop, but for the history's own thread.
 */
#ifndef WAYPOST_DAEMON_CONTROL_REPORT_H
#define WAYPOST_DAEMON_CONTROL_REPORT_H

#include "gateway/admin/server.h"
#include "gateway/daemon/control_links.h"
#include "reputation/listing.h"
#include "reputation/standing.h"

struct control_report;
struct control_parts;

/* `folder`: of the history. Copies both texts. */
struct control_report *control_report_new(struct loop *loop, const char *relay_path,
                                          const char *folder);
/* Before the admin server goes: reports that are open are answered. */
void control_report_free(struct control_report **report);

/* From now on it looks at these parts; NULL: no more. */
void control_report_watch(struct control_report *report, const struct control_parts *parts);
/* For control_links_env; `arg` is a struct control_report. */
void control_report_event(void *arg, const struct links_event *event);
/* What happens to an address of ours. */
void control_report_standing(struct control_report *report, const struct standing_event *event);
void control_report_listing(struct control_report *report, struct slice egress,
                            const struct listing *listing);
/* After a configuration has come. */
void control_report_configure(struct control_report *report);
/* The listening socket of report.listen, taken over; -1: none. One that is served already stays
 * as it is, with its connections. */
void control_report_listen(struct control_report *report, int fd);
/* The verb `egress`. */
void control_report_egress(const struct control_report *report, struct call *call,
                           const struct request *request);
/* The verb `report`. */
void control_report_verb(struct control_report *report, struct call *call,
                         const struct request *request);

#endif
