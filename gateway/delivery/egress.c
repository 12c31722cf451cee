#include "gateway/delivery/egress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/conf/conf.h"
#include "gateway/delivery/egress_check.h"
#include "gateway/delivery/refusal.h"
#include "gateway/delivery/relay.h"
#include "gateway/io/timer.h"
#include "policies/route.h"

enum {
    LOOK_MS = 1000,        /* between two looks at what is out, and at addresses in use */
    LOOK_OFTEN = 30,       /* so many, then */
    LOOK_SELDOM_MS = 5000, /* only each */
    REFUSED_FIRST_MS = 15000,
    REFUSED_MAX_MS = 300000,
    DENIALS_MAX = 3
};

struct way {
    struct egress_table *table;
    const struct conf_egress *conf;
    enum egress_fault_kind fault;
    bool refused; /* by the relay: mail tries it again, no check */
    bool doubted; /* by a probe of control, which is told what the check finds */
    char reason[128];
    bool *gone;        /* per address of its own */
    bool *barred;      /* by advice, per address of its own */
    bool *out;         /* either */
    unsigned families; /* of what is left */
    unsigned turn;     /* which of several addresses of a family is next */
    int64_t looked_ms; /* at its addresses */
    int64_t refused_ms;
    unsigned looks;   /* at the proxy, since it worked last */
    unsigned denials; /* in a row */
    struct relay_line line;
    struct egress_check *check;
    struct timer timer;
};

struct egress_table {
    struct loop *loop;
    struct resolver *resolver;
    struct policies *policies;
    struct way *at;
    size_t n;
    egress_changed_fn *changed;
    void *arg;
};

/* ---- out and back ---- */

static bool has_source(const struct conf_egress *e)
{
    return e->addresses.n || e->interface.n || e->mark;
}

static int64_t next_look_ms(const struct way *w)
{
    if (w->refused)
        return w->refused_ms;
    return w->looks < LOOK_OFTEN ? LOOK_MS : LOOK_SELDOM_MS;
}

static void tell(struct way *w)
{
    w->table->changed(w->table->arg, (int)(w - w->table->at), w->fault);
}

static void out(struct way *w, enum egress_fault_kind fault, const char *reason)
{
    bool news = w->fault != fault;
    w->fault = fault;
    snprintf(w->reason, sizeof w->reason, "%s", reason);
    if (!timer_is_set(&w->timer) && !w->check)
        timer_set(w->table->loop, &w->timer, next_look_ms(w));
    if (!news)
        return;
    log_warning(NULL, "egress_down", "egress", w->conf->name.p, "reason", w->reason, NULL);
    tell(w);
}

static void back(struct way *w)
{
    w->fault = EGRESS_FINE;
    w->reason[0] = '\0';
    w->refused = false;
    w->denials = 0;
    timer_stop(w->table->loop, &w->timer);
    log_info(NULL, "egress_up", "egress", w->conf->name.p, NULL);
    tell(w);
}

/* ---- its own addresses ---- */

static void log_address(const struct way *w, size_t i)
{
    char text[ADDR_TEXT_MAX];
    log_warning(NULL, w->gone[i] ? "egress_address_gone" : "egress_address_back", "egress",
                w->conf->name.p, "address", addr_text(&w->conf->addresses.at[i], text), NULL);
}

static void note_left(struct way *w)
{
    for (size_t i = 0; i < w->conf->addresses.n; i++)
        w->out[i] = w->gone[i] || w->barred[i];
    w->families = way_families(w->conf, w->out);
}

/* How many of its sources are left? */
static size_t look_at_addresses(struct way *w)
{
    size_t n = w->conf->addresses.n, left = 0;
    w->looked_ms = loop_now_ms(w->table->loop);
    if (n == 0)
        return way_source_ours(w->conf, NULL);
    for (size_t i = 0; i < n; i++) {
        bool gone = !way_source_ours(w->conf, &w->conf->addresses.at[i]);
        left += !gone;
        if (gone == w->gone[i])
            continue;
        w->gone[i] = gone;
        if (n > 1)
            log_address(w, i);
    }
    note_left(w);
    return left;
}

static size_t sources_left(const struct way *w)
{
    size_t left = 0;
    for (size_t i = 0; i < w->conf->addresses.n; i++)
        left += !w->gone[i];
    return left;
}

static const char not_ours[] = "its address, interface or mark is not available here";

/* Before use: an address may have gone while nobody looked. */
static bool fine(struct way *w)
{
    if (w->fault != EGRESS_FINE || !w->conf->usable)
        return false;
    if (has_source(w->conf) && loop_now_ms(w->table->loop) - w->looked_ms >= LOOK_MS &&
        !look_at_addresses(w))
        out(w, EGRESS_UNPLUMBED, not_ours);
    return w->fault == EGRESS_FINE;
}

/* ---- its proxy or relay ---- */

static void on_checked(void *arg, const char *reason)
{
    struct way *w = arg;
    bool doubted = w->doubted;
    w->check = NULL;
    w->doubted = false;
    w->looks++;
    if (reason)
        out(w, EGRESS_PROXY_DOWN, reason);
    else if (w->fault == EGRESS_PROXY_DOWN)
        back(w);
    else if (doubted)
        tell(w);
}

static void check(struct way *w)
{
    if (!w->check)
        w->check = egress_check_start(w->table->loop, w->table->resolver, w->conf, on_checked, w);
}

static void on_timer(struct timer *timer)
{
    struct way *w = CONTAINER_OF(timer, struct way, timer);
    if (w->fault == EGRESS_PROXY_DOWN && !w->refused)
        check(w);
    else if (w->fault == EGRESS_PROXY_DOWN || look_at_addresses(w))
        back(w);
    else
        timer_set(w->table->loop, timer, LOOK_MS);
}

/* ---- life ---- */

struct egress_table *egress_new(struct loop *loop, struct resolver *resolver,
                                struct policies *policies, egress_changed_fn *changed, void *arg)
{
    const struct conf *conf = policies_conf(policies);
    struct egress_table *t = mem_zero(sizeof *t);
    *t = (struct egress_table){
        .loop = loop, .resolver = resolver, .n = conf->egress.n, .changed = changed, .arg = arg
    };
    t->policies = policies_ref(policies);
    t->at = mem_array(t->n, sizeof *t->at);
    for (size_t i = 0; i < t->n; i++) {
        struct way *w = &t->at[i];
        w->table = t;
        w->conf = &conf->egress.at[i];
        w->gone = mem_array(w->conf->addresses.n + 1, sizeof *w->gone);
        w->barred = mem_array(w->conf->addresses.n + 1, sizeof *w->barred);
        w->out = mem_array(w->conf->addresses.n + 1, sizeof *w->out);
        w->families = way_families(w->conf, NULL);
        w->looked_ms = INT64_MIN / 2;
        list_init(&w->line.wanting);
        timer_init(&w->timer, on_timer);
    }
    return t;
}

void egress_free(struct egress_table **table)
{
    struct egress_table *t = *table;
    if (!t)
        return;
    for (size_t i = 0; i < t->n; i++) {
        timer_stop(t->loop, &t->at[i].timer);
        egress_check_cancel(&t->at[i].check);
        while (list_pop_front(&t->at[i].line.wanting)) /* they look again with the new table */
            ;
        free(t->at[i].gone);
        free(t->at[i].barred);
        free(t->at[i].out);
    }
    policies_unref(&t->policies);
    free(t->at);
    free(t);
    *table = NULL;
}

void egress_inherit(struct egress_table *t, const struct egress_table *old)
{
    for (size_t i = 0; i < t->n; i++)
        for (size_t k = 0; k < old->n; k++) {
            struct way *w = &t->at[i];
            const struct way *was = &old->at[k];
            bool same = slice_eq(w->conf->name, was->conf->name) &&
                        w->conf->via.kind == was->conf->via.kind;
            if (!same)
                continue;
            relay_inherit(&w->line, &was->line);
            if (was->fault == EGRESS_FINE)
                continue;
            w->fault = was->fault;
            snprintf(w->reason, sizeof w->reason, "%s", was->reason);
            timer_set(t->loop, &w->timer, 1);
        }
}

/* ---- choosing ---- */

static bool usable(struct way *w, const struct conf_route *route, unsigned families)
{
    bool relay = w->conf->via.kind == CONF_VIA_RELAY;
    if (relay && route->hosts.n) /* its mail goes to those hosts and nowhere else */
        return false;
    return fine(w) && (relay || (!families && w->families) || (families & w->families));
}

static bool in_set(struct egress_set set, int egress)
{
    for (size_t i = 0; i < set.n; i++)
        if (set.at[i] == egress)
            return true;
    return false;
}

static bool in_route(const struct egress_table *t, const struct conf_route *route, int egress)
{
    return in_set(policies_route_egress(t->policies, route), egress);
}

bool egress_has_other(struct egress_table *t, const struct conf_route *route, unsigned families,
                      const struct item *item, int egress)
{
    for (size_t i = 0; i < t->n; i++) {
        int e = (int)i;
        if (e != egress && !item_tried(item, e) && !refusal_bars(item, t->at[i].conf) &&
            (in_route(t, route, e) || in_set(policies_route_fallback(t->policies, route), e)) &&
            usable(&t->at[i], route, families))
            return true;
    }
    return false;
}

bool egress_allowed(struct egress_table *t, const struct conf_route *route, int egress)
{
    return in_route(t, route, egress) && usable(&t->at[egress], route, 0);
}

bool egress_usable(struct egress_table *t, const struct conf_route *route, unsigned families,
                   int egress)
{
    return usable(&t->at[egress], route, families);
}

const struct conf_egress *egress_conf(const struct egress_table *t, int egress)
{
    return t->at[egress].conf;
}

void egress_source(struct egress_table *t, int egress, const bool *rather_not,
                   struct dial_source *source_r)
{
    struct way *w = &t->at[egress];
    way_source(w->conf, w->turn++, w->out, rather_not, source_r);
}

/* A probe of control found it out. Mail does not come this way any more that would notice, and only
 * what is out here is looked at until it is back. */
static void look_for_control(struct way *w, const struct advice_egress *held)
{
    if (!held->probed || w->fault != EGRESS_FINE)
        return;
    if (held->fault == EGRESS_PROXY_DOWN && w->conf->via.kind != CONF_VIA_NONE) {
        w->doubted = true;
        check(w);
    } else if (held->fault == EGRESS_UNPLUMBED && !look_at_addresses(w)) {
        out(w, EGRESS_UNPLUMBED, not_ours);
    } else {
        tell(w);
    }
}

void egress_heed(struct egress_table *t, const struct advice *advice)
{
    for (size_t i = 0; i < t->n; i++) {
        struct way *w = &t->at[i];
        int row = advice_egress(advice, w->conf->name);
        for (size_t k = 0; k < w->conf->addresses.n; k++)
            w->barred[k] = advice_bars(advice, &w->conf->addresses.at[k]);
        note_left(w);
        if (row != ADVICE_NONE)
            look_for_control(w, &advice->egress[row]);
    }
}

enum egress_fault_kind egress_fault(const struct egress_table *t, int egress)
{
    return t->at[egress].fault;
}

const char *egress_reason(const struct egress_table *t, int egress)
{
    return t->at[egress].reason;
}

bool egress_why_none(const struct egress_table *t, const struct conf_route *route, char *text,
                     size_t n)
{
    struct egress_set set = policies_route_egress(t->policies, route);
    snprintf(text, n, "no egress of the route can be used now");
    for (size_t i = 0; i < set.n; i++) {
        const struct way *w = &t->at[set.at[i]];
        if (!w->reason[0])
            continue;
        snprintf(text, n, "egress %s cannot be used: %s", w->conf->name.p, w->reason);
        return true;
    }
    return false;
}

unsigned egress_down(const struct egress_table *t)
{
    unsigned n = 0;
    for (size_t i = 0; i < t->n; i++)
        n += t->at[i].fault != EGRESS_FINE;
    return n;
}

struct relay_line *egress_line(struct egress_table *t, int egress)
{
    return &t->at[egress].line;
}

/* ---- what sessions found out ---- */

void egress_failed(struct egress_table *t, int egress, enum egress_fault_kind fault,
                   const char *reason)
{
    struct way *w = &t->at[egress];
    if (fault == EGRESS_UNPLUMBED) { /* one address of several: the others go on */
        size_t had = sources_left(w), left = look_at_addresses(w);
        if (left > 0 && left < had)
            return;
    }
    out(w, fault, reason);
}

void egress_refused(struct egress_table *t, int egress, const char *reason)
{
    struct way *w = &t->at[egress];
    int64_t wait = w->refused_ms ? w->refused_ms * 2 : REFUSED_FIRST_MS;
    w->refused_ms = wait < REFUSED_MAX_MS ? wait : REFUSED_MAX_MS;
    w->refused = true;
    out(w, EGRESS_PROXY_DOWN, reason);
}

void egress_denied(struct egress_table *t, int egress, const char *reason)
{
    struct way *w = &t->at[egress];
    if (++w->denials >= DENIALS_MAX)
        out(w, EGRESS_PROXY_DOWN, reason);
}

void egress_suspect(struct egress_table *t, int egress)
{
    struct way *w = &t->at[egress];
    if (w->conf->via.kind != CONF_VIA_NONE && w->fault == EGRESS_FINE)
        check(w);
}

void egress_worked(struct egress_table *t, int egress)
{
    struct way *w = &t->at[egress];
    w->looks = w->denials = 0;
    w->refused_ms = 0;
}
