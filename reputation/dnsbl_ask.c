/*
 * reputation/dnsbl_ask — the blocklist core's questions: tickets, order, budget
 *
 *   A slot holds what a question is about until its answer comes. Slots that wait for the budget
 *   stand in a queue; a ticket is the slot's number and the turn it is used for.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "reputation/dnsbl_internal.h"

static struct slot *new_slot(struct dnsbl *d)
{
    if (d->free_slot < 0) {
        d->slots = mem_grow(d->slots, d->slot_n + 1, sizeof *d->slots);
        d->slots[d->slot_n] = (struct slot){ .next = -1 };
        d->free_slot = (int64_t)d->slot_n++;
    }
    int64_t at = d->free_slot;
    struct slot *s = &d->slots[at];
    d->free_slot = s->next;
    *s = (struct slot){ .used = true, .turn = s->turn + 1, .next = -1 };
    if (d->last >= 0)
        d->slots[d->last].next = at;
    else
        d->first = at;
    d->last = at;
    return s;
}

static void free_slot(struct dnsbl *d, size_t at)
{
    d->slots[at].used = false;
    d->slots[at].next = d->free_slot;
    d->free_slot = (int64_t)at;
}

void dnsbl_ask_address(struct dnsbl *d, size_t list, size_t cell, unsigned resolver, bool text)
{
    struct slot *s = new_slot(d);
    s->purpose = text ? ASK_TEXT : ASK_ADDRESS;
    s->list = (uint32_t)list;
    s->cell = (uint32_t)cell;
    s->resolver = (uint8_t)resolver;
    d->lists[list].open++;
}

void dnsbl_ask_test(struct dnsbl *d, size_t list, unsigned resolver, enum family family)
{
    for (int i = 0; i < 2; i++) {
        struct slot *s = new_slot(d);
        s->purpose = i ? ASK_MUST_NOT : ASK_MUST;
        s->list = (uint32_t)list;
        s->resolver = (uint8_t)resolver;
        s->family = (uint8_t)family;
        d->lists[list].open++;
    }
}

void dnsbl_ask_forget(struct dnsbl *d)
{
    for (size_t i = 0; i < d->slot_n; i++)
        if (d->slots[i].used)
            free_slot(d, i);
    d->first = d->last = -1;
}

/* The test entries of RFC 5782: 127.0.0.2 and 127.0.0.1, in IPv6 as mapped addresses. */
static struct addr test_entry(const struct slot *s)
{
    struct addr a = { .family = ADDR_V4 };
    uint8_t last = s->purpose == ASK_MUST ? 2 : 1;
    if (s->family == FAMILY_V4) {
        memcpy(a.bytes, (uint8_t[]){ 127, 0, 0, last }, 4);
    } else {
        a.family = ADDR_V6;
        memcpy(a.bytes + 10, (uint8_t[]){ 0xff, 0xff, 127, 0, 0, last }, 6);
    }
    return a;
}

static void send_one(struct dnsbl *d, size_t at)
{
    const struct slot *s = &d->slots[at];
    const struct list_watch *l = &d->lists[s->list];
    bool of_cell = s->purpose == ASK_ADDRESS || s->purpose == ASK_TEXT;
    struct addr address = of_cell ? l->cells[s->cell].address : test_entry(s);
    char name[DNSBL_NAME_MAX];
    uint64_t ticket = (uint64_t)s->turn << 32 | at;
    struct dnsbl_question q = { ticket, &l->resolvers[s->resolver], name, s->purpose == ASK_TEXT };
    if (dnsbl_name(&address, l->conf.zone, name) == RC_OK) {
        d->hooks.ask(d->hooks.arg, &q);
    } else {
        struct dnsbl_answer a = { .why = "the name of the list is too long" };
        dnsbl_answered(d, ticket, &a);
    }
}

void dnsbl_ask_release(struct dnsbl *d, int64_t now_ms)
{
    d->tokens += (double)(now_ms - d->tokens_ms) * d->per_second / SECOND_MS;
    d->tokens_ms = now_ms;
    if (d->tokens > d->per_second)
        d->tokens = d->per_second;
    while (d->first >= 0 && d->tokens >= 1) {
        size_t at = (size_t)d->first;
        d->first = d->slots[at].next;
        if (d->first < 0)
            d->last = -1;
        d->slots[at].next = -1;
        d->tokens -= 1;
        send_one(d, at);
    }
}

/* ---- answers ---- */

/* Text from the network, for logs and terminals. */
static void keep_text(char out[DNSBL_TEXT_MAX], struct slice text)
{
    size_t n = 0;
    for (; n < text.n && n < DNSBL_TEXT_MAX - 1; n++)
        out[n] = text.p[n] >= ' ' && text.p[n] < 0x7f ? text.p[n] : '?';
    out[n] = '\0';
}

static void take(struct list_watch *l, const struct slot *s, const struct dnsbl_answer *a)
{
    struct dnsbl_codes codes = { l->conf.codes, l->conf.errors, l->conf.code_n, l->conf.error_n };
    struct gate *gate = &l->gates[s->resolver][s->family];
    struct cell *cell = &l->cells[s->cell];
    switch (s->purpose) {
    case ASK_ADDRESS:
        cell->votes[s->resolver] = dnsbl_judge(&codes, a);
        cell->ttl_s[s->resolver] = a->ttl_s;
        break;
    case ASK_TEXT:
        keep_text(cell->text, a->text);
        break;
    case ASK_MUST:
        gate->must = dnsbl_judge_test(&codes, a);
        break;
    case ASK_MUST_NOT:
        gate->must_not = dnsbl_judge_test(&codes, a);
        break;
    }
}

void dnsbl_answered(struct dnsbl *d, uint64_t ticket, const struct dnsbl_answer *answer)
{
    size_t at = (size_t)(ticket & UINT32_MAX);
    if (at >= d->slot_n || !d->slots[at].used || d->slots[at].turn != ticket >> 32)
        return;
    struct slot s = d->slots[at];
    struct list_watch *l = &d->lists[s.list];
    free_slot(d, at);
    take(l, &s, answer);
    l->open--;
}
