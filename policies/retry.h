/*
 * policies/retry — when a deferred recipient is tried again, and when we give up
 *
 *   The wait starts at the figure for the kind of refusal and doubles with each attempt up to
 *   retry.max, moved by +-20 %. Times are Unix time in milliseconds; pure: time and randomness come
 *   in.
 *
 *   Each lane has its own figures.
 *
 * Guarantees: now < retry_next() <= the expiry unless that is past. What would come later than
 *             RETRY_LAST_MS before the expiry comes then: the last try. When not even that long
 *             again is left, there is none more: it would follow on the heels of the one before.
 * See:        RFC 5321 section 4.5.4.1
 */
#ifndef WAYPOST_POLICIES_RETRY_H
#define WAYPOST_POLICIES_RETRY_H

#include "gateway/base/rnd.h"
#include "gateway/conf/rules.h"

enum { RETRY_LAST_MS = 10000 };

enum retry_cause {
    RETRY_REMOTE,    /* a 4yz reply or a broken connection */
    RETRY_GREYLIST,  /* the other side asks for patience */
    RETRY_DNS,       /* the name could not be resolved now */
    RETRY_THROTTLED, /* too many, too fast */
    RETRY_TLS,       /* TLS is required and failed */
    RETRY_CAUSES
};

/* `conf` is that of the mail's lane (struct conf_retries, lane). `attempts` made so far, at
 * least 1; `expiry` is the mail's own. */
int64_t retry_next(const struct conf_retry *conf, enum retry_cause cause, unsigned attempts,
                   int64_t expiry, int64_t now, struct rnd *rnd);
/* `since` is when it could leave: the 250, or when it was released. */
int64_t retry_expiry(const struct conf_retry *conf, int64_t since);
/* Is a "delayed" notice due and not yet sent? */
bool retry_notice_due(const struct conf_retry *conf, int64_t since, int64_t expiry, int64_t now,
                      bool sent);

#endif
