/*
 * daemon/control_parts — the parts of control, and what each tells the others
 *
 *     relay ── observations ──► links               standing ◄── listings, names ── lists
 *       ▲  └── reports ────────────────────────────►   │
 *       └───────── advice ◄── links ◄── bars, shares ──┘          all events ──► report, alarm
 *
 *   Everything runs on control's loop.
 */
#ifndef WAYPOST_DAEMON_CONTROL_PARTS_H
#define WAYPOST_DAEMON_CONTROL_PARTS_H

#include "gateway/daemon/control_alarm.h"
#include "gateway/daemon/control_drains.h"
#include "gateway/daemon/control_links.h"
#include "gateway/daemon/control_lists.h"
#include "gateway/daemon/control_report.h"
#include "gateway/daemon/control_standing.h"
#include "gateway/io/timer.h"

struct control_parts {
    struct control_links *links; /* NULL, as all: not started */
    struct control_standing *standing;
    struct control_lists *lists;
    struct control_drains *drains;
    struct control_report *report;
    struct control_alarm *alarm;
    bool loss_told;
    struct loop *loop;
    struct timer learned; /* then the lists hear of addresses that turned out */
};

/* The struct is zeroed and stays where it is, as relay_path does. Folders: control may write
 * there. */
void control_parts_start(struct control_parts *parts, struct loop *loop, const char *relay_path,
                         const char *history, const char *reputation);
void control_parts_configure(struct control_parts *parts, struct policies *policies);
void control_parts_free(struct control_parts *parts);

#endif
