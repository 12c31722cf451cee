/*
 * report/store_private — what the files of the store share
 *
 *   store.c         opening, the schema, errors
 *   store_spread.c  spreads in SQL: merged and asked for percentiles
 *   store_write.c   minutes, roll-ups, events, pruning
 *   store_read.c    questions
 *
 *   SQLite's result codes end here: each function says enum rc, its text comes from the database.
 */
#ifndef WAYPOST_REPORT_STORE_PRIVATE_H
#define WAYPOST_REPORT_STORE_PRIVATE_H

#include <sqlite3.h>
#include <sys/stat.h>

#include "gateway/base/map.h"
#include "gateway/report/store.h"

struct store {
    sqlite3 *db;
    ino_t inode, wal_inode; /* of the files it was opened as; 0: none */
    struct map *paths; /* "egress carrier region", each ended by a NUL, to its id, an int64_t */
};

struct store_level {
    int64_t span_ms;
    int64_t keep_ms; /* INT64_MAX: as long as history is kept */
};
extern const struct store_level store_levels[STORE_LEVELS];

void store_forget_paths(struct store *store);
enum rc store_error(struct store *store, int code, struct err *err);
/* Runs statements without values and without rows. */
enum rc store_run(struct store *store, const char *sql, struct err *err);
/* *stmt_r: to be finished by store_finish(). */
enum rc store_prepare(struct store *store, const char *sql, sqlite3_stmt **stmt_r, struct err *err);
/* True: a row is there. */
bool store_step(sqlite3_stmt *stmt);
/* RC_OK when all steps went well; frees the statement. */
enum rc store_finish(struct store *store, sqlite3_stmt **stmt, struct err *err);

void store_bind_text(sqlite3_stmt *stmt, int at, struct slice text); /* must outlive the steps */
void store_bind_known(sqlite3_stmt *stmt, int at, double value);     /* not above 0: NULL */

/* spread_merge(blob) aggregate, spread_quantile(blob, q). */
int store_add_spread(sqlite3 *db);

#endif
