/*
 * spool/db — RocksDB, wrapped once: options, open and close, reading, writing, errors
 *
 *   The local engine keeps two stores. `main` has the items, inline bodies and manifests: small,
 *   logged (WAL), every promise is kept there. `bulk` has the chunks of large bodies: not logged,
 *   flushed before their message is committed, so that a large body is written once; apart from
 *   main so that its bursts never stall a commit.
 *
 *   A store that cannot be written (the disk is full, or read-only) is opened for reading: its log
 *   is replayed into memory, nothing is written.
 *
 *   RocksDB's text log is not on the spool's disk when the caller names a folder for it. Debian's
 *   build asserts when it appends to a text log that failed to take the line before: a full disk
 *   would end the process in the act of telling so.
 *
 *   Threads: db_write() of one store from one thread at a time. Reads from any thread. Every thread
 *   but the owner takes db_lock() around its calls; db_reopen() (owner only) waits for them.
 */
#ifndef WAYPOST_SPOOL_DB_H
#define WAYPOST_SPOOL_DB_H

#include <pthread.h>
#include <stdbool.h>

#include <rocksdb/c.h>

#include "gateway/base/rc.h"
#include "gateway/spool/record.h"

enum db_kind { DB_MAIN, DB_BULK };
enum db_mode { DB_WRITABLE, DB_READ_ONLY };

struct db_conf {
    enum db_kind kind;
    const char *path;
    const char *text_dir;           /* of the text log; NULL: in path */
    const struct spool_tier *tiers; /* paths of sorted files; main only */
    unsigned tier_count;
};

struct db {
    enum db_kind kind;
    enum db_mode mode;
    char *path, *text_dir;
    struct spool_tier *tiers; /* owned */
    unsigned tier_count;

    rocksdb_t *db; /* NULL while closed */
    rocksdb_column_family_handle_t *cf[FAMILY_COUNT];
    rocksdb_cache_t *cache;
    rocksdb_writeoptions_t *write_sync, *write_plain;
    rocksdb_readoptions_t *read, *read_scan;
    pthread_rwlock_t lock;
};

enum db_sync { DB_SYNC, DB_NO_SYNC };

/* Makes the folder when it is missing. *db is zeroed memory before. */
enum rc db_open(struct db *db, const struct db_conf *conf, enum db_mode mode, struct err *err);
void db_close(struct db *db); /* flushes what can be; harmless on zeroed memory */
/* Closes and opens again, with recovery from the log: after a write error, what the store has in
 * memory and what is on disk may differ. A store that cannot be opened for writing is opened for
 * reading, if that can be, and the error is told all the same. */
enum rc db_reopen(struct db *db, enum db_mode mode, struct err *err);

void db_lock(struct db *db); /* shared */
void db_unlock(struct db *db);

enum rc db_write(struct db *db, rocksdb_writebatch_t *batch, enum db_sync sync, struct err *err);
enum rc db_sync_log(struct db *db, struct err *err); /* what was written without DB_SYNC */
enum rc db_flush(struct db *db, enum family family, struct err *err);

/* RC_NOT_FOUND, RC_CORRUPT, RC_IO; *value_r is to be freed with rocksdb_free(). */
enum rc db_get(struct db *db, enum family family, struct slice key, char **value_r, size_t *len_r,
               struct err *err);
enum rc db_put(struct db *db, enum family family, struct slice key, struct slice value,
               struct err *err);                                /* DB_SYNC */
rocksdb_iterator_t *db_iter(struct db *db, enum family family); /* no caching of what it reads */
enum rc db_iter_error(rocksdb_iterator_t *it, struct err *err); /* RC_OK: just at its end */
/* Drops from the files what was deleted between the two keys. */
void db_compact(struct db *db, enum family family, struct slice from, struct slice to);

/* db_options.c */
rocksdb_options_t *db_options(const struct db *db, enum family family);

#endif
