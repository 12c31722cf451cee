/*
 * spool/db — see db.h
 */
#include "gateway/spool/db.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/folder.h"
#include "gateway/base/mem.h"

enum { BLOCK_CACHE = 8 << 20, SCAN_READAHEAD = 1 << 20 };

/* Takes RocksDB's error text; NULL is success. */
static enum rc db_error(char *text, struct err *err)
{
    if (!text)
        return RC_OK;
    bool corrupt = strncmp(text, "Corruption", 10) == 0;
    err_set(err, corrupt ? RC_CORRUPT : RC_IO, "%s", text);
    rocksdb_free(text);
    return corrupt ? RC_CORRUPT : RC_IO;
}

static enum rc make_dir(const char *path, struct err *err)
{
    if (folder_make(path, 0700) < 0 && errno != EEXIST)
        return err_set(err, errno == EACCES ? RC_DENIED : RC_IO, "cannot make %s: %s", path,
                       strerror(errno));
    if (access(path, R_OK | W_OK | X_OK) < 0 && errno != EROFS)
        return err_set(err, errno == EACCES ? RC_DENIED : RC_IO, "no access to %s: %s", path,
                       strerror(errno));
    return RC_OK;
}

/* The families of a store; FAMILY_SYS is RocksDB's "default", which always exists. */
static int families_of(enum db_kind kind, enum family families_r[FAMILY_COUNT])
{
    int n = 0;
    families_r[n++] = FAMILY_SYS;
    if (kind == DB_BULK) {
        families_r[n++] = FAMILY_CHUNK;
    } else {
        families_r[n++] = FAMILY_ITEM;
        families_r[n++] = FAMILY_BODY;
        families_r[n++] = FAMILY_CORRUPT;
    }
    return n;
}

static enum rc open_store(struct db *db, enum db_mode mode, struct err *err)
{
    enum family families[FAMILY_COUNT];
    const char *names[FAMILY_COUNT];
    rocksdb_options_t *opened[FAMILY_COUNT];
    const rocksdb_options_t *options[FAMILY_COUNT];
    rocksdb_column_family_handle_t *handles[FAMILY_COUNT] = { NULL };
    int n = families_of(db->kind, families);
    for (int i = 0; i < n; i++) {
        names[i] = family_names[families[i]];
        options[i] = opened[i] = db_options(db, families[i]);
    }
    char *text = NULL;
    if (mode == DB_READ_ONLY)
        db->db = rocksdb_open_for_read_only_column_families(options[0], db->path, n, names, options,
                                                            handles, 0, &text);
    else
        db->db =
            rocksdb_open_column_families(options[0], db->path, n, names, options, handles, &text);
    for (int i = 0; i < n; i++)
        rocksdb_options_destroy(opened[i]);
    enum rc rc = db_error(text, err);
    if (rc != RC_OK) {
        db->db = NULL;
        return rc;
    }
    for (int i = 0; i < n; i++)
        db->cf[families[i]] = handles[i];
    db->mode = mode;
    return RC_OK;
}

static void close_store(struct db *db)
{
    if (!db->db)
        return;
    rocksdb_cancel_all_background_work(db->db, 1);
    for (int i = 0; i < FAMILY_COUNT; i++) {
        if (db->cf[i])
            rocksdb_column_family_handle_destroy(db->cf[i]);
        db->cf[i] = NULL;
    }
    rocksdb_close(db->db);
    db->db = NULL;
}

static void copy_tiers(struct db *db, const struct spool_tier *tiers, unsigned n)
{
    db->tiers = mem_array(n ? n : 1, sizeof(*db->tiers));
    db->tier_count = n;
    for (unsigned i = 0; i < n; i++)
        db->tiers[i] = (struct spool_tier){ mem_strdup(tiers[i].path), tiers[i].size };
}

enum rc db_open(struct db *db, const struct db_conf *conf, enum db_mode mode, struct err *err)
{
    db->kind = conf->kind;
    db->path = mem_strdup(conf->path);
    db->text_dir = conf->text_dir ? mem_strdup(conf->text_dir) : NULL;
    copy_tiers(db, conf->tiers, conf->tier_count);
    pthread_rwlock_init(&db->lock, NULL);
    db->cache = rocksdb_cache_create_lru(BLOCK_CACHE);
    db->write_sync = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(db->write_sync, 1);
    db->write_plain = rocksdb_writeoptions_create();
    rocksdb_writeoptions_disable_WAL(db->write_plain, conf->kind == DB_BULK);
    db->read = rocksdb_readoptions_create();
    db->read_scan = rocksdb_readoptions_create();
    rocksdb_readoptions_set_fill_cache(db->read_scan, 0);
    rocksdb_readoptions_set_readahead_size(db->read_scan, SCAN_READAHEAD);

    enum rc rc = make_dir(db->path, err);
    for (unsigned i = 0; rc == RC_OK && i < db->tier_count; i++)
        rc = make_dir(db->tiers[i].path, err);
    return rc == RC_OK ? open_store(db, mode, err) : rc;
}

static void free_tiers(struct db *db)
{
    for (unsigned i = 0; i < db->tier_count; i++)
        free((char *)(uintptr_t)db->tiers[i].path);
    free(db->tiers);
}

void db_close(struct db *db)
{
    if (!db->path)
        return;
    close_store(db);
    rocksdb_readoptions_destroy(db->read);
    rocksdb_readoptions_destroy(db->read_scan);
    rocksdb_writeoptions_destroy(db->write_sync);
    rocksdb_writeoptions_destroy(db->write_plain);
    rocksdb_cache_destroy(db->cache);
    pthread_rwlock_destroy(&db->lock);
    free_tiers(db);
    free(db->path);
    free(db->text_dir);
    *db = (struct db){ 0 };
}

enum rc db_reopen(struct db *db, enum db_mode mode, struct err *err)
{
    struct err ignored;
    pthread_rwlock_wrlock(&db->lock);
    close_store(db);
    enum rc rc = open_store(db, mode, err);
    if (rc != RC_OK && mode == DB_WRITABLE)
        (void)open_store(db, DB_READ_ONLY, &ignored);
    pthread_rwlock_unlock(&db->lock);
    return rc;
}

void db_lock(struct db *db)
{
    pthread_rwlock_rdlock(&db->lock);
}

void db_unlock(struct db *db)
{
    pthread_rwlock_unlock(&db->lock);
}

static enum rc not_open(struct err *err)
{
    return err_set(err, RC_IO, "the store is closed after an error");
}

enum rc db_write(struct db *db, rocksdb_writebatch_t *batch, enum db_sync sync, struct err *err)
{
    if (!db->db)
        return not_open(err);
    char *text = NULL;
    rocksdb_write(db->db, sync == DB_SYNC ? db->write_sync : db->write_plain, batch, &text);
    return db_error(text, err);
}

enum rc db_sync_log(struct db *db, struct err *err)
{
    if (!db->db)
        return not_open(err);
    char *text = NULL;
    rocksdb_flush_wal(db->db, 1, &text);
    return db_error(text, err);
}

enum rc db_flush(struct db *db, enum family family, struct err *err)
{
    if (!db->db)
        return not_open(err);
    char *text = NULL;
    rocksdb_flushoptions_t *options = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(options, 1);
    rocksdb_flush_cf(db->db, options, db->cf[family], &text);
    rocksdb_flushoptions_destroy(options);
    return db_error(text, err);
}

enum rc db_get(struct db *db, enum family family, struct slice key, char **value_r, size_t *len_r,
               struct err *err)
{
    *value_r = NULL;
    *len_r = 0;
    if (!db->db)
        return not_open(err);
    char *text = NULL;
    *value_r = rocksdb_get_cf(db->db, db->read, db->cf[family], key.p, key.n, len_r, &text);
    if (text)
        return db_error(text, err);
    return *value_r ? RC_OK : RC_NOT_FOUND;
}

enum rc db_put(struct db *db, enum family family, struct slice key, struct slice value,
               struct err *err)
{
    if (!db->db)
        return not_open(err);
    char *text = NULL;
    rocksdb_put_cf(db->db, db->write_sync, db->cf[family], key.p, key.n, value.p, value.n, &text);
    return db_error(text, err);
}

rocksdb_iterator_t *db_iter(struct db *db, enum family family)
{
    return db->db ? rocksdb_create_iterator_cf(db->db, db->read_scan, db->cf[family]) : NULL;
}

enum rc db_iter_error(rocksdb_iterator_t *it, struct err *err)
{
    char *text = NULL;
    rocksdb_iter_get_error(it, &text);
    return db_error(text, err);
}

void db_compact(struct db *db, enum family family, struct slice from, struct slice to)
{
    if (!db->db)
        return;
    rocksdb_compactoptions_t *options = rocksdb_compactoptions_create();
    rocksdb_compactoptions_set_exclusive_manual_compaction(options, 0);
    rocksdb_compact_range_cf_opt(db->db, db->cf[family], options, from.p, from.n, to.p, to.n);
    rocksdb_compactoptions_destroy(options);
}
