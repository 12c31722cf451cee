#include "policies/traffic.h"

#include "policies/compiled.h"

static const unsigned DOMAINS = FACT_BIT(WHEN_RECIPIENT) | FACT_BIT(WHEN_RECIPIENT_DOMAIN);

/* ---- what a rule counts over ---- */

static const struct {
    enum when_key key;
    unsigned over;
    const char *name;
} scopes[] = {
    { WHEN_PROVIDER, OVER_PROVIDER, "provider" },
    { WHEN_CARRIER, OVER_CARRIER, "carrier" },
    { WHEN_REGION, OVER_REGION, "region" },
    { WHEN_EGRESS, OVER_EGRESS, "egress" },
};

enum { SCOPES = sizeof scopes / sizeof scopes[0] };

static struct slice value_of(const struct facts *f, size_t scope)
{
    const struct slice values[SCOPES] = { f->provider, f->carrier, f->region, f->egress };
    return values[scope];
}

/* A site is in one place and of one provider: where it is named, they add nothing. */
static unsigned over_of(const struct conf_when *when)
{
    unsigned over = 0;
    bool site = false;
    for (size_t i = 0; i < when->terms.n; i++) {
        enum when_key key = when->terms.at[i].key;
        for (size_t k = 0; k < SCOPES; k++)
            if (scopes[k].key == key)
                over |= scopes[k].over;
        site = site || key == WHEN_MX || key == WHEN_SITE || (DOMAINS & FACT_BIT(key));
    }
    if (site || !(over & ~(unsigned)OVER_EGRESS))
        return (over & OVER_EGRESS) | (site || !over ? OVER_SITE : 0);
    return over;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    return (a ^ (b << 27 | b >> 37)) * UINT64_C(0x9e3779b97f4a7c15);
}

static uint64_t key_of(const struct conf_when *when)
{
    uint64_t key = 1;
    for (size_t i = 0; i < when->terms.n; i++) {
        const struct conf_term *t = &when->terms.at[i];
        key = mix(key, t->key + UINT64_C(1));
        for (size_t k = 0; k < t->patterns.n; k++)
            key = mix(key, slice_hash_stable(t->patterns.at[k].text));
    }
    return when->negated ? mix(key, key_of(when->negated) + 1) : key;
}

void traffic_compile(struct policies *p, struct conf_errors *errors)
{
    const struct conf_rules *r = &p->conf->rules;
    p->traffic = arena_alloc(p->arena, (r->traffic.n + 1) * sizeof *p->traffic);
    for (size_t i = 0; i < r->traffic.n; i++) {
        const struct conf_when *when = &r->traffic.at[i].when;
        struct compiled_traffic *t = &p->traffic[i];
        t->when = when_compile(p->arena, when, errors);
        t->needs = when_needs(t->when);
        t->over = over_of(when);
        t->key = key_of(when);
        p->traffic_needs |= t->needs;
    }
}

bool policies_traffic_needs_place(const struct policies *p)
{
    return p->traffic_needs & (FACT_BIT(WHEN_CARRIER) | FACT_BIT(WHEN_REGION));
}

bool policies_traffic_needs_domain(const struct policies *p)
{
    return p->traffic_needs & DOMAINS;
}

bool policies_traffic_needs_egress(const struct policies *p)
{
    return p->traffic_needs & FACT_BIT(WHEN_EGRESS);
}

size_t policies_traffic_count(const struct policies *p)
{
    return p->conf->rules.traffic.n;
}

/* ---- which apply ---- */

static bool applies(const struct policies *p, size_t i, const struct traffic_question *q)
{
    const struct compiled_traffic *t = &p->traffic[i];
    if (!q->by_domain || !(t->needs & DOMAINS))
        return when_answer(t->when, q->f) == ANSWER_YES;
    struct facts f = *q->f;
    f.assumed |= DOMAINS;
    f.past_not = true;
    return q->by_domain[i] && when_answer(t->when, &f) == ANSWER_YES;
}

bool policies_traffic_meets(const struct policies *p, const struct facts *site,
                            struct slice recipient, bool *by_domain)
{
    struct facts f = *site;
    bool any = false;
    facts_set_recipient(&f, recipient);
    for (size_t i = 0; i < p->conf->rules.traffic.n; i++) {
        const struct compiled_traffic *t = &p->traffic[i];
        if (by_domain[i] || !(t->needs & DOMAINS) || when_answer(t->when, &f) == ANSWER_NO)
            continue;
        by_domain[i] = any = true;
    }
    return any;
}

/* ---- numbers of the site ---- */

/* 0 says nothing; `given` tells whether a rule has spoken before. */
static void stricter(uint64_t *limit, bool *given, uint64_t rule)
{
    if (rule == 0)
        return;
    if (!*given || rule < *limit)
        *limit = rule;
    *given = true;
}

void policies_traffic(const struct policies *p, const struct traffic_question *q,
                      struct traffic_limits *limits_r)
{
    const struct conf *c = p->conf;
    bool connections = false, messages = false, recipients = false;
    uint64_t shared = 0;
    *limits_r = (struct traffic_limits){
        .connections = c->delivery.connections,
        .messages_per_connection = c->delivery.messages_per_connection,
        .recipients_per_message = c->delivery.recipients_per_message,
    };
    for (size_t i = 0; i < c->rules.traffic.n; i++) {
        const struct conf_traffic *t = &c->rules.traffic.at[i];
        if (!applies(p, i, q))
            continue;
        stricter(&limits_r->messages_per_connection, &messages, t->messages_per_connection);
        stricter(&limits_r->recipients_per_message, &recipients, t->recipients_per_message);
        if (p->traffic[i].over == OVER_SITE)
            stricter(&limits_r->connections, &connections, t->connections);
        else if (t->connections && !(p->traffic[i].over & OVER_EGRESS) &&
                 (!shared || t->connections < shared))
            shared = t->connections;
    }
    /* What many sites may have together may be had by one. */
    if (shared && (!limits_r->connections || shared < limits_r->connections))
        limits_r->connections = shared;
}

/* ---- tolls ---- */

static bool slower(struct rate a, struct rate b)
{
    return (__extension__(unsigned __int128) a.count) * (uint64_t)b.per_ms <
           (__extension__(unsigned __int128) b.count) * (uint64_t)a.per_ms;
}

static uint64_t toll_key(const struct compiled_traffic *t, const struct traffic_question *q)
{
    uint64_t key = mix(t->key, t->over);
    bool site = t->over & OVER_SITE;
    for (size_t k = 0; k < SCOPES; k++) {
        if (!(t->over & scopes[k].over))
            continue;
        struct slice value = value_of(q->f, k);
        key = mix(key, slice_hash_stable(value));
        site = site || value.n == 0; /* of no provider, or nowhere: it stands for itself */
    }
    if (site)
        key = mix(key, slice_hash_stable(q->site_key));
    return key ? key : 1;
}

static void add_rule(struct traffic_toll *toll, const struct conf_traffic *rule)
{
    const struct rate *of[TRAFFIC_RATES] = { [TRAFFIC_MESSAGES] = &rule->rate,
                                             [TRAFFIC_RECIPIENTS] = &rule->recipient_rate,
                                             [TRAFFIC_BYTES] = &rule->byte_rate,
                                             [TRAFFIC_OPENED] = &rule->connection_rate };
    bool given = toll->connections > 0;
    if (toll->over != OVER_SITE) /* a site's are counted where it lives */
        stricter(&toll->connections, &given, rule->connections);
    for (size_t k = 0; k < TRAFFIC_RATES; k++)
        if (of[k]->count && (!toll->rate[k].count || slower(*of[k], toll->rate[k])))
            toll->rate[k] = *of[k];
}

static bool is_toll(const struct traffic_toll *t)
{
    uint64_t any = t->connections;
    for (size_t k = 0; k < TRAFFIC_RATES; k++)
        any |= t->rate[k].count;
    return any;
}

size_t policies_tolls(const struct policies *p, const struct traffic_question *q,
                      struct traffic_toll *tolls_r)
{
    size_t n = 0, kept = 0;
    for (size_t i = 0; i < p->conf->rules.traffic.n; i++) {
        const struct conf_traffic *rule = &p->conf->rules.traffic.at[i];
        if (!applies(p, i, q))
            continue;
        uint64_t key = toll_key(&p->traffic[i], q);
        size_t at = 0;
        while (at < n && tolls_r[at].key != key)
            at++;
        if (at == n)
            tolls_r[n++] =
                (struct traffic_toll){ .key = key, .over = p->traffic[i].over, .rule = rule };
        add_rule(&tolls_r[at], rule);
    }
    for (size_t i = 0; i < n; i++)
        if (is_toll(&tolls_r[i]))
            tolls_r[kept++] = tolls_r[i];
    return kept;
}

void traffic_put_over(struct buf *out, unsigned over, const struct facts *f)
{
    const char *joint = "";
    for (size_t k = 0; k < SCOPES; k++) {
        if (!(over & scopes[k].over) || value_of(f, k).n == 0)
            continue;
        buf_printf(out, "%s%s ", joint, scopes[k].name);
        buf_put_slice(out, value_of(f, k));
        joint = " and ";
    }
}
