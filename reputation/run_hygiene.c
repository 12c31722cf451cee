#include "reputation/run_hygiene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/dns/upstream.h"
#include "gateway/io/timer.h"
#include "reputation/dnsbl_answer.h"

enum {
    TICK_MS = 200,
    AT_ONCE = 8,
    AGAIN_MS = 60 * 60 * 1000,
    AGAIN_BROKEN_MS = 10 * 60 * 1000,
    ASKS = 2 + HYGIENE_NAMES_MAX
};

/* One name being looked up for a check. */
struct query {
    struct check *check;
    struct ask *ask; /* NULL: none under way */
    char name[HYGIENE_NAME_MAX];
    struct hygiene_lookup *into; /* NULL: the reverse name */
};

struct check {
    struct run_hygiene *run;
    struct hygiene_facts facts;
    struct query queries[ASKS]; /* reverse, EHLO, then the names found */
    unsigned open;
    bool running;
    int64_t due_ms;
};

struct run_hygiene {
    struct loop *loop;
    struct upstream *upstream;
    run_hygiene_fn *fn;
    void *arg;
    struct check *checks;
    size_t n;
    unsigned running;
    struct timer tick;
};

static void finish(struct check *c)
{
    struct run_hygiene *run = c->run;
    struct hygiene h;
    hygiene_judge(&c->facts, &h);
    bool fine = h.reverse == HYGIENE_OK && h.ehlo == HYGIENE_OK;
    c->running = false;
    c->due_ms = loop_now_ms(run->loop) + (fine ? AGAIN_MS : AGAIN_BROKEN_MS);
    run->running--;
    run->fn(run->arg, (size_t)(c - run->checks), &h);
}

static uint16_t address_type(const struct check *c)
{
    return c->facts.address.family == ADDR_V6 ? DNS_AAAA : DNS_A;
}

static void on_addresses(void *arg, const struct ask_result *result);

static void look_up(struct check *c, size_t slot, const char *name, struct hygiene_lookup *into)
{
    struct query *q = &c->queries[slot];
    q->check = c;
    q->into = into;
    snprintf(q->name, sizeof q->name, "%s", name);
    c->open++;
    q->ask = upstream_ask(c->run->upstream, q->name, address_type(c), on_addresses, q);
}

static void on_addresses(void *arg, const struct ask_result *result)
{
    struct query *q = arg;
    struct check *c = q->check;
    q->ask = NULL;
    q->into->answered = result->rc == RC_OK;
    if (result->rc == RC_OK) {
        struct dns_found found = answer_find(result->answer, q->name, address_type(c));
        const struct dns_record *r = NULL;
        while (q->into->n < HYGIENE_ADDRS_MAX &&
               (r = answer_next(result->answer, &found, address_type(c), r)))
            q->into->addrs[q->into->n++] = r->addr;
    }
    if (--c->open == 0)
        finish(c);
}

static void take_names(struct check *c, const char *asked, const struct dns_answer *answer)
{
    struct dns_found found = answer_find(answer, asked, DNS_PTR);
    const struct dns_record *r = NULL;
    struct hygiene_facts *f = &c->facts;
    while (f->name_n < HYGIENE_NAMES_MAX && (r = answer_next(answer, &found, DNS_PTR, r))) {
        size_t i = f->name_n++;
        snprintf(f->names[i], sizeof f->names[i], "%s", r->name);
        if (dns_is_host_name(r->name))
            look_up(c, 2 + i, r->name, &f->of_name[i]);
        else
            f->of_name[i].answered = true; /* no host has such a name */
    }
}

static void on_reverse(void *arg, const struct ask_result *result)
{
    struct query *q = arg;
    struct check *c = q->check;
    q->ask = NULL;
    c->facts.reverse_answered = result->rc == RC_OK;
    if (result->rc == RC_OK)
        take_names(c, q->name, result->answer);
    if (--c->open == 0)
        finish(c);
}

static void begin(struct check *c)
{
    struct hygiene_facts *f = &c->facts;
    bool v6 = f->address.family == ADDR_V6;
    f->reverse_answered = false;
    f->name_n = 0;
    memset(f->of_name, 0, sizeof f->of_name);
    memset(&f->of_ehlo, 0, sizeof f->of_ehlo);
    c->running = true;
    c->run->running++;
    struct query *q = &c->queries[0];
    q->check = c;
    dnsbl_name(&f->address, v6 ? SLICE_LIT("ip6.arpa") : SLICE_LIT("in-addr.arpa"), q->name);
    c->open = 1;
    q->ask = upstream_ask(c->run->upstream, q->name, DNS_PTR, on_reverse, q);
    if (!f->relayed && dns_is_host_name(f->ehlo))
        look_up(c, 1, f->ehlo, &f->of_ehlo);
}

static void on_tick(struct timer *timer)
{
    struct run_hygiene *run = CONTAINER_OF(timer, struct run_hygiene, tick);
    int64_t now_ms = loop_now_ms(run->loop);
    timer_set(run->loop, timer, TICK_MS);
    for (size_t i = 0; i < run->n && run->running < AT_ONCE; i++)
        if (!run->checks[i].running && run->checks[i].due_ms <= now_ms)
            begin(&run->checks[i]);
}

/* ---- life ---- */

static void forget(struct run_hygiene *run)
{
    for (size_t i = 0; i < run->n; i++)
        for (size_t k = 0; k < ASKS; k++)
            upstream_drop(&run->checks[i].queries[k].ask);
    free(run->checks);
    run->checks = NULL;
    run->n = run->running = 0;
}

void run_hygiene_configure(struct run_hygiene *run, const struct hygiene_subject *subjects,
                           size_t n)
{
    forget(run);
    run->checks = mem_array(n + 1, sizeof *run->checks);
    memset(run->checks, 0, (n + 1) * sizeof *run->checks);
    run->n = n;
    for (size_t i = 0; i < n; i++) {
        struct hygiene_facts *f = &run->checks[i].facts;
        size_t length = subjects[i].ehlo.n < sizeof f->ehlo ? subjects[i].ehlo.n : 0;
        run->checks[i].run = run;
        f->address = subjects[i].address;
        f->relayed = subjects[i].relayed;
        ascii_lower_copy(f->ehlo, subjects[i].ehlo.p, length);
    }
    timer_set(run->loop, &run->tick, 0);
}

enum rc run_hygiene_new(struct loop *loop, const struct resolver_conf *dns, run_hygiene_fn *fn,
                        void *arg, struct run_hygiene **run_r, struct err *err)
{
    struct run_hygiene *run = mem_zero(sizeof *run);
    run->loop = loop;
    run->fn = fn;
    run->arg = arg;
    timer_init(&run->tick, on_tick);
    enum rc rc = upstream_new(loop, dns, &run->upstream, err);
    if (rc != RC_OK)
        run_hygiene_free(&run);
    *run_r = run;
    return rc;
}

void run_hygiene_free(struct run_hygiene **run_p)
{
    struct run_hygiene *run = *run_p;
    if (!run)
        return;
    timer_stop(run->loop, &run->tick);
    forget(run);
    upstream_free(&run->upstream);
    free(run);
    *run_p = NULL;
}
