#include "policies/retry.h"

static int64_t first_wait(const struct conf_retry *conf, enum retry_cause cause)
{
    switch (cause) {
    case RETRY_GREYLIST:
        return conf->greylist;
    case RETRY_DNS:
        return conf->dns;
    case RETRY_THROTTLED:
        return conf->throttled;
    case RETRY_TLS:
        return conf->tls;
    case RETRY_REMOTE:
    case RETRY_CAUSES:
        break;
    }
    return conf->first;
}

/* No try comes so late that nothing could come of it, and none right after the one before. */
static int64_t before_expiry(int64_t wait, int64_t left)
{
    if (left > 0 && wait > left - RETRY_LAST_MS && left >= 2 * RETRY_LAST_MS)
        return left - RETRY_LAST_MS;
    return left > 0 && wait > left ? left : wait;
}

int64_t retry_next(const struct conf_retry *conf, enum retry_cause cause, unsigned attempts,
                   int64_t expiry, int64_t now, struct rnd *rnd)
{
    int64_t wait = first_wait(conf, cause);
    for (unsigned i = 1; i < attempts && wait < conf->max; i++)
        wait *= 2;
    if (wait > conf->max)
        wait = conf->max;
    wait = before_expiry(rnd_jitter(rnd, wait, 20), expiry - now);
    return now + (wait > 0 ? wait : 1);
}

int64_t retry_expiry(const struct conf_retry *conf, int64_t since)
{
    return since + conf->expire;
}

bool retry_notice_due(const struct conf_retry *conf, int64_t since, int64_t expiry, int64_t now,
                      bool sent)
{
    return !sent && conf->delay_notice > 0 && now >= since + conf->delay_notice && now < expiry;
}
