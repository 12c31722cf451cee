/*
 * tests/unit/test_report — lines of the delivery log are valid JSON whatever is in them, with the
 * names of the contract; they are counted, buffered, survive a change of file; reasons stay
 * bounded and exact.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/report/delivery_event.h"

static json_t *line_of(const struct delivery_event *e)
{
    struct buf b;
    struct event_clock clock = { 0 };
    buf_init(&b, 1 << 20);
    delivery_event_put(&b, e, 1795352431123, &clock);
    struct slice s = buf_slice(&b);
    assert_false(b.full);
    assert_int_equal(s.p[s.n - 1], '\n');
    assert_null(memchr(s.p, '\n', s.n - 1));
    json_error_t error;
    json_t *row = json_loadb(s.p, s.n, JSON_REJECT_DUPLICATES, &error);
    assert_non_null(row);
    buf_free(&b);
    return row;
}

static const char *text(const json_t *row, const char *key)
{
    const char *t = json_string_value(json_object_get(row, key));
    return t ? t : "(absent)";
}

static void full_event(struct delivery_event *e)
{
    delivery_event_init(e, EVENT_DEFERRED);
    e->has_id = e->has_sender = e->connection = e->reused = e->may_duplicate = true;
    e->id = (struct spool_id){ .ms = 1795352431000, .seq = 7, .node = 1, .shard = 2 };
    e->sender = slice_of("a@client.test");
    e->recipient = slice_of("b@dest.test");
    e->recipients = 3;
    e->size = 4321;
    e->lane = LANE_HIGH;
    addr_parse(slice_of("192.0.2.1:33000"), &e->client);
    addr_parse(slice_of("198.51.100.7:25"), &e->source);
    addr_parse(slice_of("[2001:db8::5]:25"), &e->address);
    e->user = slice_of("u");
    e->route = slice_of("default");
    e->egress = slice_of("gz-1");
    e->site = slice_of("dest.test");
    e->mx = slice_of("mx.dest.test");
    e->carrier = slice_of("c");
    e->region = slice_of("r");
    e->attempt = 2;
    e->code = 450;
    e->enhanced = (struct enhanced){ 4, 2, 1 };
    e->reply = slice_of("not now");
    e->class = slice_of("greylist");
    e->tls = slice_of("TLSv1.3 X");
    for (int i = 0; i < STAGES; i++)
        e->stage_us[i] = i * 1000 + 250;
    e->rtt_us = 17031;
    e->retransmits = 0;
    e->next_attempt_ms = 1795352491999;
}

/* Every name of the contract, and nothing but names that are in the code on purpose. */
static void every_field_has_its_name(void **state)
{
    static const char *const names[] = {
        "time",         "event",      "id",          "sender",      "recipient", "recipients",
        "size",         "priority",   "client",      "user",        "route",     "egress",
        "source",       "site",       "mx",          "address",     "carrier",   "region",
        "attempt",      "code",       "enhanced",    "reply",       "class",     "tls",
        "queue_ms",     "connect_ms", "greeting_ms", "ehlo_ms",     "tls_ms",    "envelope_ms",
        "data_ms",      "final_ms",   "rtt_ms",      "retransmits", "reused",    "may_duplicate",
        "next_attempt",
    };
    enum { NAMES = sizeof names / sizeof names[0] };
    struct delivery_event e;
    (void)state;
    full_event(&e);
    json_t *row = line_of(&e);
    assert_int_equal(json_object_size(row), NAMES);
    for (size_t i = 0; i < NAMES; i++)
        assert_non_null(json_object_get(row, names[i]));
    assert_string_equal(text(row, "time"), "2026-11-22T13:00:31.123Z");
    assert_string_equal(text(row, "next_attempt"), "2026-11-22T13:01:31.999Z");
    assert_string_equal(text(row, "event"), "deferred");
    assert_string_equal(text(row, "priority"), "high");
    assert_string_equal(text(row, "client"), "192.0.2.1");
    assert_string_equal(text(row, "source"), "198.51.100.7");
    assert_string_equal(text(row, "address"), "[2001:db8::5]:25");
    assert_string_equal(text(row, "enhanced"), "4.2.1");
    assert_true(json_real_value(json_object_get(row, "queue_ms")) == 0.25);
    assert_true(json_real_value(json_object_get(row, "rtt_ms")) == 17.031);
    json_decref(row);
}

static void absent_fields_are_left_out(void **state)
{
    struct delivery_event e;
    (void)state;
    for (int kind = 0; kind < EVENT_KINDS; kind++) {
        delivery_event_init(&e, (enum delivery_event_kind)kind);
        json_t *row = line_of(&e);
        assert_int_equal(json_object_size(row), 2);
        assert_string_equal(text(row, "event"), delivery_event_names[kind]);
        json_decref(row);
    }
    e.has_sender = true; /* the null path is not "absent" */
    json_t *row = line_of(&e);
    assert_string_equal(text(row, "sender"), "");
    json_decref(row);
}

static void hostile_texts_stay_inside(void **state)
{
    static const char *const texts[] = {
        "\"}\n{\"event\":\"delivered\"}",
        "\\",
        "\x01\x1b[31m\x7f",
        "\xff\xfe\x80",
        "\xed\xa0\x80",
        "\xe2\x82",
        "\r\n\t\"",
        "\xf0\x9f\x93\xa8",
    };
    struct delivery_event e;
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        full_event(&e);
        e.sender = e.recipient = e.user = e.route = e.mx = e.reply = e.tls = slice_of(texts[i]);
        json_t *row = line_of(&e);
        assert_string_equal(text(row, "event"), "deferred");
        json_decref(row);
    }
    char *large = malloc(100000);
    memset(large, 'x', 100000);
    memcpy(large + 510, "\xe2\x82\xac", 3); /* a character across the cut */
    full_event(&e);
    e.reply = e.sender = (struct slice){ large, 100000 };
    json_t *row = line_of(&e);
    assert_int_equal(strlen(text(row, "reply")), 510);
    assert_int_equal(strlen(text(row, "sender")), 1024);
    json_decref(row);
    free(large);
}

/* ---- the writer ---- */

struct rig {
    struct loop *loop;
    struct delivery_log *log;
    struct counters counters;
    struct reasons reasons;
    struct delivery_writer *writer;
    char path[64];
};

static int set_up(void **state)
{
    struct rig *r = aligned_alloc(64, (sizeof(struct rig) + 63) / 64 * 64);
    memset(r, 0, sizeof *r);
    memcpy(r->path, "/tmp/wp-report-XXXXXX", 22);
    int fd = mkstemp(r->path);
    close(fd);
    r->loop = loop_new();
    r->log = delivery_log_new();
    r->writer = delivery_writer_new(r->log, r->loop, &r->counters, &r->reasons);
    *state = r;
    return fd < 0;
}

static int tear_down(void **state)
{
    struct rig *r = *state;
    delivery_writer_free(&r->writer);
    delivery_log_free(&r->log);
    loop_free(&r->loop);
    unlink(r->path);
    free(r);
    return 0;
}

static void write_one(struct rig *r, enum delivery_event_kind kind, const char *reply)
{
    struct delivery_event e;
    delivery_event_init(&e, kind);
    e.size = 100;
    e.code = 450;
    e.reply = slice_of(reply);
    delivery_log_write(r->writer, &e);
}

static size_t lines_in(const char *path)
{
    char bytes[4096];
    int fd = open(path, O_RDONLY);
    size_t lines = 0;
    for (ssize_t n; (n = read(fd, bytes, sizeof bytes)) > 0;) {
        for (ssize_t i = 0; i < n; i++)
            lines += bytes[i] == '\n';
    }
    close(fd);
    return lines;
}

static int open_log(const char *path)
{
    return open(path, O_WRONLY | O_APPEND | O_CREAT, 0600);
}

static void events_are_counted_without_a_file(void **state)
{
    struct rig *r = *state;
    for (int i = 0; i < EVENT_KINDS; i++)
        write_one(r, (enum delivery_event_kind)i, "x");
    for (int i = 0; i < EVENT_KINDS; i++) {
        static const enum counter counters[EVENT_KINDS] = {
            [EVENT_RECEIVED] = COUNTER_RECEIVED,
            [EVENT_DELIVERED] = COUNTER_DELIVERED,
            [EVENT_DEFERRED] = COUNTER_DEFERRED,
            [EVENT_REROUTED] = COUNTER_REROUTED,
            [EVENT_BOUNCED] = COUNTER_BOUNCED,
            [EVENT_EXPIRED] = COUNTER_EXPIRED,
            [EVENT_HELD] = COUNTER_HELD,
            [EVENT_DROPPED] = COUNTER_DROPPED,
            [EVENT_RELOAD] = COUNTER_RELOADS,
            [EVENT_EGRESS_STATE] = COUNTER_EGRESS_CHANGES,
            [EVENT_PATH_SWITCH] = COUNTER_PATH_SWITCHES,
            [EVENT_LISTING] = COUNTER_LISTING_CHANGES,
        };
        assert_int_equal(counter_get(&r->counters, counters[i]), 1);
    }
    assert_int_equal(counter_get(&r->counters, COUNTER_RECEIVED_BYTES), 100);
    assert_int_equal(counter_get(&r->counters, COUNTER_LOG_LOST), 0);
    assert_int_equal(r->reasons.n, 4);
}

static void a_quiet_log_is_written_in_the_same_turn(void **state)
{
    struct rig *r = *state;
    delivery_log_attach(r->log, open_log(r->path));
    usleep(20000);
    loop_turn(r->loop, 0);
    write_one(r, EVENT_DELIVERED, "");
    loop_turn(r->loop, 0);
    assert_int_equal(lines_in(r->path), 1);
}

static void a_new_file_takes_over(void **state)
{
    struct rig *r = *state;
    char moved[80];
    delivery_log_attach(r->log, open_log(r->path));
    write_one(r, EVENT_DELIVERED, "");
    delivery_writer_flush(r->writer);
    snprintf(moved, sizeof moved, "%s.1", r->path);
    assert_int_equal(rename(r->path, moved), 0);
    delivery_log_attach(r->log, open_log(r->path));
    write_one(r, EVENT_DELIVERED, "");
    write_one(r, EVENT_DELIVERED, "");
    delivery_writer_flush(r->writer);
    assert_int_equal(lines_in(moved), 1);
    assert_int_equal(lines_in(r->path), 2);
    delivery_log_attach(r->log, -1);
    write_one(r, EVENT_DELIVERED, "");
    delivery_writer_flush(r->writer);
    assert_int_equal(lines_in(r->path), 2);
    unlink(moved);
}

static void a_full_disk_loses_lines_and_nothing_else(void **state)
{
    struct rig *r = *state;
    delivery_log_attach(r->log, open("/dev/full", O_WRONLY));
    for (int i = 0; i < 5; i++)
        write_one(r, EVENT_DELIVERED, "");
    delivery_writer_flush(r->writer);
    assert_int_equal(counter_get(&r->counters, COUNTER_LOG_LOST), 5);
    delivery_log_attach(r->log, open_log(r->path));
    write_one(r, EVENT_DELIVERED, "");
    delivery_writer_flush(r->writer);
    assert_int_equal(lines_in(r->path), 1);
}

/* Until then no file of this process may become larger. */
static void set_file_limit(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes == RLIM_INFINITY ? limit.rlim_max : bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_half_line_stays_alone_whoever_writes_next(void **state)
{
    struct rig *r = *state;
    struct delivery_writer *other = delivery_writer_new(r->log, r->loop, &r->counters, &r->reasons);
    struct delivery_writer *first = r->writer;
    signal(SIGXFSZ, SIG_IGN);
    delivery_log_attach(r->log, open_log(r->path));
    set_file_limit(10);
    write_one(r, EVENT_DELIVERED, "");
    delivery_writer_flush(first);
    set_file_limit(RLIM_INFINITY);
    assert_int_equal(counter_get(&r->counters, COUNTER_LOG_LOST), 1);
    r->writer = other;
    write_one(r, EVENT_DELIVERED, "");
    delivery_writer_flush(other);
    r->writer = first;
    write_one(r, EVENT_DELIVERED, "");
    delivery_writer_flush(first);
    assert_int_equal(lines_in(r->path), 3);
    delivery_writer_free(&other);
}

/* ---- reasons ---- */

static void reasons_fold_what_differs_by_chance(void **state)
{
    struct reasons *r = calloc(1, sizeof *r);
    struct enhanced e = { 4, 7, 1 };
    (void)state;
    reasons_count(r, EVENT_DEFERRED, 450, e, slice_of("queue id 12345 from 192.0.2.1"), 1, 10);
    reasons_count(r, EVENT_DEFERRED, 450, e, slice_of("queue id 98 from 10.0.0.77"), 2, 30);
    reasons_count(r, EVENT_DEFERRED, 451, e, slice_of("queue id 98 from 10.0.0.77"), 1, 20);
    reasons_count(r, EVENT_BOUNCED, 450, e, slice_of("queue id 98 from 10.0.0.77"), 1, 20);
    assert_int_equal(r->n, 3);
    assert_int_equal(r->at[0].count, 3);
    assert_int_equal(r->at[0].last_ms, 30);
    free(r);
}

static void frequent_reasons_survive_a_flood_of_rare_ones(void **state)
{
    struct reasons *r = calloc(1, sizeof *r), *sum = calloc(1, sizeof *sum);
    struct enhanced none = { 0 };
    char rare[16];
    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        if (i % 10 == 0)
            reasons_count(r, EVENT_DEFERRED, 421, none, slice_of("busy"), 1, 1);
        for (int k = 0; k < 4; k++) /* letters: digits would be folded */
            rare[k] = (char)('a' + (i >> (4 * k)) % 16);
        rare[4] = '\0';
        reasons_count(r, EVENT_DEFERRED, 450, none, slice_of(rare), 1, 1);
    }
    assert_int_equal(r->n, REASONS_MAX);
    reasons_merge(sum, r);
    reasons_merge(sum, r);
    reasons_sort(sum);
    assert_string_equal(sum->at[0].text, "busy");
    assert_true(sum->at[0].count >= 4000);
    assert_true(sum->n <= REASONS_MAX);
    free(r);
    free(sum);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_has_its_name),
        cmocka_unit_test(absent_fields_are_left_out),
        cmocka_unit_test(hostile_texts_stay_inside),
        cmocka_unit_test_setup_teardown(events_are_counted_without_a_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_quiet_log_is_written_in_the_same_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_new_file_takes_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_disk_loses_lines_and_nothing_else, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_half_line_stays_alone_whoever_writes_next, set_up,
                                        tear_down),
        cmocka_unit_test(reasons_fold_what_differs_by_chance),
        cmocka_unit_test(frequent_reasons_survive_a_flood_of_rare_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
