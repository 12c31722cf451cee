#include "gateway/report/counters.h"

const char *const counter_names[COUNTERS] = {
    [COUNTER_RECEIVED] = "received",
    [COUNTER_RECEIVED_BYTES] = "received_bytes",
    [COUNTER_DELIVERED] = "delivered",
    [COUNTER_DEFERRED] = "deferred",
    [COUNTER_REROUTED] = "rerouted",
    [COUNTER_BOUNCED] = "bounced",
    [COUNTER_EXPIRED] = "expired",
    [COUNTER_HELD] = "held",
    [COUNTER_DROPPED] = "dropped",
    [COUNTER_RELOADS] = "reloads",
    [COUNTER_EGRESS_CHANGES] = "egress_changes",
    [COUNTER_PATH_SWITCHES] = "path_switches",
    [COUNTER_LISTING_CHANGES] = "listing_changes",
    [COUNTER_LOG_LOST] = "log_lines_lost",
    [COUNTER_CONNECTIONS_IN] = "connections_in",
    [COUNTER_CONNECTIONS_REFUSED] = "connections_refused",
    [COUNTER_REJECTED] = "rejected",
    [COUNTER_TEMPFAILED] = "tempfailed",
    [COUNTER_AUTH_FAILED] = "auth_failed",
    [COUNTER_URGENT_LOWERED] = "urgent_lowered",
    [COUNTER_CONNECTIONS_OUT] = "connections_out",
    [COUNTER_CONNECTS_FAILED] = "connects_failed",
    [COUNTER_SESSIONS_REUSED] = "sessions_reused",
    [COUNTER_BYTES_OUT] = "bytes_out",
};

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };

const int64_t wait_bounds_ms[WAIT_BUCKETS - 1] = {
    50,          100,    250,        500,         SECOND,   2500,     5 * SECOND, 10 * SECOND,
    30 * SECOND, MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 8 * HOUR, 24 * HOUR,
};

void counter_add_wait(struct counters *c, enum lane lane, int64_t waited_ms)
{
    size_t at = 0;
    while (at < WAIT_BUCKETS - 1 && waited_ms > wait_bounds_ms[at])
        at++;
    counter_bump(&c->waits[lane][at], 1);
    counter_bump(&c->waited_ms[lane], (uint64_t)(waited_ms > 0 ? waited_ms : 0));
}
