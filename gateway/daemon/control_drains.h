/*
 * daemon/control_drains — when the last transaction of an address that drains has ended
 *
 *   While an address drains, the relay is asked each second what is under way by those that are
 *   barred (admin/under_way.h). Its word counts as soon as every worker obeys a table of advice
 *   that has the bar: before that mail may still begin. Without an answer the drain takes its five
 *   minutes (reputation/standing.h).
 *
 *   Everything runs on control's loop.
 */
#ifndef WAYPOST_DAEMON_CONTROL_DRAINS_H
#define WAYPOST_DAEMON_CONTROL_DRAINS_H

#include "gateway/daemon/control_standing.h"

struct control_drains;

/* All must outlive it. */
struct control_drains *control_drains_new(struct loop *loop, const char *relay_path,
                                          struct control_standing *standing);
void control_drains_free(struct control_drains **drains);
/* After a reload: members have other indexes. */
void control_drains_configure(struct control_drains *drains);
/* A table with all bars in it is about to be sent. */
void control_drains_advise(struct control_drains *drains, const struct advice *advice);

#endif
