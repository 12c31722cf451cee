#include "policies/when.h"

#include "policies/compiled.h"

static bool any_header(const struct term *t, const struct facts *f)
{
    for (size_t i = 0; i < f->header_count; i++)
        if (slice_ieq(f->headers[i].name, t->header) &&
            pattern_match_any(t->patterns, t->n, f->headers[i].value))
            return true;
    return false;
}

static bool any_mx(const struct term *t, const struct facts *f)
{
    for (size_t i = 0; i < f->mx_count; i++)
        if (pattern_match_any(t->patterns, t->n, f->mx[i]))
            return true;
    return false;
}

static bool any_client(const struct term *t, const struct facts *f)
{
    if (pattern_match_any(t->patterns, t->n, f->client))
        return true;
    for (size_t i = 0; i < t->networks_n; i++)
        if (f->client_addr.family != ADDR_NONE &&
            network_contains(&t->networks[i], &f->client_addr))
            return true;
    return false;
}

static bool any_range(const struct term *t, uint64_t size)
{
    for (size_t i = 0; i < t->n; i++)
        if (size >= t->ranges[i].min && size <= t->ranges[i].max)
            return true;
    return false;
}

static bool any_window(const struct term *t, int64_t wall_ms)
{
    for (size_t i = 0; i < t->n; i++)
        if (time_window_match(&t->windows[i], wall_ms))
            return true;
    return false;
}

static bool term_matches(const struct term *t, const struct facts *f)
{
    switch (t->key) {
    case WHEN_SENDER:
        return pattern_match_any(t->patterns, t->n, f->sender);
    case WHEN_RECIPIENT:
        return pattern_match_any(t->patterns, t->n, f->recipient);
    case WHEN_SENDER_DOMAIN:
        return pattern_match_any(t->patterns, t->n, f->sender_domain);
    case WHEN_RECIPIENT_DOMAIN:
        return pattern_match_any(t->patterns, t->n, f->recipient_domain);
    case WHEN_CLIENT:
        return any_client(t, f);
    case WHEN_USER:
        return pattern_match_any(t->patterns, t->n, f->user);
    case WHEN_HEADER:
        return any_header(t, f);
    case WHEN_SIZE:
        return any_range(t, f->size);
    case WHEN_MX:
        return any_mx(t, f);
    case WHEN_SITE:
        return pattern_match_any(t->patterns, t->n, f->site);
    case WHEN_CARRIER:
        return pattern_match_any(t->patterns, t->n, f->carrier);
    case WHEN_REGION:
        return pattern_match_any(t->patterns, t->n, f->region);
    case WHEN_PRIORITY:
        return t->lanes & (1u << f->lane);
    case WHEN_TIME:
        return any_window(t, f->wall_ms);
    case WHEN_PROVIDER:
        return pattern_match_any(t->patterns, t->n, f->provider);
    case WHEN_EGRESS:
        return pattern_match_any(t->patterns, t->n, f->egress);
    case WHEN_TEXT:
        return pattern_match_any(t->patterns, t->n, f->text);
    case WHEN_KEYS:
        break;
    }
    return false;
}

static enum answer term_answer(const struct term *t, const struct facts *f)
{
    if (t->any || (f->assumed & FACT_BIT(t->key)))
        return ANSWER_YES; /* "*" holds whatever the fact turns out to be */
    if (f->known & FACT_BIT(t->key))
        return term_matches(t, f) ? ANSWER_YES : ANSWER_NO;
    return f->final ? ANSWER_NO : ANSWER_UNKNOWN;
}

enum answer when_answer(const struct when *w, const struct facts *f)
{
    enum answer all = ANSWER_YES;
    for (size_t i = 0; i < w->n; i++) {
        enum answer a = term_answer(&w->terms[i], f);
        if (a == ANSWER_NO)
            return ANSWER_NO;
        if (a == ANSWER_UNKNOWN)
            all = ANSWER_UNKNOWN;
    }
    if (!w->negated || f->past_not)
        return all;
    enum answer negated = when_answer(w->negated, f);
    if (negated == ANSWER_YES)
        return ANSWER_NO;
    return negated == ANSWER_UNKNOWN ? ANSWER_UNKNOWN : all;
}

unsigned when_needs(const struct when *w)
{
    unsigned needs = 0;
    for (size_t i = 0; i < w->n; i++)
        if (!w->terms[i].any)
            needs |= FACT_BIT(w->terms[i].key);
    return w->negated ? needs | when_needs(w->negated) : needs;
}
