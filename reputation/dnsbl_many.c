/*
 * reputation/dnsbl_many — what is wrong with a list: it lists most of us at once, or says nothing
 */
#include <stdio.h>

#include "reputation/dnsbl_internal.h"

/* Listed with the others, so perhaps by a fault of the list. What an earlier process believed one
 * by one is not. */
static bool is_sudden(const struct list_watch *l, const struct cell *c, int64_t now_ms)
{
    bool lately = c->state == LIST_LISTED && now_ms - c->since_ms < l->conf.interval_ms;
    return c->many || (!c->before && (c->candidate || lately));
}

static enum list_fault fault_of(struct list_watch *l, int64_t now_ms)
{
    size_t sudden = 0, many = 0, candidates = 0;
    for (size_t i = 0; i < l->cell_n; i++) {
        const struct cell *c = &l->cells[i];
        sudden += is_sudden(l, c, now_ms);
        many += c->many;
        candidates += c->candidate && !c->before;
    }
    if (l->cell_n < GUARD_MIN || sudden * 2 <= l->cell_n || (!many && !candidates))
        return LIST_FINE;
    l->listed = sudden;
    if (many)
        return LIST_MANY; /* they have waited: who joins them need not */
    if (!l->hold_until_ms)
        l->hold_until_ms = now_ms + HOLD_MS;
    return l->borne_out && now_ms >= l->hold_until_ms ? LIST_MANY : LIST_HELD;
}

void dnsbl_weigh(struct list_watch *l, int64_t now_ms)
{
    l->fault = fault_of(l, now_ms);
    if (l->fault != LIST_HELD)
        l->hold_until_ms = 0;
    for (size_t i = 0; i < l->cell_n && l->fault == LIST_FINE; i++)
        l->cells[i].many = false;
}

static bool all_known(const struct list_watch *l)
{
    for (size_t i = 0; i < l->cell_n; i++)
        if (!l->cells[i].checked_ms)
            return false;
    return true;
}

void dnsbl_tell_fault(const struct dnsbl *d, struct list_watch *l, const struct cell *dead)
{
    enum list_fault fault = dead ? LIST_SILENT : l->fault;
    char text[256], address[ADDR_TEXT_MAX];
    if (l->told ? fault == l->last : fault == LIST_FINE && !all_known(l))
        return;
    snprintf(text, sizeof text, "%s", l->told ? "it can be believed again" : "");
    if (dead)
        snprintf(text, sizeof text, "has said nothing usable of %s for three hours: %s",
                 addr_host_text(&dead->address, address),
                 dead->problem ? dead->problem : "no answer");
    else if (fault != LIST_FINE)
        snprintf(text, sizeof text, "%s %zu of %zu addresses at once: %s",
                 fault == LIST_HELD ? "lists" : "still lists", l->listed, l->cell_n,
                 fault == LIST_HELD ? "not believed for 15 minutes" : "it counts as soft evidence");
    l->told = true;
    l->last = fault;
    d->hooks.fault(d->hooks.arg, l->conf.zone, fault, text);
}
