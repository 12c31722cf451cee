/*
 * report/store_write — minutes, roll-ups, events, pruning
 */
#include "gateway/base/mem.h"
#include "gateway/report/store_private.h"
#include "probes/spread.h"

/* ---- paths ---- */

static enum rc find_path(struct store *s, const struct links_minute *row, int64_t *id_r,
                         struct err *err)
{
    sqlite3_stmt *stmt = NULL;
    enum rc rc = store_prepare(s,
                               "INSERT INTO path(egress, carrier, region) VALUES(?1, ?2, ?3)"
                               " ON CONFLICT DO UPDATE SET egress = ?1 RETURNING id",
                               &stmt, err);
    if (rc != RC_OK)
        return rc;
    store_bind_text(stmt, 1, row->egress);
    store_bind_text(stmt, 2, row->carrier);
    store_bind_text(stmt, 3, row->region);
    if (store_step(stmt))
        *id_r = sqlite3_column_int64(stmt, 0);
    sqlite3_step(stmt);
    return store_finish(s, &stmt, err);
}

static enum rc path_id(struct store *s, const struct links_minute *row, int64_t *id_r,
                       struct err *err)
{
    struct buf key;
    buf_init(&key, 4096);
    const struct slice parts[] = { row->egress, row->carrier, row->region };
    for (size_t i = 0; i < 3; i++) {
        buf_put_slice(&key, parts[i]);
        buf_putc(&key, '\0');
    }
    enum rc rc = RC_OK;
    const int64_t *known = map_get(s->paths, buf_slice(&key));
    if (known) {
        *id_r = *known;
    } else {
        rc = find_path(s, row, id_r, err);
        if (rc == RC_OK)
            map_put(s->paths, buf_slice(&key), mem_copy(id_r, sizeof *id_r));
    }
    buf_free(&key);
    return rc;
}

/* ---- a minute ---- */

static void bind_row(sqlite3_stmt *stmt, int64_t path, const struct links_minute *row)
{
    sqlite3_bind_int64(stmt, 2, path);
    sqlite3_bind_int(stmt, 3, row->state);
    sqlite3_bind_null(stmt, 4);
    if (row->connect && row->connect->used) {
        struct buf packed;
        buf_init(&packed, SPREAD_PACKED_MAX);
        spread_pack(row->connect, &packed);
        sqlite3_bind_blob(stmt, 4, buf_slice(&packed).p, (int)buf_len(&packed), SQLITE_TRANSIENT);
        buf_free(&packed);
    }
    store_bind_known(stmt, 5, row->rtt_ms);
    sqlite3_bind_double(stmt, 6, row->loss);
    store_bind_known(stmt, 7, row->goodput);
    store_bind_known(stmt, 8, row->cost_ms);
    store_bind_known(stmt, 9, row->cost_large_ms);
    const uint32_t counts[] = { row->samples, row->tries, row->first_ok, row->mails, row->probes };
    for (int i = 0; i < 5; i++)
        sqlite3_bind_int64(stmt, 10 + i, counts[i]);
}

static enum rc insert_rows(struct store *s, int64_t at_ms, const struct store_row *rows,
                           struct err *err)
{
    sqlite3_stmt *stmt = NULL;
    enum rc rc = store_prepare(s,
                               "INSERT OR REPLACE INTO span VALUES(0, ?2, ?1, ?3, ?4, ?5, ?6, ?7,"
                               " ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
                               &stmt, err);
    if (rc == RC_OK)
        sqlite3_bind_int64(stmt, 1, at_ms);
    for (const struct store_row *row = rows; row && rc == RC_OK; row = row->next) {
        int64_t path = 0;
        rc = path_id(s, &row->minute, &path, err);
        if (rc != RC_OK)
            break;
        bind_row(stmt, path, &row->minute);
        sqlite3_step(stmt);
        int code = sqlite3_reset(stmt);
        if (code != SQLITE_OK)
            rc = store_error(s, code, err);
    }
    sqlite3_finalize(stmt);
    return rc;
}

/* Makes the span of `level` around at_ms anew from the level below. Means are weighted by what
 * they are means of; a state is the worst that was seen. */
static enum rc roll_up(struct store *s, int level, int64_t at_ms, struct err *err)
{
    sqlite3_stmt *stmt = NULL;
    int64_t span = store_levels[level].span_ms, start = at_ms - at_ms % span;
    enum rc rc = store_prepare(
        s,
        "INSERT OR REPLACE INTO span SELECT ?1, b.path, ?2, max(b.state), spread_merge(b.connect),"
        " sum(b.rtt * b.samples) / sum(CASE WHEN b.rtt IS NULL THEN 0 ELSE b.samples END),"
        " sum(b.loss * b.samples) / sum(b.samples), avg(b.goodput), avg(b.cost),"
        " avg(b.cost_large), sum(b.samples), sum(b.tries), sum(b.first_ok), sum(b.mails),"
        " sum(b.probes)"
        " FROM path CROSS JOIN span b ON b.level = ?1 - 1 AND b.path = path.id"
        " AND b.at >= ?2 AND b.at < ?3 GROUP BY b.path",
        &stmt, err);
    if (rc != RC_OK)
        return rc;
    sqlite3_bind_int(stmt, 1, level);
    sqlite3_bind_int64(stmt, 2, start);
    sqlite3_bind_int64(stmt, 3, start + span);
    sqlite3_step(stmt);
    return store_finish(s, &stmt, err);
}

enum rc store_minute(struct store *s, int64_t at_ms, const struct store_row *rows, struct err *err)
{
    struct err ignored;
    if (!rows)
        return RC_OK;
    enum rc rc = store_run(s, "BEGIN IMMEDIATE", err);
    if (rc != RC_OK)
        return rc;
    rc = insert_rows(s, at_ms, rows, err);
    for (int level = 1; level < STORE_LEVELS && rc == RC_OK; level++)
        rc = roll_up(s, level, at_ms, err);
    if (rc == RC_OK)
        rc = store_run(s, "COMMIT", err);
    if (rc != RC_OK) {
        store_run(s, "ROLLBACK", &ignored);
        store_forget_paths(s); /* ids given in this transaction are void */
    }
    return rc;
}

enum rc store_event(struct store *s, int64_t at_ms, const struct links_event *e, struct err *err)
{
    sqlite3_stmt *stmt = NULL;
    enum rc rc = store_prepare(s,
                               "INSERT INTO event(at, kind, came_from, went_to, carrier, region,"
                               " reason, large, fault, from_ms, to_ms)"
                               " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                               &stmt, err);
    if (rc != RC_OK)
        return rc;
    const struct slice texts[] = { e->from, e->to, e->carrier, e->region, slice_of(e->reason) };
    sqlite3_bind_int64(stmt, 1, at_ms);
    sqlite3_bind_int(stmt, 2, (int)e->kind);
    for (int i = 0; i < 5; i++)
        store_bind_text(stmt, 3 + i, texts[i]);
    sqlite3_bind_int(stmt, 8, e->large);
    sqlite3_bind_int(stmt, 9, e->fault);
    store_bind_known(stmt, 10, e->from_ms);
    store_bind_known(stmt, 11, e->to_ms);
    sqlite3_step(stmt);
    return store_finish(s, &stmt, err);
}

enum rc store_standing(struct store *s, int64_t at_ms, const struct standing_note *n,
                       struct err *err)
{
    sqlite3_stmt *stmt = NULL;
    enum rc rc = store_prepare(s,
                               "INSERT INTO standing(at, kind, egress, address, party, came_from,"
                               " went_to, reason, points)"
                               " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                               &stmt, err);
    if (rc != RC_OK)
        return rc;
    const struct slice texts[] = { n->egress, n->address, n->with, n->from, n->to, n->reason };
    sqlite3_bind_int64(stmt, 1, at_ms);
    sqlite3_bind_int(stmt, 2, n->kind);
    for (int i = 0; i < 6; i++)
        store_bind_text(stmt, 3 + i, texts[i]);
    sqlite3_bind_double(stmt, 9, n->points);
    sqlite3_step(stmt);
    return store_finish(s, &stmt, err);
}

/* ---- pruning ---- */

static enum rc prune_level(struct store *s, int level, int64_t before_ms, struct err *err)
{
    sqlite3_stmt *stmt = NULL;
    enum rc rc = store_prepare(s,
                               "DELETE FROM span WHERE level = ?1 AND at < ?2 AND path IN"
                               " (SELECT id FROM path)",
                               &stmt, err);
    if (rc != RC_OK)
        return rc;
    sqlite3_bind_int(stmt, 1, level);
    sqlite3_bind_int64(stmt, 2, before_ms);
    sqlite3_step(stmt);
    return store_finish(s, &stmt, err);
}

static enum rc prune_events(struct store *s, const char *sql, int64_t before_ms, struct err *err)
{
    sqlite3_stmt *stmt = NULL;
    enum rc rc = store_prepare(s, sql, &stmt, err);
    if (rc != RC_OK)
        return rc;
    sqlite3_bind_int64(stmt, 1, before_ms);
    sqlite3_bind_int(stmt, 2, STORE_EVENTS_MAX);
    sqlite3_step(stmt);
    return store_finish(s, &stmt, err);
}

enum rc store_prune(struct store *s, int64_t now_ms, int64_t keep_ms, struct err *err)
{
    enum rc rc = RC_OK;
    for (int level = 0; level < STORE_LEVELS && rc == RC_OK; level++) {
        int64_t keep =
            store_levels[level].keep_ms < keep_ms ? store_levels[level].keep_ms : keep_ms;
        rc = prune_level(s, level, now_ms - keep, err);
    }
    if (rc == RC_OK)
        rc = prune_events(s,
                          "DELETE FROM event WHERE at < ?1 OR id <="
                          " (SELECT max(id) FROM event) - ?2",
                          now_ms - keep_ms, err);
    if (rc == RC_OK)
        rc = prune_events(s,
                          "DELETE FROM standing WHERE at < ?1 OR id <="
                          " (SELECT max(id) FROM standing) - ?2",
                          now_ms - keep_ms, err);
    if (rc == RC_OK)
        rc = store_run(s,
                       "DELETE FROM path WHERE NOT EXISTS (SELECT 1 FROM span WHERE level = 2 AND"
                       " path = path.id)",
                       err);
    store_forget_paths(s);
    return rc;
}
