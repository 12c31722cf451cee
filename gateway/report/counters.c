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
    [COUNTER_LOG_LOST] = "log_lines_lost",
    [COUNTER_CONNECTIONS_IN] = "connections_in",
    [COUNTER_CONNECTIONS_REFUSED] = "connections_refused",
    [COUNTER_REJECTED] = "rejected",
    [COUNTER_TEMPFAILED] = "tempfailed",
    [COUNTER_AUTH_FAILED] = "auth_failed",
    [COUNTER_CONNECTIONS_OUT] = "connections_out",
    [COUNTER_CONNECTS_FAILED] = "connects_failed",
    [COUNTER_SESSIONS_REUSED] = "sessions_reused",
    [COUNTER_BYTES_OUT] = "bytes_out",
};
