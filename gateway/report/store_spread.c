/*
 * report/store_spread — spreads in SQL
 *
 *   spread_merge(blob) adds those of a group together; spread_quantile(blob, q) is a number. What
 *   cannot be read as a spread counts as none.
 */
#include "gateway/report/store_private.h"
#include "probes/spread.h"

static bool read_spread(sqlite3_value *value, struct spread *spread_r)
{
    struct slice bytes = { sqlite3_value_blob(value), (size_t)sqlite3_value_bytes(value) };
    return bytes.n > 0 && spread_unpack(bytes, spread_r) == RC_OK;
}

static void merge_step(sqlite3_context *context, int n, sqlite3_value **values)
{
    struct spread one, *all = sqlite3_aggregate_context(context, sizeof *all);
    (void)n;
    if (all && read_spread(values[0], &one))
        spread_merge(all, &one);
}

static void merge_final(sqlite3_context *context)
{
    struct spread *all = sqlite3_aggregate_context(context, 0);
    struct buf packed;
    if (!all || !all->used) {
        sqlite3_result_null(context);
        return;
    }
    buf_init(&packed, SPREAD_PACKED_MAX);
    spread_pack(all, &packed);
    sqlite3_result_blob(context, buf_slice(&packed).p, (int)buf_len(&packed), SQLITE_TRANSIENT);
    buf_free(&packed);
}

static void quantile(sqlite3_context *context, int n, sqlite3_value **values)
{
    struct spread spread;
    (void)n;
    if (read_spread(values[0], &spread) && spread.used)
        sqlite3_result_double(context, spread_quantile(&spread, sqlite3_value_double(values[1])));
    else
        sqlite3_result_null(context);
}

int store_add_spread(sqlite3 *db)
{
    int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC;
    int code =
        sqlite3_create_function(db, "spread_merge", 1, flags, NULL, NULL, merge_step, merge_final);
    if (code != SQLITE_OK)
        return code;
    return sqlite3_create_function(db, "spread_quantile", 2, flags, NULL, quantile, NULL, NULL);
}
