/*
 * report/store — the database of history: <folder>/links.db, SQLite in WAL mode
 *
 *   Three levels of one table: a row a path and minute, kept two days; five minutes, two weeks;
 *   an hour, as long as history is kept. The five minutes and the hour under way are brought up to
 *   date with each minute, so no level ends before now. Events have a table of their own,
 *   and so has what happened to our addresses.
 *
 *   Synchronous, for one thread (report/history). Time comes from the caller.
 *
 * Errors: RC_CORRUPT: close, store_set_aside(), open anew. RC_LIMIT: the disk is full, or the
 *         database as large as it may be; what was to be written is dropped, nothing else. RC_IO
 *         else. A store_minute() that fails has written nothing.
 */
#ifndef WAYPOST_REPORT_STORE_H
#define WAYPOST_REPORT_STORE_H

#include "gateway/report/history.h"

enum { STORE_LEVELS = 3, STORE_LINES_MAX = 64 << 20, STORE_EVENTS_MAX = 200000 };

struct store;

/* RC_CORRUPT also for a database that a later version has written. */
enum rc store_open(const char *folder, struct store **store_r, struct err *err);
void store_close(struct store **store);
/* Is the file that was opened still there by its name? False: it was removed or replaced; what is
 * written from now on would be lost. */
bool store_is_there(const struct store *store);
/* Closes one that is not, and removes its journal, which would be taken for that of the file that
 * stands there now. */
void store_leave(struct store **store);
/* Renames the database to links.db.damaged, over an older one of that name. */
enum rc store_set_aside(const char *folder, struct err *err);

/* A chain of rows; `connect` of each is NULL or stays valid. */
struct store_row {
    struct links_minute minute;
    struct store_row *next;
};

/* The minute that begins at at_ms (wall clock). */
enum rc store_minute(struct store *store, int64_t at_ms, const struct store_row *rows,
                     struct err *err);
enum rc store_event(struct store *store, int64_t at_ms, const struct links_event *event,
                    struct err *err);
enum rc store_standing(struct store *store, int64_t at_ms, const struct standing_note *note,
                       struct err *err);
/* Removes what is older than its level is kept, and than keep_ms; some milliseconds a call. */
enum rc store_prune(struct store *store, int64_t now_ms, int64_t keep_ms, struct err *err);

/* Appends the lines of the answer. */
enum rc store_ask(struct store *store, const struct history_question *question, struct buf *lines,
                  struct err *err);

#endif
