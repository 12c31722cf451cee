/*
 * unit/test_report_store — proves report/store
 *
 *   Minutes become five minutes and hours with true figures; what is old goes; questions find what
 *   they ask for, whatever the names; a full database costs history only.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <pthread.h>
#include <sqlite3.h>
#include <unistd.h>

#include "gateway/base/mem.h"
#include "gateway/report/store.h"
#include "tests/support/temp_dir.h"

enum { MINUTE = 60 * 1000, HOUR = 60 * MINUTE };
#define DAY (24ll * HOUR)
/* A whole hour in 2026. */
#define T0 (1795352400000ll - 1795352400000ll % HOUR)

static char folder[64];
static struct store *store;

static int open_folder(void **state)
{
    struct err err;
    (void)state;
    temp_dir_make(folder, sizeof folder);
    assert_int_equal(store_open(folder, &store, &err), RC_OK);
    return 0;
}

static int close_folder(void **state)
{
    (void)state;
    store_close(&store);
    temp_dir_remove(folder);
    return 0;
}

static struct links_minute minute_of(const char *egress, struct spread *connect, double ms)
{
    *connect = (struct spread){ 0 };
    for (int i = 0; i < 10; i++)
        spread_add(connect, ms);
    return (struct links_minute){ .egress = slice_of(egress),
                                  .carrier = slice_of("mobile"),
                                  .region = slice_of("north"),
                                  .connect = connect,
                                  .rtt_ms = ms,
                                  .loss = 0.02,
                                  .goodput = 1000,
                                  .cost_ms = ms * 8,
                                  .cost_large_ms = ms * 100,
                                  .samples = 10,
                                  .tries = 4,
                                  .first_ok = 3,
                                  .mails = 5,
                                  .probes = 6,
                                  .state = PATH_UP };
}

static void put(int64_t at_ms, const char *egress, double ms)
{
    struct spread connect;
    struct err err;
    struct store_row row = { minute_of(egress, &connect, ms), NULL };
    assert_int_equal(store_minute(store, at_ms, &row, &err), RC_OK);
}

/* The answer as a JSON array. */
static json_t *ask(enum history_what what, int64_t now_ms, int64_t since_ms, const char *egress)
{
    struct history_question q = {
        .what = what, .now_ms = now_ms, .since_ms = since_ms, .egress = slice_of(egress)
    };
    struct err err;
    struct buf lines;
    q.address = slice_of("192.0.2.1");
    if (what == HISTORY_SERIES) {
        q.carrier = slice_of("mobile");
        q.region = slice_of("north");
    }
    buf_init(&lines, 1 << 20);
    assert_int_equal(store_ask(store, &q, &lines, &err), RC_OK);
    json_t *rows = json_array();
    struct slice line, rest = buf_slice(&lines);
    while (rest.n) {
        slice_cut(rest, '\n', &line, &rest);
        json_t *row = json_loadb(line.p, line.n, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(row);
        json_array_append_new(rows, row);
    }
    buf_free(&lines);
    return rows;
}

static double number(const json_t *rows, size_t i, const char *key)
{
    const json_t *value = json_object_get(json_array_get(rows, i), key);
    if (!value)
        fail_msg("row %zu has no %s", i, key);
    return json_number_value(value);
}

static const char *text(const json_t *rows, size_t i, const char *key)
{
    const char *value = json_string_value(json_object_get(json_array_get(rows, i), key));
    return value ? value : "";
}

static void assert_near(double got, double want, double share)
{
    if (got < want * (1 - share) || got > want * (1 + share))
        fail_msg("%f is not near %f", got, want);
}

static void minutes_become_longer_spans_with_true_figures(void **state)
{
    (void)state;
    /* 57 minutes of 10 ms and 3 of 100 ms: 5 % of the hour's values are 100 ms */
    for (int i = 0; i < 60; i++)
        put(T0 + i * MINUTE, "a", i < 57 ? 10 : 100);
    json_t *rows = ask(HISTORY_LINKS, T0 + HOUR - 1, T0, "a");
    assert_int_equal(json_array_size(rows), 1);
    assert_near(number(rows, 0, "connect_p50_ms"), 10, 0.011);
    assert_near(number(rows, 0, "connect_p95_ms"), 10, 0.011);
    assert_near(number(rows, 0, "rtt_ms"), 14.5, 0.001);
    assert_near(number(rows, 0, "cost_ms"), 800, 0.001); /* the latest */
    assert_near(number(rows, 0, "first_try"), 0.75, 0.001);
    assert_near(number(rows, 0, "goodput_bytes_s"), 1e6, 0.001);
    assert_int_equal(number(rows, 0, "mails"), 300);
    assert_string_equal(text(rows, 0, "trend"), "worse");
    json_decref(rows);

    /* the same hour, asked for later: from the hours */
    rows = ask(HISTORY_SERIES, T0 + 10 * DAY, T0, "a");
    assert_int_equal(json_array_size(rows), 1);
    assert_int_equal(number(rows, 0, "span_s"), 3600);
    assert_near(number(rows, 0, "rtt_ms"), 14.5, 0.001);
    assert_near(number(rows, 0, "connect_p95_ms"), 10, 0.011);
    assert_int_equal(number(rows, 0, "samples"), 600);
    json_decref(rows);
    rows = ask(HISTORY_SERIES, T0 + 2 * DAY, T0, "a"); /* from the five minutes */
    assert_int_equal(json_array_size(rows), 12);
    assert_int_equal(number(rows, 0, "span_s"), 300);
    assert_near(number(rows, 11, "connect_p95_ms"), 100, 0.011);
    json_decref(rows);
}

static void the_span_under_way_is_there_already(void **state)
{
    (void)state;
    put(T0, "a", 20);
    json_t *rows = ask(HISTORY_SERIES, T0 + 10 * DAY, T0, "a");
    assert_int_equal(json_array_size(rows), 1);
    assert_int_equal(number(rows, 0, "samples"), 10);
    json_decref(rows);
}

static void what_is_not_known_is_left_out(void **state)
{
    struct store_row row = { .minute = { .egress = slice_of("a"), .samples = 1 } };
    struct err err;
    (void)state;
    assert_int_equal(store_minute(store, T0, &row, &err), RC_OK);
    json_t *rows = ask(HISTORY_LINKS, T0 + MINUTE, T0, "");
    assert_int_equal(json_array_size(rows), 1);
    assert_null(json_object_get(json_array_get(rows, 0), "rtt_ms"));
    assert_null(json_object_get(json_array_get(rows, 0), "first_try"));
    assert_null(json_object_get(json_array_get(rows, 0), "connect_p50_ms"));
    assert_string_equal(text(rows, 0, "state"), path_state_names[PATH_UNKNOWN]);
    json_decref(rows);
}

static void old_rows_go_level_by_level(void **state)
{
    struct err err;
    int64_t now = T0 + 20 * DAY;
    (void)state;
    put(T0, "a", 10);
    put(now - HOUR, "b", 10);
    assert_int_equal(store_prune(store, now, 30 * DAY, &err), RC_OK);
    json_t *rows = ask(HISTORY_SERIES, T0 + HOUR, T0, "a");
    assert_int_equal(json_array_size(rows), 0); /* its minute */
    json_decref(rows);
    rows = ask(HISTORY_SERIES, T0 + 2 * DAY, T0, "a");
    assert_int_equal(json_array_size(rows), 0); /* its five minutes */
    json_decref(rows);
    rows = ask(HISTORY_SERIES, now, T0, "a");
    assert_int_equal(json_array_size(rows), 1); /* its hour */
    json_decref(rows);
    rows = ask(HISTORY_SERIES, now, now - 2 * HOUR, "b");
    assert_int_equal(json_array_size(rows), 1);
    json_decref(rows);
    assert_int_equal(store_prune(store, now, 10 * DAY, &err), RC_OK);
    rows = ask(HISTORY_LINKS, now, T0, "");
    assert_int_equal(json_array_size(rows), 1); /* only b is left */
    assert_string_equal(text(rows, 0, "egress"), "b");
    json_decref(rows);
    put(now, "a", 10); /* its path is made anew */
    rows = ask(HISTORY_LINKS, now + 1, now - HOUR, "a");
    assert_int_equal(json_array_size(rows), 1);
    json_decref(rows);
}

static void names_are_data(void **state)
{
    static const char *const names[] = { "a'); DROP TABLE span;--", "\"<script>&", "\xff\x01\n" };
    (void)state;
    for (size_t i = 0; i < 3; i++)
        put(T0, names[i], 10);
    json_t *rows = ask(HISTORY_LINKS, T0 + MINUTE, T0, "");
    assert_int_equal(json_array_size(rows), 3);
    json_decref(rows);
    rows = ask(HISTORY_LINKS, T0 + MINUTE, T0, "a'*");
    assert_int_equal(json_array_size(rows), 1);
    assert_string_equal(text(rows, 0, "egress"), names[0]);
    json_decref(rows);
    rows = ask(HISTORY_SERIES, T0 + MINUTE, T0, names[1]);
    assert_int_equal(json_array_size(rows), 1);
    json_decref(rows);
}

static void events_are_kept_newest_first(void **state)
{
    struct err err;
    struct links_event e = { .kind = LINKS_SWITCH,
                             .carrier = slice_of("mobile"),
                             .region = slice_of("north"),
                             .from = slice_of("a"),
                             .to = slice_of("b"),
                             .from_ms = 400,
                             .to_ms = 200,
                             .reason = "loss 8 %" };
    (void)state;
    assert_int_equal(store_event(store, T0, &e, &err), RC_OK);
    e = (struct links_event){
        .kind = LINKS_EGRESS_FAULT, .from = slice_of("c"), .fault = EGRESS_UNPLUMBED, .reason = ""
    };
    assert_int_equal(store_event(store, T0 + 1, &e, &err), RC_OK);
    json_t *rows = ask(HISTORY_EVENTS, T0 + HOUR, T0, "");
    assert_int_equal(json_array_size(rows), 2);
    assert_string_equal(text(rows, 0, "fault"), egress_fault_names[EGRESS_UNPLUMBED]);
    assert_string_equal(text(rows, 1, "from"), "a");
    assert_string_equal(text(rows, 1, "to"), "b");
    assert_string_equal(text(rows, 1, "reason"), "loss 8 %");
    assert_string_equal(text(rows, 1, "mail"), "small");
    assert_near(number(rows, 1, "to_ms"), 200, 0.001);
    json_decref(rows);
    rows = ask(HISTORY_EVENTS, T0 + HOUR, T0, "b"); /* on either side of a switch */
    assert_int_equal(json_array_size(rows), 1);
    json_decref(rows);
    assert_int_equal(store_prune(store, T0 + 40 * DAY, 30 * DAY, &err), RC_OK);
    rows = ask(HISTORY_EVENTS, T0 + 40 * DAY, T0, "");
    assert_int_equal(json_array_size(rows), 0);
    json_decref(rows);
}

static void note(int64_t at_ms, enum standing_note_kind kind, const char *egress, const char *with,
                 double points)
{
    struct err err;
    struct standing_note n = { .kind = (uint8_t)kind,
                               .egress = slice_of(egress),
                               .address = slice_of(egress[0] ? "192.0.2.1" : ""),
                               .with = slice_of(with),
                               .from = slice_of("clean"),
                               .to = slice_of("suspect"),
                               .reason = slice_of("'; DROP TABLE standing"),
                               .points = points };
    assert_int_equal(store_standing(store, at_ms, &n, &err), RC_OK);
}

static void what_happened_to_addresses(void **state)
{
    struct err err;
    (void)state;
    note(T0, STANDING_NOTE_STATE, "a", "", 25);
    note(T0 + 1, STANDING_NOTE_POINTS, "a", "", 24);
    note(T0 + 2, STANDING_NOTE_LISTING, "a", "zen.example", 100);
    note(T0 + 3, STANDING_NOTE_STATE, "a", "gmail.com", 24);
    note(T0 + 4, STANDING_NOTE_STATE, "b", "", 60);
    note(T0 + 5, STANDING_NOTE_POOL_EMPTY, "", "", 0);
    json_t *rows = ask(HISTORY_STANDING, T0 + HOUR, T0, "a");
    assert_int_equal(json_array_size(rows), 4); /* points are no event, an empty pool is all's */
    assert_string_equal(text(rows, 0, "event"), "pool_empty");
    assert_string_equal(text(rows, 1, "with"), "gmail.com");
    assert_string_equal(text(rows, 2, "event"), "listing");
    assert_string_equal(text(rows, 3, "to"), "suspect");
    assert_string_equal(text(rows, 3, "reason"), "'; DROP TABLE standing");
    assert_near(number(rows, 3, "points"), 25, 0.001);
    json_decref(rows);
    rows = ask(HISTORY_STANDING, T0 + HOUR, T0 + 1, "");
    assert_int_equal(json_array_size(rows), 4);
    json_decref(rows);
    rows = ask(HISTORY_POINTS, T0 + HOUR, T0, "a"); /* oldest first, of the address alone */
    assert_int_equal(json_array_size(rows), 2);
    assert_near(number(rows, 0, "points"), 25, 0.001);
    assert_string_equal(text(rows, 1, "event"), "points");
    json_decref(rows);
    assert_int_equal(store_prune(store, T0 + 40 * DAY, 30 * DAY, &err), RC_OK);
    rows = ask(HISTORY_STANDING, T0 + 40 * DAY, T0, "");
    assert_int_equal(json_array_size(rows), 0);
    json_decref(rows);
}

static void *let_go(void *db)
{
    usleep(200 * 1000);
    sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    return NULL;
}

/* Somebody looks at it with a tool of SQLite that locks it for a moment. */
static void a_locked_database_is_waited_for(void **state)
{
    char path[96];
    sqlite3 *db;
    pthread_t other;
    (void)state;
    snprintf(path, sizeof path, "%s/links.db", folder);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(pthread_create(&other, NULL, let_go, db), 0);
    put(T0, "a", 10);
    pthread_join(other, NULL);
    sqlite3_close(db);
    json_t *rows = ask(HISTORY_LINKS, T0 + MINUTE, T0, "");
    assert_int_equal(json_array_size(rows), 1);
    json_decref(rows);
}

/* A database of before: it gets the table it lacks and keeps what it has. */
static void the_first_version_is_brought_up_to_date(void **state)
{
    struct err err;
    struct links_event e = { .kind = LINKS_SWITCH, .from = slice_of("a"), .reason = "" };
    char path[96];
    sqlite3 *db;
    (void)state;
    assert_int_equal(store_event(store, T0, &e, &err), RC_OK);
    store_close(&store);
    snprintf(path, sizeof path, "%s/links.db", folder);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "DROP TABLE standing; PRAGMA user_version=1;", NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(store_open(folder, &store, &err), RC_OK);
    note(T0 + 1, STANDING_NOTE_STATE, "a", "", 25);
    json_t *rows = ask(HISTORY_STANDING, T0 + HOUR, T0, "");
    assert_int_equal(json_array_size(rows), 1);
    json_decref(rows);
    rows = ask(HISTORY_EVENTS, T0 + HOUR, T0, "");
    assert_int_equal(json_array_size(rows), 1);
    json_decref(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(minutes_become_longer_spans_with_true_figures, open_folder,
                                        close_folder),
        cmocka_unit_test_setup_teardown(the_span_under_way_is_there_already, open_folder,
                                        close_folder),
        cmocka_unit_test_setup_teardown(what_is_not_known_is_left_out, open_folder, close_folder),
        cmocka_unit_test_setup_teardown(old_rows_go_level_by_level, open_folder, close_folder),
        cmocka_unit_test_setup_teardown(names_are_data, open_folder, close_folder),
        cmocka_unit_test_setup_teardown(events_are_kept_newest_first, open_folder, close_folder),
        cmocka_unit_test_setup_teardown(what_happened_to_addresses, open_folder, close_folder),
        cmocka_unit_test_setup_teardown(a_locked_database_is_waited_for, open_folder, close_folder),
        cmocka_unit_test_setup_teardown(the_first_version_is_brought_up_to_date, open_folder,
                                        close_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
