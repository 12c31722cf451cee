#include "policies/cost.h"

#include <math.h>

/* Round trips. The relay pipelines: MAIL, RCPT and DATA are one, the final dot another. */
static const double SETUP_TRIPS = 3; /* SYN, greeting, EHLO */
static const double TLS_TRIPS = 3;   /* STARTTLS, TLS 1.3, EHLO again */
static const double DIALOGUE_TRIPS = 2;

/* Exchanges that one lost segment would hold up, and for how long. */
static const double SETUP_EXCHANGES = 7, DIALOGUE_EXCHANGES = 5;
static const double RTO_MS = 200, SYN_RTO_MS = 1000, REPEATED_MOST = 0.9;

static const double FIRST_WINDOW = 14600; /* bytes: ten segments, RFC 6928 */
static const double SEGMENT = 1460;
static const double RATE_UNKNOWN = 12500; /* bytes per ms: 100 Mbit/s */
static const double LOSS_LEAST = 1e-7;

double cost_goodput_bound(double rtt_ms, double loss)
{
    double rtt = rtt_ms > 0.1 ? rtt_ms : 0.1;
    return SEGMENT / rtt * sqrt(1.5 / fmax(loss, LOSS_LEAST));
}

/* Slow start from ten segments until the rate or the end is reached, then at that rate. */
static double transfer(double rtt_ms, double rate, const struct cost_mail *mail)
{
    double bytes = (double)mail->bytes, ms = bytes / rate;
    if (mail->warm)
        return ms;
    double window = fmin(bytes, rate * rtt_ms);
    return ms + rtt_ms * log2(1 + window / FIRST_WINDOW);
}

void cost_predict(const struct advice_path *path, double think_ms, double policy_ms,
                  const struct cost_mail *mail, struct cost *c)
{
    static const struct advice_path unknown = { .state = PATH_UNKNOWN };
    const struct advice_path *p = path ? path : &unknown;
    double rtt = p->rtt_ms > 0 ? (double)p->rtt_ms : COST_RTT_UNKNOWN_MS, loss = (double)p->loss;
    double again = loss / (1 - fmin(2 * loss, REPEATED_MOST)); /* each time-out is twice the last */
    double trip = rtt + 0.5 * (double)p->rtt_var_ms, rto = fmax(RTO_MS, 2 * rtt);
    double rate =
        p->goodput > 0 ? (double)p->goodput : fmin(RATE_UNKNOWN, cost_goodput_bound(rtt, loss));
    *c = (struct cost){ .dialogue_ms = DIALOGUE_TRIPS * trip,
                        .think_ms = think_ms,
                        .policy_ms = policy_ms };
    c->loss_ms = again * rto * DIALOGUE_EXCHANGES;
    if (!mail->warm) {
        c->setup_ms = (SETUP_TRIPS + (mail->tls ? TLS_TRIPS : 0)) * trip;
        c->loss_ms += again * (rto * SETUP_EXCHANGES + SYN_RTO_MS);
    }
    c->transfer_ms = transfer(rtt, rate / (1 + (double)mail->active), mail);
    if (!mail->warm || p->state != PATH_UP)
        c->failure_ms = (double)p->fail * COST_FAILURE_MS;
    c->total_ms = c->setup_ms + c->dialogue_ms + c->loss_ms + c->think_ms + c->transfer_ms +
                  c->failure_ms + c->policy_ms;
}

double cost_of_path(const struct advice_path *path, double think_ms, double policy_ms,
                    uint64_t bytes)
{
    struct cost_mail mail = { .bytes = bytes, .tls = true };
    struct cost cost;
    cost_predict(path, think_ms, policy_ms, &mail, &cost);
    return cost.total_ms;
}
