#include "gateway/delivery/tally.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/conf/rules.h"

struct tally {
    tally_sink_fn *sink;
    void *arg;
    unsigned n;
    struct reply_report at[TALLY_BATCH_MAX];
};

struct tally *tally_new(tally_sink_fn *sink, void *arg)
{
    struct tally *t = mem_zero(sizeof *t);
    t->sink = sink;
    t->arg = arg;
    return t;
}

void tally_free(struct tally **tally)
{
    free(*tally);
    *tally = NULL;
}

static bool is_urgent(const struct reply_report *r)
{
    return r->class == REPLY_IP_BLOCKED || r->class == REPLY_IP_THROTTLED;
}

static bool same(const struct reply_report *a, const struct reply_report *b)
{
    return a->egress == b->egress && a->class == b->class && a->code / 100 == b->code / 100 &&
           addr_same_host(&a->source, &b->source) && strcmp(a->provider, b->provider) == 0;
}

void tally_flush(struct tally *t)
{
    if (t->n && t->sink)
        t->sink(t->arg, t->at, t->n);
    t->n = 0;
}

bool tally_empty(const struct tally *t)
{
    return t->n == 0;
}

void tally_add(struct tally *t, const struct reply_report *r)
{
    if (is_urgent(r)) {
        if (t->sink)
            t->sink(t->arg, r, 1);
        return;
    }
    for (unsigned i = 0; i < t->n; i++)
        if (same(&t->at[i], r)) {
            t->at[i].count += r->count;
            return;
        }
    if (t->n == TALLY_BATCH_MAX)
        tally_flush(t);
    t->at[t->n++] = *r;
}
