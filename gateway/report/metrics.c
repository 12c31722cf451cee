#include "gateway/report/metrics.h"

#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/conf/rules.h"
#include "gateway/report/counters.h"
#include "gateway/report/metrics_private.h"

/* ---- text ---- */

void metrics_put_head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP waypost_%s %s\n# TYPE waypost_%s %s\n", name, help, name, type);
}

void metrics_put_label(struct buf *out, const char *name, struct slice value)
{
    size_t n = buf_len(out);
    bool first = n && out->mem[out->end - 1] == '{';
    buf_printf(out, "%s%s=\"", first ? "" : ",", name);
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];
        if (c == '\\' || c == '"')
            buf_putc(out, '\\');
        if (c == '\n')
            buf_puts(out, "\\n");
        else
            buf_putc(out, c);
    }
    buf_putc(out, '"');
}

void metrics_put_value(struct buf *out, double value)
{
    buf_printf(out, " %.10g\n", value);
}

static void put_one(struct buf *out, const char *name, const char *type, const char *help,
                    double value)
{
    metrics_put_head(out, name, type, help);
    buf_printf(out, "waypost_%s", name);
    metrics_put_value(out, value);
}

/* ---- the relay ---- */

static const char *const counter_help[COUNTERS] = {
    [COUNTER_RECEIVED] = "Messages accepted.",
    [COUNTER_RECEIVED_BYTES] = "Bytes of messages accepted.",
    [COUNTER_DELIVERED] = "Recipients delivered to.",
    [COUNTER_DEFERRED] = "Recipients deferred, each attempt.",
    [COUNTER_REROUTED] = "Recipients moved to another egress after a reply about the address.",
    [COUNTER_BOUNCED] = "Recipients returned to the sender.",
    [COUNTER_EXPIRED] = "Recipients that ran out of time.",
    [COUNTER_HELD] = "Recipients held by an operator.",
    [COUNTER_DROPPED] = "Recipients dropped by an operator.",
    [COUNTER_RELOADS] = "Configurations applied while running.",
    [COUNTER_EGRESS_CHANGES] = "Changes of the state of an egress.",
    [COUNTER_PATH_SWITCHES] = "Changes of the preferred path of a group.",
    [COUNTER_LISTING_CHANGES] = "Listings of an address that began or ended.",
    [COUNTER_LOG_LOST] = "Lines of the delivery log that could not be written.",
    [COUNTER_CONNECTIONS_IN] = "Connections of clients.",
    [COUNTER_CONNECTIONS_REFUSED] = "Connections of clients refused.",
    [COUNTER_REJECTED] = "Recipients and messages of clients refused for good.",
    [COUNTER_TEMPFAILED] = "Recipients and messages of clients refused for now.",
    [COUNTER_AUTH_FAILED] = "Logins that failed.",
    [COUNTER_URGENT_LOWERED] = "Messages beyond a quota of urgent mail: they went in lane high.",
    [COUNTER_CONNECTIONS_OUT] = "Sessions opened to destinations.",
    [COUNTER_CONNECTS_FAILED] = "Sessions to destinations that could not be opened.",
    [COUNTER_SESSIONS_REUSED] = "Transactions on a session that had carried one before.",
    [COUNTER_BYTES_OUT] = "Bytes sent to destinations.",
};

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static void put_counters(struct buf *out, const json_t *relay)
{
    for (int c = 0; c < COUNTERS; c++) {
        char name[64];
        snprintf(name, sizeof name, "%s_total", counter_names[c]);
        const char *help = counter_help[c] ? counter_help[c] : "See `report deliveries`.";
        put_one(out, name, "counter", help, number(relay, counter_names[c]));
    }
}

static void put_queue_state(struct buf *out, const json_t *queue, const char *lane,
                            const char *state, const char *key)
{
    buf_puts(out, "waypost_queue_items{");
    metrics_put_label(out, "lane", slice_of(lane));
    metrics_put_label(out, "state", slice_of(state));
    buf_putc(out, '}');
    metrics_put_value(out, number(queue, key));
}

static void put_queue(struct buf *out, const json_t *queue)
{
    static const char *const states[] = { "busy", "waiting", "held" };
    metrics_put_head(out, "queue_items", "gauge",
                     "Mail by lane and state; lanes are those of ready mail.");
    for (int lane = 0; lane < LANE_COUNT; lane++)
        put_queue_state(out, queue, lane_names[lane], "ready", lane_names[lane]);
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        put_queue_state(out, queue, "all", states[i], states[i]);
    put_one(out, "queue_sites", "gauge", "Destination sites with mail.", number(queue, "sites"));
    put_one(out, "queue_sites_backing_off", "gauge", "Sites that are left alone for a while.",
            number(queue, "backing_off"));
    put_one(out, "queue_oldest_seconds", "gauge", "Age of the oldest mail.",
            number(queue, "oldest_s"));
    put_one(out, "sessions_open", "gauge", "Sessions to destinations.", number(queue, "sessions"));
}

static void put_wait(struct buf *out, const char *lane, const char *suffix, const char *le,
                     double value)
{
    buf_printf(out, "waypost_queue_seconds%s{", suffix);
    metrics_put_label(out, "lane", slice_of(lane));
    if (le)
        metrics_put_label(out, "le", slice_of(le));
    buf_putc(out, '}');
    metrics_put_value(out, value);
}

static void put_waits_of(struct buf *out, const char *lane, const json_t *row)
{
    double count = 0;
    for (size_t i = 0; i < WAIT_BUCKETS; i++) {
        char le[32] = "+Inf";
        if (i < WAIT_BUCKETS - 1)
            snprintf(le, sizeof le, "%g", (double)wait_bounds_ms[i] / 1000);
        count += json_number_value(json_array_get(row, i));
        put_wait(out, lane, "_bucket", le, count);
    }
    put_wait(out, lane, "_sum", NULL, json_number_value(json_array_get(row, WAIT_BUCKETS)) / 1000);
    put_wait(out, lane, "_count", NULL, count);
}

static void put_waits(struct buf *out, const json_t *waits)
{
    metrics_put_head(out, "queue_seconds", "histogram",
                     "From when mail could leave to its delivery, each recipient.");
    for (int lane = 0; lane < LANE_COUNT; lane++)
        put_waits_of(out, lane_names[lane], json_object_get(waits, lane_names[lane]));
}

static void put_spool(struct buf *out, const json_t *relay)
{
    put_one(out, "spool_commits_total", "counter", "Messages made durable.",
            number(relay, "spool_commits"));
    put_one(out, "spool_syncs_total", "counter", "Flushes to the disk.",
            number(relay, "spool_syncs"));
    put_one(out, "spool_corrupt_total", "counter", "Damaged records set aside.",
            number(relay, "spool_corrupt"));
    put_one(out, "spool_waiting", "gauge", "Requests not yet written.",
            number(relay, "spool_waiting"));
    put_one(out, "spool_free_bytes", "gauge", "Room left where the spool is.",
            number(relay, "spool_free_bytes"));
    metrics_put_head(out, "spool_flush_seconds", "gauge", "Time of a recent flush.");
    buf_puts(out, "waypost_spool_flush_seconds{quantile=\"0.5\"}");
    metrics_put_value(out, number(relay, "spool_flush_us_p50") / 1e6);
    buf_puts(out, "waypost_spool_flush_seconds{quantile=\"0.99\"}");
    metrics_put_value(out, number(relay, "spool_flush_us_p99") / 1e6);
}

/* ---- egresses ---- */

static void put_egresses(struct buf *out, const struct live *live)
{
    const struct advice *a = live->advice;
    metrics_put_head(out, "egress_up", "gauge", "1: takes mail; 0: `fault` says why not.");
    for (uint32_t i = 0; i < a->egress_n; i++) {
        unsigned fault = a->egress[i].fault <= EGRESS_BARRED ? a->egress[i].fault : EGRESS_FINE;
        buf_puts(out, "waypost_egress_up{");
        metrics_put_label(out, "egress", a->egress[i].name);
        metrics_put_label(out, "fault", slice_of(egress_fault_names[fault]));
        buf_putc(out, '}');
        metrics_put_value(out, fault == EGRESS_FINE);
    }
}

/* ---- paths ---- */

static double path_rtt(const struct live *live, uint32_t path)
{
    return (double)live_path(live, path)->rtt_ms / 1000;
}

static double path_loss(const struct live *live, uint32_t path)
{
    return (double)live_path(live, path)->loss;
}

static double path_fail(const struct live *live, uint32_t path)
{
    return (double)live_path(live, path)->fail;
}

static double path_goodput(const struct live *live, uint32_t path)
{
    return (double)live_path(live, path)->goodput * 1000;
}

static double path_cost(const struct live *live, uint32_t path)
{
    double ms = live_path_cost(live, path);
    return ms < 0 ? 0 : ms / 1000;
}

static double path_state(const struct live *live, uint32_t path)
{
    return live_path(live, path)->state;
}

static double path_preferred(const struct live *live, uint32_t path)
{
    return live_path_preferred(live, path);
}

static const struct {
    const char *name, *help;
    double (*value)(const struct live *live, uint32_t path);
} path_metrics[] = {
    { "path_cost_seconds", "Predicted time of a small mail.", path_cost },
    { "path_rtt_seconds", "Smoothed round trip.", path_rtt },
    { "path_loss_ratio", "Share of segments lost.", path_loss },
    { "path_fail_ratio", "Probability that a session cannot be set up.", path_fail },
    { "path_goodput_bytes_per_second", "What a bulk transfer gets; 0: not known.", path_goodput },
    { "path_state", "0 unknown, 1 up, 2 suspect, 3 down.", path_state },
    { "path_preferred", "1: small mail of this group goes this way.", path_preferred },
};

/* A path's claim to be shown: preferred ones before all others, then by samples. */
static double rank_of(const struct live *live, uint32_t path)
{
    double samples = (double)live_path(live, path)->samples;
    return live_path_preferred(live, path) ? 1e12 + samples : samples;
}

struct ranked {
    double rank;
    uint32_t path;
};

static int by_rank(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->rank != y->rank)
        return x->rank < y->rank ? 1 : -1;
    return x->path < y->path ? -1 : x->path > y->path;
}

static void put_path_metric(struct buf *out, const struct live *live, const struct ranked *paths,
                            size_t n, size_t metric)
{
    metrics_put_head(out, path_metrics[metric].name, "gauge", path_metrics[metric].help);
    for (size_t i = 0; i < n; i++) {
        buf_printf(out, "waypost_%s{", path_metrics[metric].name);
        metrics_put_label(out, "egress", live_path_egress(live, paths[i].path)->name);
        metrics_put_label(out, "carrier", live_path_group(live, paths[i].path)->carrier);
        metrics_put_label(out, "region", live_path_group(live, paths[i].path)->region);
        buf_putc(out, '}');
        metrics_put_value(out, path_metrics[metric].value(live, paths[i].path));
    }
}

static void put_paths(struct buf *out, const struct live *live)
{
    uint32_t count = live_path_count(live);
    struct ranked *paths = mem_array(count + 1, sizeof *paths);
    size_t n = 0;
    for (uint32_t p = 0; p < count; p++) {
        if (live_path(live, p)->samples > 0)
            paths[n++] = (struct ranked){ rank_of(live, p), p };
    }
    qsort(paths, n, sizeof *paths, by_rank);
    size_t shown = n < METRICS_PATHS_MAX ? n : METRICS_PATHS_MAX;
    for (size_t m = 0; m < sizeof path_metrics / sizeof path_metrics[0]; m++)
        put_path_metric(out, live, paths, shown, m);
    put_one(out, "paths_left_out", "gauge", "Measured paths that are not shown here.",
            (double)(n - shown));
    free(paths);
}

static void put_groups(struct buf *out, const struct live *live)
{
    const struct advice *a = live->advice;
    metrics_put_head(out, "group_destination_suspect", "gauge",
                     "1: the group fails from every egress, no path is to blame.");
    for (uint32_t g = 0; g < a->group_n; g++) {
        buf_puts(out, "waypost_group_destination_suspect{");
        metrics_put_label(out, "carrier", a->group[g].carrier);
        metrics_put_label(out, "region", a->group[g].region);
        buf_putc(out, '}');
        metrics_put_value(out, a->group[g].destination_suspect);
    }
}

void metrics_put(struct buf *out, const struct metrics *m)
{
    put_one(out, "relay_up", "gauge", "1: the relay answers.", m->relay != NULL);
    metrics_put_head(out, "build_info", "gauge", "The version, as a label.");
    buf_puts(out, "waypost_build_info{version=\"" WAYPOST_VERSION "\"} 1\n");
    if (m->relay) {
        put_counters(out, m->relay);
        put_queue(out, json_object_get(m->relay, "queue"));
        put_waits(out, json_object_get(m->relay, "waits"));
        put_spool(out, m->relay);
    }
    for (size_t i = 0; i < m->own_n; i++)
        put_one(out, m->own[i].name, m->own[i].counter ? "counter" : "gauge", m->own[i].help,
                m->own[i].value);
    if (m->live->advice) {
        put_egresses(out, m->live);
        put_groups(out, m->live);
        put_paths(out, m->live);
    }
    if (m->live->standing)
        metrics_put_standing(out, m->live->standing, m->live->wall_ms);
}
