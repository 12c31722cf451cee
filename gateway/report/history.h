/*
 * report/history — the figures and events of every path and address, on disk, asked for reports
 *
 *   A thread of its own owns the database (report/store.h): a slow disk holds up neither probes
 *   nor answers. The figures of a minute are one transaction. What the thread cannot keep up with
 *   is dropped and counted: history is worth less than everything else here.
 *
 * Ownership: history_row() and history_event() copy. Questions are answered on the loop, never
 *            from inside the call; those still open are answered from inside history_free().
 * Errors:    a damaged database is set aside and a new one begun (a warning in the log); a full
 *            disk loses history and nothing else. Without a usable folder questions answer RC_IO.
 */
#ifndef WAYPOST_REPORT_HISTORY_H
#define WAYPOST_REPORT_HISTORY_H

#include "gateway/base/buf.h"
#include "gateway/base/rc.h"
#include "gateway/io/loop.h"
#include "gateway/report/standing_rows.h"
#include "probes/links.h"

enum { HISTORY_ROWS_MAX = 16384 }; /* of one minute; those beyond are dropped */

struct history;

/* `folder` exists. Opens the database in the background. */
struct history *history_new(struct loop *loop, const char *folder, int64_t keep_ms);
void history_free(struct history **history); /* what was recorded is written first */
void history_set_keep(struct history *history, int64_t keep_ms);

/* The minute of the wall clock that has just ended: begun, a row for each path with a sample in it,
 * written as a whole. history_row() can be links_minutes()'s callback. */
struct history_minute;
struct history_minute *history_begin(struct history *history, int64_t at_ms);
void history_row(void *minute, const struct links_minute *row);
void history_write(struct history_minute **minute);

void history_event(struct history *history, int64_t at_ms, const struct links_event *event);
void history_standing(struct history *history, int64_t at_ms, const struct standing_note *note);
uint64_t history_dropped(const struct history *history); /* rows and events, since the start */

enum history_what {
    HISTORY_LINKS,    /* one line a path: the figures of the whole time asked for */
    HISTORY_SERIES,   /* one line a span of one path */
    HISTORY_EVENTS,   /* one line an event, newest first */
    HISTORY_STANDING, /* one line a change of states and listings, newest first */
    HISTORY_POINTS    /* one line a change of the points or state of one address */
};

struct history_question {
    enum history_what what;
    int64_t now_ms, since_ms;             /* wall clock: from since_ms to now_ms */
    struct slice egress, carrier, region; /* globs; empty: any. SERIES, POINTS: exact */
    struct slice address;                 /* POINTS: exact */
    unsigned limit;                       /* EVENTS, STANDING: most lines */
};

/* `lines`: JSON objects, each with a line break; may be emptied, not kept. `err` is set unless
 * RC_OK. */
typedef void history_answer_fn(void *arg, enum rc rc, struct buf *lines, const struct err *err);
void history_ask(struct history *history, const struct history_question *question,
                 history_answer_fn *answer, void *arg);

#endif
