/*
 * daemon/control_links — the watch over all paths, in control: what goes in, what comes out
 *
 *   Owns the link core (probes/links.h), the line to the relay (control_line.h), the probe runners
 *   and the groups of addresses (geo). Observations of the relay and of the probes go into the
 *   core; advice goes to the relay; switches and egress faults go to the relay's delivery log and
 *   to whoever listens here.
 *
 *   Everything runs on control's loop. What is known is written every 10 s and at the end
 *   (links.bin), and is there again after a restart, aged by the time between; when it is
 *   damaged, as of the copy before (keeper.h). A reload keeps what is known of egresses that keep
 *   their name.
 */
#ifndef WAYPOST_DAEMON_CONTROL_LINKS_H
#define WAYPOST_DAEMON_CONTROL_LINKS_H

#include "gateway/daemon/link_frame.h"
#include "gateway/geo/group.h"
#include "gateway/io/loop.h"
#include "policies/policies.h"
#include "probes/links.h"

struct control_links;

struct control_links_env {
    struct loop *loop;
    const char *relay_path; /* the relay's admin socket */
    const char *folder;     /* where it keeps what it knows; control may write there */
    /* Every event of the core, for the history; from inside its tick: copy and return. May be
     * NULL. */
    void (*event)(void *arg, const struct links_event *event);
    /* What else belongs into a table before it is sent, and what the relay says of receivers. */
    void (*advise)(void *arg, struct advice *advice);
    void (*report)(void *arg, const struct reply_report *report);
    /* What became of the letter that was handed over last. */
    void (*letter)(void *arg, uint64_t ticket, enum letter_fate fate);
    void *arg;
};

struct control_links *control_links_new(const struct control_links_env *env);
void control_links_free(struct control_links **links);

/* At the start and after each reload: before that nothing is watched. control_links_use_geo()
 * follows. Takes a reference. */
void control_links_configure(struct control_links *links, struct policies *policies);
/* A new table is wanted soon. */
void control_links_renew(struct control_links *links);
/* A line in the relay's delivery log. */
void control_links_note(struct control_links *links, const struct link_note *note);
/* Mail to a person, by the relay; its fate follows (env.letter). False: it does not answer now, or
 * one is under way. */
bool control_links_letter(struct control_links *links, const struct link_letter *letter);
/* Another state of the databases, or of the tables of a configuration; takes a reference. NULL:
 * none, every address is "other". */
void control_links_use_geo(struct control_links *links, struct geo *geo);

/* ---- for history, reports and the web page; on control's loop ---- */

const struct policies *control_links_policies(const struct control_links *links); /* NULL: none */
/* The core itself: links_minutes() is called by whoever keeps the history. */
struct links *control_links_core(struct control_links *links);
/* The table that was sent last: every path and group as of then, 10 s old at most. NULL: none yet.
 * Valid until the loop turns; keep it with advice_ref(). */
struct advice *control_links_advice(const struct control_links *links);

struct control_links_stats {
    uint64_t observations;                          /* that came from the relay */
    uint64_t lost;                                  /* observations that the relay had to drop */
    uint64_t probes, failed_probes, refused_probes; /* done; of those failed; no room for */
    uint64_t tables;                                /* advice sent */
    bool relay_open;                                /* the line to the relay stands */
};
void control_links_get_stats(const struct control_links *links,
                             struct control_links_stats *stats_r);

#endif
