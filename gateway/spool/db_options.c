/*
 * spool/db_options — how RocksDB is set up, and why (measured: docs/SPOOL.md)
 *
 *   - Recovery skips a damaged record of the log and goes on: our batches are independent of each
 *     other, and one bad sector must not take the mail behind it along. (This rules nothing out
 *     that we use: a log is never reused for another one.)
 *   - Mail that is delivered at once is put and deleted within one memtable and never reaches a
 *     sorted file; write buffers are just large enough for that.
 *   - Bodies do not compress well enough to pay for it on this path, and sealed ones not at all.
 *   - Chunks lie in blob files: a compaction moves references, never the bodies.
 */
#include "gateway/spool/db.h"

enum {
    MIB = 1 << 20,
    ITEM_BUFFER = 8 * MIB,
    BODY_BUFFER = 16 * MIB,
    CHUNK_BUFFER = 32 * MIB, /* never filled: the chunk thread flushes earlier */
    LOG_TOTAL = 96 * MIB,    /* bounds the replay at start */
    OPEN_FILES = 400,
    BLOCK = 16 * 1024
};

static void set_common(rocksdb_options_t *o, const struct db *db)
{
    rocksdb_options_set_create_if_missing(o, 1);
    rocksdb_options_set_create_missing_column_families(o, 1);
    /* main: a damaged block is set aside, not a full stop; bulk: a failed flush must show */
    rocksdb_options_set_paranoid_checks(o, db->kind == DB_BULK);
    rocksdb_options_set_wal_recovery_mode(o, rocksdb_skip_any_corrupted_records_recovery);
    rocksdb_options_set_max_total_wal_size(o, LOG_TOTAL);
    rocksdb_options_set_max_background_jobs(o, 2);
    rocksdb_options_set_max_open_files(o, OPEN_FILES);
    rocksdb_options_set_bytes_per_sync(o, MIB);
    rocksdb_options_set_stats_dump_period_sec(o, 0);
    rocksdb_options_set_stats_persist_period_sec(o, 0);
    rocksdb_options_set_skip_stats_update_on_db_open(o, 1);
    rocksdb_options_set_info_log_level(o, 2); /* warnings: local_wal.c reads them */
    if (db->text_dir)
        rocksdb_options_set_db_log_dir(o, db->text_dir);
    rocksdb_options_set_keep_log_file_num(o, 3);
    rocksdb_options_set_max_log_file_size(o, 4 * MIB);
    rocksdb_options_set_compression(o, rocksdb_no_compression);
    rocksdb_options_set_max_manifest_file_size(o, 16 * MIB);
    rocksdb_options_set_allow_concurrent_memtable_write(o, 0); /* one writer */
    rocksdb_options_set_enable_write_thread_adaptive_yield(o, 0);

    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_block_size(table, BLOCK);
    rocksdb_block_based_options_set_block_cache(table, db->cache);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1);
    rocksdb_block_based_options_set_format_version(table, 5);
    rocksdb_options_set_block_based_table_factory(o, table);
    rocksdb_block_based_options_destroy(table);
}

static void set_paths(rocksdb_options_t *o, const struct db *db)
{
    rocksdb_dbpath_t *paths[SPOOL_TIERS_MAX];
    const rocksdb_dbpath_t *list[SPOOL_TIERS_MAX];
    unsigned n = db->tier_count;
    if (n == 0)
        return;
    for (unsigned i = 0; i < n; i++) {
        uint64_t size = db->tiers[i].size ? db->tiers[i].size : UINT64_MAX;
        list[i] = paths[i] = rocksdb_dbpath_create(db->tiers[i].path, size);
    }
    rocksdb_options_set_db_paths(o, list, n);
    for (unsigned i = 0; i < n; i++)
        rocksdb_dbpath_destroy(paths[i]);
}

static void set_chunk_family(rocksdb_options_t *o)
{
    rocksdb_options_set_write_buffer_size(o, CHUNK_BUFFER);
    rocksdb_options_set_max_write_buffer_number(o, 3);
    rocksdb_options_set_enable_blob_files(o, 1);
    rocksdb_options_set_min_blob_size(o, 1024);
    rocksdb_options_set_blob_file_size(o, 256 * MIB);
    rocksdb_options_set_level0_slowdown_writes_trigger(o, 1000);
    rocksdb_options_set_level0_stop_writes_trigger(o, 2000);
}

rocksdb_options_t *db_options(const struct db *db, enum family family)
{
    rocksdb_options_t *o = rocksdb_options_create();
    set_common(o, db);
    set_paths(o, db);
    rocksdb_options_set_max_write_buffer_number(o, 3);
    if (family == FAMILY_CHUNK)
        set_chunk_family(o);
    else
        rocksdb_options_set_write_buffer_size(o, family == FAMILY_BODY ? BODY_BUFFER : ITEM_BUFFER);
    return o;
}
