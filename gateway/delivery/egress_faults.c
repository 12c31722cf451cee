/*
 * delivery/egress_faults — when an egress is out, and what shows that it is back
 */
#include <stdio.h>

#include "gateway/base/log.h"
#include "gateway/delivery/egress_internal.h"

enum {
    LOOK_MS = 1000,        /* between two looks at what is out, and at addresses in use */
    LOOK_OFTEN = 30,       /* so many, then */
    LOOK_SELDOM_MS = 5000, /* only each */
    REFUSED_FIRST_MS = 15000,
    REFUSED_MAX_MS = 300000,
    DENIALS_MAX = 3,
    DENIED_MAX_MS = 60000 /* doubling, since a look does not show it */
};

/* ---- out and back ---- */

static bool has_source(const struct conf_egress *e)
{
    return e->addresses.n || e->interface.n || e->mark;
}

static int64_t next_look_ms(const struct way *w)
{
    if (w->fault == EGRESS_UNPLUMBED)
        return LOOK_MS;
    if (w->refused || w->denied_ms)
        return w->refused ? w->refused_ms : w->denied_ms;
    return w->looks < LOOK_OFTEN ? LOOK_MS : LOOK_SELDOM_MS;
}

void egress_tell(struct way *w)
{
    w->table->changed(w->table->arg, (int)(w - w->table->at), w->fault);
}

static void out(struct way *w, enum egress_fault_kind fault, const char *reason)
{
    bool news = w->fault != fault;
    w->fault = fault;
    snprintf(w->reason, sizeof w->reason, "%s", reason);
    if (!timer_is_set(&w->timer))
        timer_set(w->table->loop, &w->timer, next_look_ms(w));
    if (!news)
        return;
    log_warning(NULL, "egress_down", "egress", w->conf->name.p, "reason", w->reason, NULL);
    egress_tell(w);
}

static void back(struct way *w)
{
    w->fault = EGRESS_FINE;
    w->reason[0] = '\0';
    w->refused = false;
    w->denials = 0;
    timer_stop(w->table->loop, &w->timer);
    log_info(NULL, "egress_up", "egress", w->conf->name.p, NULL);
    egress_tell(w);
}

/* ---- its own addresses ---- */

static void log_address(const struct way *w, size_t i)
{
    char text[ADDR_TEXT_MAX];
    log_warning(NULL, w->gone[i] ? "egress_address_gone" : "egress_address_back", "egress",
                w->conf->name.p, "address", addr_text(&w->conf->addresses.at[i], text), NULL);
}

void egress_note_left(struct way *w)
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
    egress_note_left(w);
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

bool egress_fine(struct way *w)
{
    if (w->fault != EGRESS_FINE || !w->conf->usable)
        return false;
    if (has_source(w->conf) && loop_now_ms(w->table->loop) - w->looked_ms >= LOOK_MS &&
        !look_at_addresses(w))
        out(w, EGRESS_UNPLUMBED, not_ours);
    return w->fault == EGRESS_FINE;
}

/* ---- its proxy or relay ---- */

/* One that could not be tried leaves things as they are: what is out is looked at again, and of
 * what control doubts its advice asks again. */
static void on_checked(void *arg, enum egress_check_result result, const char *reason)
{
    struct way *w = arg;
    bool doubted = w->doubted;
    w->check = NULL;
    w->doubted = false;
    w->looks += w->fault != EGRESS_FINE;
    if (result == CHECK_UNTRIED) {
        if (w->fault == EGRESS_PROXY_DOWN && !timer_is_set(&w->timer))
            timer_set(w->table->loop, &w->timer, next_look_ms(w));
        return;
    }
    w->denied_ms = result == CHECK_FAILED ? 0 : w->denied_ms;
    if (result == CHECK_FAILED)
        out(w, EGRESS_PROXY_DOWN, reason);
    else if (w->fault == EGRESS_PROXY_DOWN)
        back(w);
    else if (doubted && w->fault == EGRESS_FINE)
        egress_tell(w);
}

static void check(struct way *w)
{
    if (!w->check)
        w->check = egress_check_start(w->table->loop, w->table->resolver, w->conf, on_checked, w);
}

void egress_look_again(struct timer *timer)
{
    struct way *w = CONTAINER_OF(timer, struct way, timer);
    if (w->fault == EGRESS_PROXY_DOWN && !w->refused)
        check(w);
    else if (w->fault == EGRESS_PROXY_DOWN || look_at_addresses(w))
        back(w);
    else
        timer_set(w->table->loop, timer, next_look_ms(w));
}

/* ---- what a probe found out ---- */

void egress_look(struct way *w, const struct advice_egress *held)
{
    if (!held->probed || w->fault != EGRESS_FINE)
        return;
    if (held->fault == EGRESS_PROXY_DOWN && w->conf->via.kind != CONF_VIA_NONE) {
        w->doubted = true;
        check(w);
    } else if (held->fault == EGRESS_UNPLUMBED && !look_at_addresses(w)) {
        out(w, EGRESS_UNPLUMBED, not_ours);
    } else {
        egress_tell(w);
    }
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
    if (++w->denials < DENIALS_MAX || w->fault != EGRESS_FINE)
        return;
    int64_t wait = w->denied_ms ? w->denied_ms * 2 : LOOK_MS;
    w->denied_ms = wait < DENIED_MAX_MS ? wait : DENIED_MAX_MS;
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
    w->refused_ms = w->denied_ms = 0;
}
