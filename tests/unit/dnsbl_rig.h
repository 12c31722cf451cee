/*
 * tests/unit/dnsbl_rig — a list, its resolvers and their faults, in virtual time
 *
 *   The world holds a list with its entries and up to four resolvers, each of which tells the truth
 *   or has a fault. Answers come 20 ms after the question or as late as the test says, "no answer"
 *   when the product stops waiting.
 */
#ifndef WAYPOST_TESTS_UNIT_DNSBL_RIG_H
#define WAYPOST_TESTS_UNIT_DNSBL_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "reputation/run_dnsbl.h"

enum {
    SECOND = 1000,
    MINUTE = 60 * SECOND,
    TICK = DNSBL_TICK_MS,
    PENDING_MAX = 4096,
    RESOLVERS = 4
};

enum fault {
    HONEST,
    SILENT,
    REFUSED,    /* also SERVFAIL: no usable answer, at once */
    WILDCARD,   /* lists everything */
    QUOTA,      /* 127.255.255.255 for everything */
    PARKED,     /* an address of an ad server for everything */
    LIAR_CLEAR, /* nothing exists */
    FLAKY,      /* every other question gets no answer */
    STALE       /* has the test entries only */
};

struct pending {
    uint64_t ticket;
    int64_t at;
    struct dnsbl_answer answer;
};

struct world {
    int64_t now;
    struct rnd rnd;
    struct dnsbl *d;
    enum fault fault[RESOLVERS];
    const char *entries[8]; /* reversed, as asked: "4.3.2.1" */
    const char *answers[8]; /* what they answer; NULL: 127.0.0.2 */
    uint32_t ttl;
    int64_t late_ms; /* answers are; beside the 20 ms */
    bool everything; /* the list itself lists every address but 127.0.0.1 */
    struct pending pending[PENDING_MAX];
    size_t pending_n;
    unsigned asked, asked_by[RESOLVERS], asked_second, most_in_second, texts;
    int64_t second;
    unsigned listings, clearings, alarms, fine, repeated, dead;
    int64_t listed_at, cleared_at;
    struct listing last;
    char last_text[DNSBL_TEXT_MAX], last_link[128], alarm[256];
};

static struct addr addr_of(const char *text)
{
    struct addr a;
    assert_int_equal(addr_parse(slice_of(text), &a), RC_OK);
    return a;
}

static void answer_with(struct dnsbl_answer *a, const char *text)
{
    a->state = LIST_LISTED;
    a->addrs[a->n++] = addr_of(text);
}

static bool asks_for(const char *name, const char *entry)
{
    size_t n = strlen(entry);
    return strncmp(name, entry, n) == 0 && strcmp(name + n, ".bl.test") == 0;
}

/* What the list truly says. */
static void truth(const struct world *w, bool stale, const char *name, struct dnsbl_answer *a)
{
    a->state = LIST_CLEAR;
    if (asks_for(name, "2.0.0.127"))
        answer_with(a, "127.0.0.2");
    if (strstr(name, "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.") == name)
        answer_with(a, "127.0.0.2");
    for (size_t i = 0; i < 8; i++)
        if (!stale && w->entries[i] && asks_for(name, w->entries[i]))
            answer_with(a, w->answers[i] ? w->answers[i] : "127.0.0.2");
    if (w->everything && !a->n && !asks_for(name, "1.0.0.127"))
        answer_with(a, "127.0.0.2");
    a->ttl_s = w->ttl;
}

static void answer(struct world *w, unsigned resolver, const char *name, struct pending *p)
{
    static const char *const instead[] = {
        [WILDCARD] = "127.0.0.2", [QUOTA] = "127.255.255.255", [PARKED] = "192.0.2.80"
    };
    enum fault fault = w->fault[resolver];
    p->at = w->now + 20 + w->late_ms;
    if (fault == FLAKY)
        fault = w->asked % 2 ? SILENT : HONEST;
    if (fault == SILENT || fault == REFUSED) {
        p->answer.why = fault == SILENT ? "no answer" : "REFUSED";
        p->at = w->now + (fault == SILENT ? DNSBL_TRY_MS : 20 + w->late_ms);
    } else if (fault == LIAR_CLEAR) {
        p->answer.state = LIST_CLEAR;
    } else if (fault != HONEST && fault != STALE) {
        answer_with(&p->answer, instead[fault]);
    } else {
        truth(w, fault == STALE, name, &p->answer);
    }
}

static void on_ask(void *arg, const struct dnsbl_question *q)
{
    struct world *w = arg;
    unsigned resolver = q->resolver->port - 1u;
    struct pending *p = &w->pending[w->pending_n++];
    assert_true(w->pending_n < PENDING_MAX);
    *p = (struct pending){ .ticket = q->ticket };
    w->asked++;
    w->asked_by[resolver]++;
    if (w->now / SECOND != w->second) {
        w->second = w->now / SECOND;
        w->asked_second = 0;
    }
    if (++w->asked_second > w->most_in_second)
        w->most_in_second = w->asked_second;
    answer(w, resolver, q->name, p);
    if (q->text && p->answer.state == LIST_LISTED) {
        w->texts++;
        p->answer.text = SLICE_LIT("because\n of it");
    }
}

static void on_verdict(void *arg, const struct listing *v)
{
    struct world *w = arg;
    w->repeated += !v->changed && !v->dead;
    w->dead += v->dead;
    assert_true(v->changed || v->was == v->state);
    if (!v->changed)
        return;
    w->last = *v;
    snprintf(w->last_text, sizeof w->last_text, "%s", v->text);
    snprintf(w->last_link, sizeof w->last_link, "%s", v->link);
    if (v->state == LIST_LISTED) {
        w->listings++;
        w->listed_at = w->now;
    } else {
        w->clearings++;
        w->cleared_at = w->now;
    }
}

static void on_fault(void *arg, struct slice zone, enum list_fault fault, const char *text)
{
    struct world *w = arg;
    assert_true(slice_eq_str(zone, "bl.test"));
    w->alarms += fault != LIST_FINE;
    w->fine += fault == LIST_FINE;
    snprintf(w->alarm, sizeof w->alarm, "%s", text);
}

static void run(struct world *w, int64_t ms)
{
    for (int64_t end = w->now + ms; w->now < end; w->now += TICK) {
        size_t kept = 0;
        for (size_t i = 0; i < w->pending_n; i++) {
            if (w->pending[i].at <= w->now)
                dnsbl_answered(w->d, w->pending[i].ticket, &w->pending[i].answer);
            else
                w->pending[kept++] = w->pending[i];
        }
        w->pending_n = kept;
        dnsbl_tick(w->d, w->now, &w->rnd);
    }
}

static const struct zone_code codes[] = {
    { 0x7f000002, 0x7f000002, 100, ZONE_HARD, "spam" },
    { 0x7f00000a, 0x7f00000b, 60, ZONE_SOFT, "policy" },
};

static void configure(struct world *w, const char *const *addresses, size_t resolvers,
                      unsigned per_second)
{
    struct addr servers[RESOLVERS], ours[64];
    size_t n = 0;
    for (; addresses[n]; n++)
        ours[n] = addr_of(addresses[n]);
    for (size_t i = 0; i < resolvers; i++)
        servers[i] = (struct addr){ .family = ADDR_V4,
                                    .bytes = { 127, 0, 0, 53 },
                                    .port = (uint16_t)(i + 1) };
    struct dnsbl_zone_conf zone = { .zone = SLICE_LIT("bl.test"),
                                    .link = "https://bl.test/?q={address}&x",
                                    .v4 = true,
                                    .v6 = true,
                                    .interval_ms = 5 * MINUTE,
                                    .codes = codes,
                                    .code_n = 2,
                                    .resolvers = servers,
                                    .resolver_n = resolvers };
    struct dnsbl_config config = { &zone, 1, ours, n, per_second };
    dnsbl_configure(w->d, &config, w->now);
}

static const char *const one[] = { "192.0.2.1", NULL };
static const char *const four[] = { "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", NULL };

static void begin(struct world *w, const char *const *addresses, size_t resolvers)
{
    const struct dnsbl_hooks hooks = { on_ask, on_verdict, on_fault, w };
    memset(w, 0, sizeof *w);
    w->now = 1000 * SECOND;
    rnd_seed(&w->rnd, 7);
    w->d = dnsbl_new(&hooks);
    configure(w, addresses, resolvers, 100);
}

static struct world w; /* big */

static void end(void)
{
    dnsbl_free(&w.d);
}

static void clean_start(const char *const *addresses, size_t resolvers, unsigned clear)
{
    begin(&w, addresses, resolvers);
    run(&w, 2 * SECOND);
    assert_int_equal(w.clearings, clear);
    assert_int_equal(w.listings, 0);
}

#endif
