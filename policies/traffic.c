#include "policies/traffic.h"

#include "policies/compiled.h"

/* 0 says nothing; `given` tells whether a rule has spoken before. */
static void stricter(uint64_t *limit, bool *given, uint64_t rule)
{
    if (rule == 0)
        return;
    if (!*given || rule < *limit)
        *limit = rule;
    *given = true;
}

static bool slower(struct rate a, struct rate b)
{
    return (__extension__(unsigned __int128) a.count) * (uint64_t)b.per_ms <
           (__extension__(unsigned __int128) b.count) * (uint64_t)a.per_ms;
}

bool policies_traffic_needs_place(const struct policies *p)
{
    return p->traffic_needs & (FACT_BIT(WHEN_CARRIER) | FACT_BIT(WHEN_REGION));
}

void policies_traffic(const struct policies *p, const struct facts *f,
                      struct traffic_limits *limits_r)
{
    const struct conf *c = p->conf;
    bool connections = false, messages = false, recipients = false;
    *limits_r = (struct traffic_limits){
        .connections = c->delivery.connections,
        .messages_per_connection = c->delivery.messages_per_connection,
        .recipients_per_message = c->delivery.recipients_per_message,
    };
    for (size_t i = 0; i < c->rules.traffic.n; i++) {
        const struct conf_traffic *t = &c->rules.traffic.at[i];
        if (when_answer(p->traffic[i], f) != ANSWER_YES)
            continue;
        stricter(&limits_r->connections, &connections, t->connections);
        stricter(&limits_r->messages_per_connection, &messages, t->messages_per_connection);
        stricter(&limits_r->recipients_per_message, &recipients, t->recipients_per_message);
        if (t->rate.count && (!limits_r->rate.count || slower(t->rate, limits_r->rate)))
            limits_r->rate = t->rate;
    }
}
