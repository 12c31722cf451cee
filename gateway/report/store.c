#include "gateway/report/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/mem.h"
#include "gateway/report/store_private.h"

enum {
    SCHEMA = 2,
    PATH_BYTES = 1024,
    MINUTE = 60 * 1000,
    BUSY_MS = 3000 /* somebody looks at it, or copies it, with tools of SQLite */
};

static const char SET_UP[] =
    "PRAGMA journal_mode=WAL;"
    "PRAGMA synchronous=NORMAL;" /* a crash may lose the last minutes, no more */
    "PRAGMA journal_size_limit=8388608;"
    "PRAGMA max_page_count=524288;" /* 2 GiB */
    "PRAGMA cache_size=-8192;"
    "PRAGMA temp_store=MEMORY;"
    "PRAGMA foreign_keys=OFF;";

static const char TABLES[] =
    "BEGIN;"
    "CREATE TABLE path(id INTEGER PRIMARY KEY, egress TEXT NOT NULL, carrier TEXT NOT NULL,"
    " region TEXT NOT NULL, UNIQUE(egress, carrier, region));"
    "CREATE TABLE span(level INTEGER NOT NULL, path INTEGER NOT NULL, at INTEGER NOT NULL,"
    " state INTEGER NOT NULL, connect BLOB, rtt REAL, loss REAL, goodput REAL, cost REAL,"
    " cost_large REAL, samples INTEGER NOT NULL, tries INTEGER NOT NULL,"
    " first_ok INTEGER NOT NULL, mails INTEGER NOT NULL, probes INTEGER NOT NULL,"
    " PRIMARY KEY(level, path, at)) WITHOUT ROWID;"
    "CREATE TABLE event(id INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind INTEGER NOT NULL,"
    " came_from TEXT, went_to TEXT, carrier TEXT, region TEXT, large INTEGER, fault INTEGER,"
    " from_ms REAL, to_ms REAL, reason TEXT);"
    "CREATE INDEX event_at ON event(at);"
    "PRAGMA user_version=1;"
    "COMMIT;";

/* Version 2 has them, 1 had not. */
static const char STANDING_TABLE[] =
    "BEGIN;"
    "CREATE TABLE standing(id INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind INTEGER NOT NULL,"
    " egress TEXT, address TEXT, party TEXT, came_from TEXT, went_to TEXT, reason TEXT,"
    " points REAL);"
    "CREATE INDEX standing_at ON standing(at);"
    "PRAGMA user_version=2;"
    "COMMIT;";

const struct store_level store_levels[STORE_LEVELS] = {
    { MINUTE, (int64_t)48 * 60 * MINUTE },
    { 5 * MINUTE, (int64_t)14 * 24 * 60 * MINUTE },
    { 60 * MINUTE, INT64_MAX },
};

enum rc store_error(struct store *s, int code, struct err *err)
{
    const char *text = s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(code);
    switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_SCHEMA:
        return err_set(err, RC_CORRUPT, "%s", text);
    case SQLITE_FULL:
        return err_set(err, RC_LIMIT, "%s", text);
    default:
        return err_set(err, RC_IO, "%s", text);
    }
}

enum rc store_run(struct store *s, const char *sql, struct err *err)
{
    int code = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? RC_OK : store_error(s, code, err);
}

enum rc store_prepare(struct store *s, const char *sql, sqlite3_stmt **stmt_r, struct err *err)
{
    int code = sqlite3_prepare_v2(s->db, sql, -1, stmt_r, NULL);
    return code == SQLITE_OK ? RC_OK : store_error(s, code, err);
}

bool store_step(sqlite3_stmt *stmt)
{
    return sqlite3_step(stmt) == SQLITE_ROW;
}

enum rc store_finish(struct store *s, sqlite3_stmt **stmt, struct err *err)
{
    int code = sqlite3_finalize(*stmt);
    *stmt = NULL;
    return code == SQLITE_OK ? RC_OK : store_error(s, code, err);
}

void store_bind_text(sqlite3_stmt *stmt, int at, struct slice text)
{
    sqlite3_bind_text(stmt, at, text.n ? text.p : "", (int)text.n, SQLITE_STATIC);
}

void store_bind_known(sqlite3_stmt *stmt, int at, double value)
{
    if (value > 0)
        sqlite3_bind_double(stmt, at, value);
    else
        sqlite3_bind_null(stmt, at);
}

void store_forget_paths(struct store *s)
{
    map_free(&s->paths, free);
    s->paths = map_new();
}

/* ---- opening ---- */

static int64_t value_of(struct store *s, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    int64_t value = -1;
    struct err err;
    if (store_prepare(s, sql, &stmt, &err) == RC_OK && store_step(stmt))
        value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

static enum rc check(struct store *s, struct err *err)
{
    sqlite3_stmt *stmt = NULL;
    enum rc rc = store_prepare(s, "PRAGMA quick_check(1)", &stmt, err);
    if (rc != RC_OK)
        return rc;
    bool ok = store_step(stmt) && strcmp((const char *)sqlite3_column_text(stmt, 0), "ok") == 0;
    sqlite3_finalize(stmt);
    return ok ? RC_OK : err_set(err, RC_CORRUPT, "the check of the database found damage");
}

static enum rc set_up(struct store *s, struct err *err)
{
    enum rc rc = store_run(s, SET_UP, err);
    int code = rc == RC_OK ? store_add_spread(s->db) : SQLITE_OK;
    if (code != SQLITE_OK)
        return store_error(s, code, err);
    if (rc != RC_OK)
        return rc;
    int64_t version = value_of(s, "PRAGMA user_version");
    if (version == 0)
        rc = store_run(s, TABLES, err);
    if (rc == RC_OK && (version == 0 || version == 1))
        return store_run(s, STANDING_TABLE, err);
    if (rc != RC_OK)
        return rc;
    if (version != SCHEMA)
        return err_set(err, RC_CORRUPT, "the database is of another version, %lld",
                       (long long)version);
    return check(s, err);
}

static enum rc name_of(const char *folder, const char *suffix, char path[PATH_BYTES],
                       struct err *err)
{
    if ((size_t)snprintf(path, PATH_BYTES, "%s/links.db%s", folder, suffix) >= PATH_BYTES)
        return err_set(err, RC_LIMIT, "path too long: %.100s", folder);
    return RC_OK;
}

/* 0: there is none. */
static ino_t inode_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_ino : 0;
}

static void remember_files(struct store *s)
{
    const char *path = sqlite3_db_filename(s->db, "main");
    s->inode = inode_of(path);
    s->wal_inode = inode_of(sqlite3_filename_wal(path));
}

bool store_is_there(const struct store *s)
{
    return inode_of(sqlite3_db_filename(s->db, "main")) == s->inode;
}

enum rc store_open(const char *folder, struct store **store_r, struct err *err)
{
    char path[PATH_BYTES];
    struct store *s = mem_zero(sizeof *s);
    s->paths = map_new();
    enum rc rc = name_of(folder, "", path, err);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int code = rc == RC_OK ? sqlite3_open_v2(path, &s->db, flags, NULL) : SQLITE_OK;
    if (s->db)
        sqlite3_busy_timeout(s->db, BUSY_MS);
    if (code != SQLITE_OK)
        rc = store_error(s, code, err);
    if (rc == RC_OK)
        rc = set_up(s, err);
    if (rc == RC_OK) {
        remember_files(s);
        *store_r = s;
        s = NULL;
    }
    store_close(&s);
    return rc;
}

void store_close(struct store **s_p)
{
    struct store *s = *s_p;
    if (!s)
        return;
    sqlite3_close(s->db);
    map_free(&s->paths, free);
    free(s);
    *s_p = NULL;
}

void store_leave(struct store **s_p)
{
    char wal[PATH_BYTES], shm[PATH_BYTES];
    const char *path = sqlite3_db_filename((*s_p)->db, "main");
    ino_t mine = (*s_p)->wal_inode;
    bool fits = (size_t)snprintf(wal, sizeof wal, "%s-wal", path) < sizeof wal &&
                (size_t)snprintf(shm, sizeof shm, "%s-shm", path) < sizeof shm;
    store_close(s_p);
    if (fits && mine && inode_of(wal) == mine) {
        unlink(wal);
        unlink(shm);
    }
}

enum rc store_set_aside(const char *folder, struct err *err)
{
    static const char *const helpers[] = { "-wal", "-shm" };
    char from[PATH_BYTES], to[PATH_BYTES];
    enum rc rc = name_of(folder, "", from, err);
    if (rc == RC_OK)
        rc = name_of(folder, ".damaged", to, err);
    if (rc == RC_OK && rename(from, to) != 0)
        rc = err_set(err, RC_IO, "%s cannot be renamed", from);
    for (size_t i = 0; rc == RC_OK && i < 2; i++) {
        rc = name_of(folder, helpers[i], from, err);
        if (rc == RC_OK)
            unlink(from); /* they would be taken for the new one's */
    }
    return rc;
}
