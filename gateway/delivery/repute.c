#include "gateway/delivery/repute.h"

#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/conf/conf.h"
#include "gateway/delivery/allowance.h"
#include "gateway/delivery/egress.h"
#include "gateway/delivery/refusal.h"
#include "gateway/delivery/tally.h"
#include "gateway/mail/address.h"
#include "reputation/reply.h"

enum { FLUSH_MS = 1000 };

/* ---- telling ---- */

static void tell(struct delivery *d, struct slice egress, const struct addr *source,
                 struct slice mx, struct slice sender_domain, const struct finding *f)
{
    struct reply_report r = { .egress = slice_hash_stable(egress),
                              .source = *source,
                              .sender = sender_domain.n ? slice_hash_stable(sender_domain) : 0,
                              .count = 1,
                              .class = f->code >= 400 ? f->class : (uint8_t)REPLY_NONE,
                              .names_us = f->names_us,
                              .code = f->code };
    r.source.port = 0;
    report_text(r.provider, sizeof r.provider, reply_provider(d->replies, mx));
    if (f->code >= 400) {
        report_text(r.rule, sizeof r.rule, slice_of(f->rule ? f->rule : ""));
        report_text(r.text, sizeof r.text, f->text);
    }
    tally_add(d->tally, &r);
    if (!tally_empty(d->tally) && !timer_is_set(&d->tally_tick))
        timer_set(d->loop, &d->tally_tick, FLUSH_MS);
}

void repute_on_flush(struct timer *timer)
{
    tally_flush(CONTAINER_OF(timer, struct delivery, tally_tick)->tally);
}

/* One attempt is one piece of evidence. What speaks against the address outweighs the rest, for the
 * others were answered by the same server, at the same time. What a session was refused with before
 * its first mail was told by then (repute_tell_refused). */
static int gravity(const struct finding *f)
{
    if (f->fault != FAULT_NONE || !f->code || f->where < WHERE_MAIL)
        return 0;
    if (f->code >= 400 && f->class == REPLY_IP_BLOCKED)
        return 4;
    if (f->code >= 400 && f->class == REPLY_IP_THROTTLED)
        return 3;
    return f->code < 400 ? 2 : 1;
}

void repute_tell(const struct attempt *a, const struct hop *hop)
{
    const struct finding *worst = NULL;
    if (!hop || !a->delivery->replies)
        return;
    for (uint32_t i = 0; i < a->env.recipients_n; i++)
        if (gravity(&a->findings[i]) > (worst ? gravity(worst) : 0))
            worst = &a->findings[i];
    if (worst)
        tell(a->delivery, hop->egress, &hop->source, hop->mx, address_domain(a->env.sender), worst);
}

void repute_tell_refused(const struct session *s, const struct finding *f)
{
    if (f->fault != FAULT_NONE || f->code < 400 || !s->delivery->replies)
        return;
    const struct conf_egress *e = &policies_conf(s->policies)->egress.at[s->egress];
    tell(s->delivery, e->name, &s->source, session_mx(s),
         s->front ? address_domain(s->front->env.sender) : slice_of(""), f);
}

/* ---- obeying ---- */

struct slice repute_provider_of(const struct delivery *d, const struct mx_set *mx,
                                const struct conf_route *route)
{
    struct slice host = slice_of("");
    if (mx && mx->count)
        host = slice_of(mx->hosts[0].name);
    else if (!mx && route && route->hosts.n)
        host = route->hosts.at[0].host;
    return d->replies ? reply_provider(d->replies, host) : slice_of("");
}

struct slice repute_provider(struct target *t)
{
    if (!t->provider[0] && !list_empty(&t->site->flows)) {
        const struct flow *flow = CONTAINER_OF(t->site->flows.next, struct flow, link);
        report_text(t->provider, sizeof t->provider,
                    repute_provider_of(t->delivery, t->site->mx, flow->route));
    }
    return slice_of(t->provider);
}

/* Whoever takes the mail by this egress. */
static struct slice receiver(const struct delivery *d, int egress, struct slice provider)
{
    const struct conf_egress *e = egress_conf(d->egress, egress);
    return e->via.kind == CONF_VIA_RELAY ? reply_provider(d->replies, e->via.relay.host) : provider;
}

static bool nothing_known(const struct delivery *d)
{
    return !d->replies || !paths_has_standings(d->paths);
}

static uint64_t key_of(const struct delivery *d, int egress, struct slice provider)
{
    return allowance_key(egress_conf(d->egress, egress)->name, receiver(d, egress, provider));
}

static const struct advice_standing *standing_of(const struct delivery *d, int egress,
                                                 struct slice provider)
{
    return paths_standing(d->paths, egress, receiver(d, egress, provider), NULL);
}

/* Told to send less: at most 1 - share of its mail goes by other egresses, in proportion to what it
 * carries itself. */
static uint32_t spill_per_hour(const struct advice_standing *s)
{
    double share = (double)s->share, rate = s->per_hour * (1 - share) / share;
    return rate < 1 ? 1 : (uint32_t)rate;
}

static uint64_t spill_key(uint64_t key)
{
    return ~key ? ~key : 1;
}

static void set_allowance(const struct delivery *d, uint64_t key, const struct advice_standing *s,
                          struct egress_facts *f)
{
    int64_t now_us = clock_mono_us();
    f->spent = !allowance_left(d->allowances, key, s->per_hour, now_us);
    f->spills = f->spent && f->receiver == RECEIVER_LIMITS &&
                allowance_left(d->allowances, spill_key(key), spill_per_hour(s), now_us);
}

void repute_facts(const struct delivery *d, struct slice provider, struct egress_facts *facts)
{
    size_t n = delivery_conf(d)->egress.n;
    for (size_t i = 0; !nothing_known(d) && i < n && i < CHOICE_MAX; i++) {
        const struct advice_standing *s = standing_of(d, (int)i, provider);
        if (!s)
            continue;
        facts[i].receiver = s->share <= 0  ? RECEIVER_REFUSES
                            : s->share < 1 ? RECEIVER_LIMITS
                            : s->per_hour  ? RECEIVER_WARMS
                                           : RECEIVER_TAKES;
        facts[i].least_bad = s->last_resort;
        if (s->per_hour && s->share > 0 && d->allowances)
            set_allowance(d, key_of(d, (int)i, provider), s, &facts[i]);
    }
}

/* What is particular about one address of the session's egress; NULL: nothing. */
static const struct advice_standing *row_of(const struct session *s, const struct addr *source)
{
    const struct delivery *d = s->delivery;
    if (nothing_known(d) || s->policies != d->policies)
        return NULL;
    if (source->family == ADDR_NONE)
        return NULL;
    struct slice provider = receiver(d, s->egress, repute_provider(s->target));
    const struct advice_standing *row = paths_standing(d->paths, s->egress, provider, source);
    return row && (row->share < 1 || row->per_hour) ? row : NULL;
}

static bool is_blocked(const struct advice_standing *row)
{
    return row && row->share <= 0;
}

bool repute_may_carry(const struct session *s)
{
    const struct delivery *d = s->delivery;
    if (s->policies != d->policies)
        return true;
    if (paths_barred(d->paths, s->egress, &s->source))
        return false;
    const struct advice_standing *standing =
        nothing_known(d) ? NULL : standing_of(d, s->egress, repute_provider(s->target));
    return (!standing || standing->share > 0) && !is_blocked(row_of(s, &s->source));
}

bool repute_suits(const struct session *s, const struct item *item)
{
    return !refusal_covers(item, &policies_conf(s->policies)->egress.at[s->egress], &s->source) &&
           !row_of(s, &s->source);
}

/* ---- what is taken for a mail ---- */

static bool take_part(const struct delivery *d, struct grant_of *of, uint64_t key,
                      uint32_t per_hour)
{
    if (!allowance_take(d->allowances, key, per_hour, clock_mono_us()))
        return false;
    *of = (struct grant_of){ key, per_hour };
    return true;
}

static bool give_parts_back(const struct delivery *d, struct grant *grant, enum grant_part from)
{
    bool any = false;
    for (enum grant_part part = from; part < GRANT_PARTS; part++) {
        struct grant_of *of = &grant->of[part];
        if (of->key)
            allowance_give_back(d->allowances, of->key, of->per_hour, clock_mono_us());
        any = any || of->key;
        *of = (struct grant_of){ 0 };
    }
    return any;
}

/* ---- which address of the egress ---- */

static uint64_t address_key(const struct session *s, const struct addr *source)
{
    char address[ADDR_TEXT_MAX];
    uint64_t key = key_of(s->delivery, s->egress, repute_provider(s->target)) ^
                   slice_hash_stable(slice_of(addr_host_text(source, address)));
    return key ? key : 1;
}

/* Blocked, or its limit is used up. A canary flies by a new connection, once in a while. */
static bool should_rest(const struct session *s, const struct addr *source)
{
    const struct delivery *d = s->delivery;
    const struct advice_standing *row = row_of(s, source);
    if (!row || is_blocked(row) || !d->allowances)
        return row;
    return !allowance_left(d->allowances, address_key(s, source), row->per_hour, clock_mono_us());
}

static bool rather_not(const struct session *s, const struct conf_egress *e,
                       bool rest[REPUTE_ADDRESSES_MAX])
{
    const struct item *item = s->front ? s->front->item : NULL;
    bool any = false;
    for (size_t i = 0; i < e->addresses.n; i++) {
        const struct addr *source = &e->addresses.at[i];
        rest[i] = (item && refusal_covers(item, e, source)) || should_rest(s, source);
        any = any || rest[i];
    }
    return any;
}

/* Only what is used counts against a limit. False: another worker has had the last of it. */
static bool take_turn(struct session *s, const struct conf_egress *e, const struct addr *source,
                      enum grant_part part, bool rest[REPUTE_ADDRESSES_MAX])
{
    const struct advice_standing *row = row_of(s, source);
    size_t i = 0;
    while (i < e->addresses.n && !addr_same_host(&e->addresses.at[i], source))
        i++;
    if (!row || i == e->addresses.n || rest[i] || !s->delivery->allowances)
        return true;
    rest[i] = !take_part(s->delivery, &s->grant.of[part], address_key(s, source), row->per_hour);
    return !rest[i];
}

void repute_source(struct session *s, struct dial_source *source_r)
{
    struct egress_table *table = s->delivery->egress;
    const struct conf_egress *e = egress_conf(table, s->egress);
    bool rest[REPUTE_ADDRESSES_MAX] = { false }, again;
    if (e->addresses.n < 2 || e->addresses.n > REPUTE_ADDRESSES_MAX) {
        egress_source(table, s->egress, NULL, source_r);
        return;
    }
    bool any = rather_not(s, e, rest);
    do {
        (void)give_parts_back(s->delivery, &s->grant, GRANT_V4); /* of the dial before */
        egress_source(table, s->egress, any ? rest : NULL, source_r);
        again = !take_turn(s, e, &source_r->v4, GRANT_V4, rest) ||
                !take_turn(s, e, &source_r->v6, GRANT_V6, rest);
        any = any || again;
    } while (again);
}

bool repute_take(struct target *t, int egress, int spilled, struct grant *grant)
{
    struct delivery *d = t->delivery;
    if (!d->allowances || nothing_known(d))
        return grant->held = true;
    struct slice provider = repute_provider(t);
    const struct advice_standing *s =
        spilled == EGRESS_NONE ? NULL : standing_of(d, spilled, provider);
    if (s && s->per_hour && s->share > 0 &&
        !take_part(d, &grant->of[GRANT_SPILL], spill_key(key_of(d, spilled, provider)),
                   spill_per_hour(s)))
        return false;
    s = standing_of(d, egress, provider);
    grant->held = !s || !s->per_hour ||
                  take_part(d, &grant->of[GRANT_EGRESS], key_of(d, egress, provider), s->per_hour);
    if (!grant->held)
        (void)give_parts_back(d, grant, GRANT_EGRESS);
    return grant->held;
}

void repute_give_back(struct target *t, struct grant *grant)
{
    struct delivery *d = t->delivery;
    grant->held = false;
    if (give_parts_back(d, grant, GRANT_EGRESS))
        queue_wake(d->queue, t->site); /* what found none left meanwhile */
}
