/*
 * report/store_read — questions, answered as lines of JSON
 */
#include "gateway/base/json.h"
#include "gateway/report/live.h"
#include "gateway/report/store_private.h"

enum { HOUR = 3600 * 1000, EVENTS_DEFAULT = 200 };

/* The finest level that reaches back far enough, and gives no more than some 700 rows a path. */
static int level_for(const struct history_question *q)
{
    int64_t back = q->now_ms - q->since_ms;
    if (back <= (int64_t)12 * HOUR)
        return 0;
    return back <= (int64_t)60 * HOUR ? 1 : 2;
}

/* ---- JSON ---- */

static struct slice text_column(sqlite3_stmt *stmt, int column)
{
    const char *p = (const char *)sqlite3_column_text(stmt, column);
    return (struct slice){ p, (size_t)sqlite3_column_bytes(stmt, column) };
}

static void put_column(struct buf *json, const char *key, sqlite3_stmt *stmt, int column)
{
    json_str(json, key, text_column(stmt, column));
}

/* Left out when it is not known. */
static void put_number(struct buf *json, const char *key, sqlite3_stmt *stmt, int column,
                       double scale)
{
    if (sqlite3_column_type(stmt, column) != SQLITE_NULL)
        json_num(json, key, sqlite3_column_double(stmt, column) * scale);
}

static void put_share(struct buf *json, const char *key, sqlite3_stmt *stmt, int column)
{
    if (sqlite3_column_type(stmt, column) != SQLITE_NULL)
        json_share(json, key, sqlite3_column_double(stmt, column));
}

static void put_state(struct buf *json, int state)
{
    json_cstr(json, "state",
              path_state_names[state >= PATH_UNKNOWN && state <= PATH_DOWN ? state : 0]);
}

enum { FIGURES = 13 };

/* The columns of FIGURES, in their order, from column `at` on. */
static void put_figures(struct buf *json, sqlite3_stmt *stmt, int at)
{
    static const char *const numbers[] = { "connect_p50_ms", "connect_p95_ms", "rtt_ms" };
    put_state(json, sqlite3_column_int(stmt, at));
    for (int i = 0; i < 3; i++)
        put_number(json, numbers[i], stmt, at + 1 + i, 1);
    put_share(json, "loss", stmt, at + 4);
    put_number(json, "goodput_bytes_s", stmt, at + 5, 1000);
    put_number(json, "cost_ms", stmt, at + 6, 1);
    put_number(json, "cost_large_ms", stmt, at + 7, 1);
    put_share(json, "first_try", stmt, at + 8);
    static const char *const counts[] = { "samples", "tries", "mails", "probes" };
    for (int i = 0; i < 4; i++)
        json_int(json, counts[i], sqlite3_column_int64(stmt, at + 9 + i));
}

/* What the last quarter of the time was like beside the three before it: 15 % and 10 ms count. */
static const char *trend_of(double before, double after)
{
    double change = after - before;
    if (change > 10 && change > 0.15 * before)
        return "worse";
    return change < -10 && -change > 0.15 * before ? "better" : "steady";
}

/* ---- questions ---- */

static void put_link(const struct history_question *q, sqlite3_stmt *stmt, struct buf *json)
{
    const int before = 3 + FIGURES, after = before + 1, last = after + 1;
    json_open(json, '{');
    put_column(json, "egress", stmt, 0);
    put_column(json, "carrier", stmt, 1);
    put_column(json, "region", stmt, 2);
    put_figures(json, stmt, 3);
    if (sqlite3_column_type(stmt, before) != SQLITE_NULL &&
        sqlite3_column_type(stmt, after) != SQLITE_NULL)
        json_cstr(
            json, "trend",
            trend_of(sqlite3_column_double(stmt, before), sqlite3_column_double(stmt, after)));
    json_time(json, "since", q->since_ms);
    json_time(json, "last", sqlite3_column_int64(stmt, last));
    json_close(json, '}');
}

/* SQLite takes the bare columns (state, costs) from the row with the latest `at`. */
static const char LINKS[] =
    "SELECT egress, carrier, region, state, spread_quantile(connects, 0.5),"
    " spread_quantile(connects, 0.95), rtt, loss, goodput, cost, cost_large, first_try, samples,"
    " tries, mails, probes, before, after, last FROM (SELECT egress, carrier, region, s.state,"
    " s.cost, s.cost_large, max(s.at) AS last, spread_merge(s.connect) AS connects,"
    " sum(s.rtt * s.samples) / sum(CASE WHEN s.rtt IS NULL THEN 0 ELSE s.samples END) AS rtt,"
    " sum(s.loss * s.samples) / sum(s.samples) AS loss, avg(s.goodput) AS goodput,"
    " sum(s.first_ok) * 1.0 / sum(s.tries) AS first_try, sum(s.samples) AS samples,"
    " sum(s.tries) AS tries, sum(s.mails) AS mails, sum(s.probes) AS probes,"
    " avg(CASE WHEN s.at < ?7 THEN s.cost END) AS before,"
    " avg(CASE WHEN s.at >= ?7 THEN s.cost END) AS after"
    " FROM path CROSS JOIN span s ON s.level = ?4 AND s.path = path.id AND s.at >= ?5"
    " AND s.at <= ?6 WHERE (?1 = '' OR egress GLOB ?1) AND (?2 = '' OR carrier GLOB ?2)"
    " AND (?3 = '' OR region GLOB ?3) GROUP BY path.id) ORDER BY carrier, region, egress";

static void put_span(const struct history_question *q, sqlite3_stmt *stmt, struct buf *json)
{
    json_open(json, '{');
    json_time(json, "time", sqlite3_column_int64(stmt, 0));
    json_int(json, "span_s", store_levels[level_for(q)].span_ms / 1000);
    put_figures(json, stmt, 1);
    json_close(json, '}');
}

static const char SERIES[] =
    "SELECT s.at, s.state, spread_quantile(s.connect, 0.5), spread_quantile(s.connect, 0.95),"
    " s.rtt, s.loss, s.goodput, s.cost, s.cost_large, s.first_ok * 1.0 / s.tries, s.samples,"
    " s.tries, s.mails, s.probes"
    " FROM path CROSS JOIN span s ON s.level = ?4 AND s.path = path.id AND s.at >= ?5"
    " AND s.at <= ?6 WHERE egress = ?1 AND carrier = ?2 AND region = ?3 ORDER BY s.at";

static void put_event(const struct history_question *q, sqlite3_stmt *stmt, struct buf *json)
{
    (void)q;
    struct links_event e = { 0 };
    int kind = sqlite3_column_int(stmt, 1), fault = sqlite3_column_int(stmt, 7);
    if (kind < 0 || kind >= LINKS_EVENT_KINDS)
        return;
    e.kind = (enum links_event_kind)kind;
    e.from = text_column(stmt, 2);
    e.to = text_column(stmt, 3);
    e.carrier = text_column(stmt, 4);
    e.region = text_column(stmt, 5);
    e.large = sqlite3_column_int(stmt, 6);
    e.fault = fault > EGRESS_FINE && fault <= EGRESS_BARRED ? (uint8_t)fault : EGRESS_FINE;
    e.from_ms = sqlite3_column_double(stmt, 8);
    e.to_ms = sqlite3_column_double(stmt, 9);
    e.reason = (const char *)sqlite3_column_text(stmt, 10);
    link_event_put(json, sqlite3_column_int64(stmt, 0), &e);
}

/* An egress's name is looked for on both sides of a switch. */
static const char EVENTS[] =
    "SELECT at, kind, came_from, went_to, carrier, region, large, fault, from_ms, to_ms, reason"
    " FROM event"
    " WHERE at >= ?5 AND at <= ?6 AND (?1 = '' OR came_from GLOB ?1 OR went_to GLOB ?1)"
    " AND (?2 = '' OR carrier GLOB ?2) AND (?3 = '' OR region GLOB ?3)"
    " ORDER BY at DESC, id DESC LIMIT ?4";

static void put_standing(const struct history_question *q, sqlite3_stmt *stmt, struct buf *json)
{
    (void)q;
    struct standing_note n = { 0 };
    struct slice *const texts[] = { &n.egress, &n.address, &n.with, &n.from, &n.to, &n.reason };
    int kind = sqlite3_column_int(stmt, 1);
    if (kind < 0 || kind >= STANDING_NOTE_KINDS)
        return;
    n.kind = (uint8_t)kind;
    for (int i = 0; i < 6; i++)
        *texts[i] = text_column(stmt, 2 + i);
    n.points = sqlite3_column_double(stmt, 8);
    standing_note_put(json, sqlite3_column_int64(stmt, 0), &n);
}

/* An empty pool has no name: it belongs to every answer. Kind 4 is STANDING_NOTE_POINTS. */
static const char STANDING[] =
    "SELECT at, kind, egress, address, party, came_from, went_to, reason, points FROM standing"
    " WHERE at >= ?5 AND at <= ?6 AND kind <> 4 AND (?1 = '' OR egress = '' OR egress GLOB ?1)"
    " ORDER BY at DESC, id DESC LIMIT ?4";

static const char POINTS[] =
    "SELECT at, kind, egress, address, party, came_from, went_to, reason, points FROM standing"
    " WHERE at >= ?5 AND at <= ?6 AND egress = ?1 AND address = ?8 AND party = ''"
    " ORDER BY at, id";

_Static_assert(STANDING_NOTE_POINTS == 4, "as in STANDING");

static const struct {
    const char *sql;
    void (*put)(const struct history_question *q, sqlite3_stmt *stmt, struct buf *json);
} questions[] = {
    [HISTORY_LINKS] = { LINKS, put_link },       [HISTORY_SERIES] = { SERIES, put_span },
    [HISTORY_EVENTS] = { EVENTS, put_event },    [HISTORY_STANDING] = { STANDING, put_standing },
    [HISTORY_POINTS] = { POINTS, put_standing },
};

enum rc store_ask(struct store *s, const struct history_question *q, struct buf *lines,
                  struct err *err)
{
    sqlite3_stmt *stmt = NULL;
    enum rc rc = store_prepare(s, questions[q->what].sql, &stmt, err);
    if (rc != RC_OK)
        return rc;
    int level = level_for(q);
    bool spans = q->what == HISTORY_LINKS || q->what == HISTORY_SERIES;
    int64_t since = q->since_ms - (spans ? q->since_ms % store_levels[level].span_ms : 0);
    store_bind_text(stmt, 1, q->egress);
    store_bind_text(stmt, 2, q->carrier);
    store_bind_text(stmt, 3, q->region);
    if (q->what == HISTORY_EVENTS || q->what == HISTORY_STANDING)
        sqlite3_bind_int64(stmt, 4, q->limit ? q->limit : EVENTS_DEFAULT);
    else
        sqlite3_bind_int(stmt, 4, level);
    sqlite3_bind_int64(stmt, 5, since);
    sqlite3_bind_int64(stmt, 6, q->now_ms);
    if (q->what == HISTORY_LINKS)
        sqlite3_bind_int64(stmt, 7, q->now_ms - (q->now_ms - q->since_ms) / 4);
    if (q->what == HISTORY_POINTS)
        store_bind_text(stmt, 8, q->address);
    while (store_step(stmt) && !lines->full) {
        questions[q->what].put(q, stmt, lines);
        buf_putc(lines, '\n');
    }
    bool cut = lines->full;
    rc = store_finish(s, &stmt, err);
    return rc == RC_OK && cut ? err_set(err, RC_LIMIT, "the answer is too large") : rc;
}
