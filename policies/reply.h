/*
 * policies/reply — the operator's word on what a remote reply means (`replies:` of policies.yaml)
 *
 *   The first rule that matches wins. Facts not filled in match no pattern: a reply is judged once,
 *   with what is known then.
 */
#ifndef WAYPOST_POLICIES_REPLY_H
#define WAYPOST_POLICIES_REPLY_H

#include "policies/policies.h"

struct reply_choice {
    const char *rule; /* "replies[2]", counted from 0; NULL: none matches. Lives as long as p */
    enum reply_class class;
};

/* `f` with WHEN_TEXT among its known facts: the reply as one line (reputation/reply.h,
 * reply_normal). */
struct reply_choice policies_reply(const struct policies *p, const struct facts *f);

#endif
