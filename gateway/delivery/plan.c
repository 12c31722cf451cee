/*
 * delivery/plan — what of a mail this hop gets, and what it lacks for the rest
 */
#include "gateway/delivery/session.h"

static struct finding lacking(const struct hop_refusal *refusal)
{
    return (struct finding){ .where = WHERE_HOP,
                             .fault = FAULT_OURS,
                             .code = refusal->code,
                             .status = refusal->status,
                             .text = slice_of(refusal->text) };
}

void attempt_make_plan(struct attempt *a, const struct session *s)
{
    struct hop_refusal refusal;
    a->planned = true;
    if (mailparams_plan(attempt_env(a), &s->caps, loop_wall_ms(s->delivery->loop), &a->plan,
                        &refusal)) {
        struct finding f = lacking(&refusal);
        attempt_find_all(a, &f);
        return;
    }
    for (uint32_t i = 0; i < a->env.recipients_n; i++) {
        if (mailparams_check_rcpt(&a->plan, &a->env.recipients[i], &refusal) == RC_OK)
            continue;
        struct finding f = lacking(&refusal);
        attempt_find(a, i, &f);
    }
    a->bdat = s->caps.ext & EXT_CHUNKING;
}
