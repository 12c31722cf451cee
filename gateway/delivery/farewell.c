/*
 * delivery/farewell — 421 to a recipient, when the peer has all of the message already
 */
#include "gateway/delivery/session.h"
#include "gateway/io/stream.h"

bool transact_all_out(const struct session *s, const struct attempt *a)
{
    return stream_bytes_out(s->stream) - stream_queued(s->stream) >= a->end_mark;
}

bool transact_farewell(struct session *s)
{
    struct attempt *a = s->front;
    const struct expected *e = &s->expected[s->expected_at];
    if (s->state != SESSION_WORKING || e->step != STEP_RCPT || e->attempt != a ||
        a->step != ATTEMPT_FINAL || a->mail_refused || !transact_all_out(s, a))
        return false;
    a->farewell = 1 + a->batch[a->answered];
    s->transactions_max = s->transactions; /* nothing more goes by it */
    return true;
}

const struct finding *transact_farewell_of(const struct session *s)
{
    const struct attempt *a = s->state == SESSION_WORKING ? s->front : NULL;
    return a && a->farewell ? &a->findings[a->farewell - 1] : NULL;
}
