/*
 * daemon/control_lists_private — what the files of control_lists share
 *
 *   control_lists.c         runs the watches and tells of changes
 *   control_lists_report.c  the rows of `waypost report reputation`
 */
#ifndef WAYPOST_DAEMON_CONTROL_LISTS_PRIVATE_H
#define WAYPOST_DAEMON_CONTROL_LISTS_PRIVATE_H

#include "gateway/daemon/control_lists.h"
#include "reputation/run_dnsbl.h"
#include "reputation/run_feeds.h"
#include "reputation/run_hygiene.h"

/* An address and an egress that has it. */
struct owned {
    struct addr address;
    const struct conf_egress *egress;
    bool learned;           /* no configuration names it */
    struct hygiene hygiene; /* as of the last check */
    int64_t checked_ms;     /* 0: none yet */
};

struct control_lists {
    struct loop *loop;
    struct control_lists_hooks hooks;
    struct policies *policies; /* NULL: not configured yet */
    struct owned *owned;
    size_t owned_n;
    struct run_dnsbl *dnsbl;
    struct run_feeds *feeds;
    struct run_hygiene *hygiene; /* NULL: no name server */
    struct resolver *resolver;
    struct fetcher *fetcher;
};

#endif
