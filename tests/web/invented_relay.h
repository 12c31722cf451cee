/*
 * tests/web/invented_relay — the verbs of a relay that answers made-up figures
 *
 *   The members are those of the real verbs (admin/relay_verbs.h); texts in them are hostile.
 *   Included by one file.
 */
#ifndef WAYPOST_TESTS_WEB_INVENTED_RELAY_H
#define WAYPOST_TESTS_WEB_INVENTED_RELAY_H

#include "gateway/admin/server.h"
#include "gateway/report/counters.h"

static void verb_totals(void *arg, struct call *call, const struct request *request)
{
    struct buf row;
    (void)arg;
    (void)request;
    buf_init(&row, 1 << 16);
    buf_puts(&row, "{\"since\":\"2026-11-22T00:00:00.000Z\"");
    for (int c = 0; c < COUNTERS; c++)
        buf_printf(&row, ",\"%s\":%d", counter_names[c], 1000 + c);
    buf_puts(&row, ",\"waits\":{\"urgent\":[");
    for (int i = 1; i <= WAIT_BUCKETS; i++)
        buf_printf(&row, "%d,", i);
    buf_puts(&row, "12500]}");
    buf_puts(&row, ",\"spool_commits\":7,\"spool_syncs\":6,\"spool_batch\":1.5,"
                   "\"spool_flush_us_p50\":900,\"spool_flush_us_p99\":2500,\"spool_corrupt\":0,"
                   "\"spool_waiting\":0,\"spool_free_bytes\":1000000,\"queue\":{\"urgent\":1,"
                   "\"high\":2,\"normal\":30,\"bulk\":400,\"busy\":5,\"waiting\":60,\"held\":7,"
                   "\"sessions\":8,\"sites\":9,\"backing_off\":1,\"oldest_s\":120}}");
    call_row(call, buf_slice(&row));
    buf_free(&row);
    call_end(&call, true, slice_of(""));
}

/* A site for each thing that may hold one back, with the number that goes with it. */
static void put_held_sites(struct call *call)
{
    static const struct {
        const char *by, *more;
    } rows[] = { { "connecting", "\"sessions\":2,\"connections\":20" },
                 { "what it bears", "\"sessions\":6,\"connections\":20,\"bears\":6" },
                 { "rate of provider big.example", "\"sessions\":1,\"connections\":20" },
                 { "recipient rate", "\"sessions\":1" },
                 { "byte rate of egress hk-1", "\"sessions\":1" },
                 { "connection rate", "\"sessions\":1" },
                 { "connections of carrier china-mobile", "\"sessions\":3,\"connections\":20" },
                 { "connections in all", "\"connections\":20" },
                 { "no egress", "\"connections\":20" } };
    struct buf row;
    buf_init(&row, 4096);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        buf_clear(&row);
        buf_printf(&row,
                   "{\"site\":\"held-%zu.example\",\"key\":\"h%zu\",\"normal\":1,\"ages\":{},"
                   "\"held_back_by\":\"%s\",%s}",
                   i, i, rows[i].by, rows[i].more);
        call_row(call, buf_slice(&row));
    }
    buf_free(&row);
}

static void verb_queue(void *arg, struct call *call, const struct request *request)
{
    (void)arg;
    if (request->action[0]) {
        const char *to = request_get(request, "to");
        call_end(&call, to != NULL, slice_of(to ? "3 retried" : "a filter is needed"));
        return;
    }
    call_row(call, slice_of("{\"site\":\"mx.example.net\",\"key\":\"k\",\"urgent\":1,\"high\":0,"
                            "\"normal\":20,\"bulk\":0,\"busy\":2,\"waiting\":3,\"held\":0,"
                            "\"ages\":{\"urgent\":[1,0,0,0,0,0,0,0,0,0,0],"
                            "\"normal\":[20,3,0,0,0,0,0,0,0,0,2]},"
                            "\"connections\":7,\"sessions\":7,\"held_back_by\":\"connections\","
                            "\"age_s\":95,\"last_error\":\"451 <img src=x onerror=alert(1)>\"}"));
    call_row(
        call,
        slice_of(
            "{\"site\":\"bulk.example.org\",\"key\":\"b\",\"urgent\":0,\"high\":0,"
            "\"normal\":0,\"bulk\":400,\"busy\":3,\"waiting\":57,\"held\":7,"
            "\"ages\":{\"bulk\":[0,0,0,0,467,0,0,0,0,0,0]},"
            "\"backoff_s\":9,\"held_back_by\":\"back-off\",\"age_s\":4000,\"last_error\":\"\"}"));
    put_held_sites(call);
    call_end(&call, true, slice_of(""));
}

static void verb_explain(void *arg, struct call *call, const struct request *request)
{
    const char *to = request_get(request, "to");
    (void)arg;
    if (to)
        call_row(call, slice_of("{\"to\":\"x\",\"route\":\"default\"}"));
    call_end(&call, to != NULL, slice_of(to ? "" : "--to ADDRESS is needed"));
}

static const struct admin_verb invented_relay[] = { { "totals", verb_totals },
                                                    { "queue", verb_queue },
                                                    { "deliveries", verb_totals },
                                                    { "explain", verb_explain },
                                                    { NULL, NULL } };

#endif
