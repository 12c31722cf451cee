#include "gateway/delivery/attempt.h"

#include <assert.h>
#include <stdlib.h>

#include "gateway/base/log.h"
#include "gateway/conf/conf.h"
#include "gateway/delivery/domains.h"
#include "gateway/mail/address.h"

enum { ARENA_BLOCK = 4096, SPARE_MAX = 256, KEEP_BYTES = 64 * 1024 };

static struct attempt *attempt_alloc(struct delivery *d)
{
    struct attempt *a;
    struct list *node = list_pop_front(&d->spare);
    if (node) {
        a = CONTAINER_OF(node, struct attempt, link);
        struct arena *arena = a->arena;
        *a = (struct attempt){ .arena = arena };
        d->spare_n--;
    } else {
        a = mem_zero(sizeof *a);
        a->arena = arena_new(ARENA_BLOCK);
    }
    list_init(&a->link);
    list_init(&a->large);
    a->delivery = d;
    d->attempts_n++;
    return a;
}

/* Nothing can be told to anybody about an envelope that cannot be read: it stays in the spool until
 * it expires, for an operator to look at. */
static void set_aside(struct delivery *d, struct item *item)
{
    char id[SPOOL_ID_TEXT + 1];
    spool_id_format(item->id, id);
    log_error(NULL, "envelope_corrupt", "id", id, NULL);
    item->deadline_told = item->delay_told = true;
    if (loop_wall_ms(d->loop) < item->expire_ms) {
        queue_defer(d->queue, item, item->expire_ms);
        return;
    }
    struct spool_op op = { .kind = SPOOL_DONE };
    item_record(item, &op.item);
    spool_apply(d->spool, &op, 1, NULL, NULL);
    queue_finish(d->queue, &item);
}

const struct envelope *attempt_env(struct attempt *a)
{
    a->env.by.at_ms = a->item->deadline_ms;
    a->env.hold.until_ms = a->item->release_ms;
    return &a->env;
}

struct slice attempt_asked_for(const struct attempt *a, enum where where)
{
    if (where == WHERE_RCPT && a->answered < a->batch_n)
        return a->env.recipients[a->batch[a->answered]].address;
    return where > WHERE_MAIL && a->env.recipients_n == 1 ? a->env.recipients[0].address
                                                          : slice_of("");
}

struct attempt *attempt_new(struct delivery *d, struct item *item)
{
    struct attempt *a = attempt_alloc(d);
    a->item = item;
    if (envelope_unpack(item_envelope(item), a->arena, &a->env) != RC_OK) {
        a->item = NULL;
        attempt_free(&a);
        set_aside(d, item);
        return NULL;
    }
    a->lane = item->lane;
    a->is_large = sched_is_large(item->body_size);
    size_t n = a->env.recipients_n;
    a->findings = arena_alloc(a->arena, n * sizeof *a->findings);
    a->batch = arena_alloc(a->arena, n * sizeof *a->batch);
    for (int i = 0; i < STAGES; i++)
        a->stage_us[i] = -1;
    return a;
}

void attempt_hold_slot(struct attempt *a)
{
    if (a->slots)
        return;
    a->slots = &a->item->site->order.slots;
    slots_take(a->slots, (enum lane)a->lane, a->is_large);
}

void attempt_free(struct attempt **attempt)
{
    struct attempt *a = *attempt;
    if (!a)
        return;
    assert(!a->item && !a->load && !a->reader);
    struct delivery *d = a->delivery;
    *attempt = NULL;
    d->attempts_n--;
    if (a->slots)
        slots_leave(a->slots, (enum lane)a->lane, a->is_large);
    if (d->spare_n >= SPARE_MAX || arena_used(a->arena) > KEEP_BYTES) {
        arena_free(&a->arena);
        free(a);
        return;
    }
    arena_reset(a->arena);
    list_push_front(&d->spare, &a->link);
    d->spare_n++;
}

void attempt_return(struct attempt **attempt)
{
    struct attempt *a = *attempt;
    struct item *item = a->item;
    struct delivery *d = a->delivery;
    body_forget(a);
    a->item = NULL;
    attempt_free(attempt);
    queue_return(d->queue, item);
}

void attempt_stick(struct attempt *a, struct slice egress)
{
    a->item->sticky_until_ms = 0;
    for (size_t i = 0; egress.n && i < a->env.recipients_n; i++) {
        const struct finding *f = &a->findings[i];
        if (f->fault != FAULT_NONE || f->where < WHERE_MAIL || f->code / 100 != 4 ||
            f->class == REPLY_IP_BLOCKED)
            continue;
        a->item->sticky = (uint32_t)slice_hash_stable(egress);
        a->item->sticky_until_ms = loop_now_ms(a->delivery->loop) + CHOICE_STICKY_MS;
        return;
    }
}

uint32_t attempt_next_batch(struct attempt *a, struct session *s, uint32_t max)
{
    a->batch_n = a->answered = a->accepted = a->farewell = 0;
    a->mail_ok = a->mail_refused = a->only_dot = false;
    a->end_mark = 0;
    for (uint32_t i = 0; i < a->env.recipients_n && a->batch_n < max; i++) {
        struct slice domain = address_domain(a->env.recipients[i].address);
        if (a->findings[i].where != WHERE_NONE || !domains_allow(s, domain))
            continue;
        domains_note(s, domain);
        a->batch[a->batch_n++] = i;
    }
    return a->batch_n;
}

const struct conf_retry *attempt_retry(const struct attempt *a)
{
    return &delivery_conf(a->delivery)->rules.retry.lane[a->item->lane];
}

bool attempt_untaken(const struct attempt *a)
{
    if (a->step == ATTEMPT_FINAL)
        return false;
    for (uint32_t i = 0; i < a->env.recipients_n; i++)
        if (a->findings[i].where == WHERE_FINAL)
            return false;
    return true;
}

bool attempt_has_more(const struct attempt *a)
{
    uint32_t open = 0;
    for (uint32_t i = 0; i < a->env.recipients_n; i++)
        open += a->findings[i].where == WHERE_NONE;
    return open > a->accepted + (a->batch_n - a->answered);
}

void attempt_find(struct attempt *a, uint32_t recipient, const struct finding *finding)
{
    struct finding *f = &a->findings[recipient];
    *f = *finding;
    size_t n = finding->text.n;
    if (n > RECIPIENT_REPLY_MAX)
        n = RECIPIENT_REPLY_MAX;
    f->text = (struct slice){ n ? arena_strndup(a->arena, finding->text.p, n) : "", n };
}

/* One copy of the text serves them all. */
static void find_each(struct attempt *a, const struct finding *finding, const uint32_t *which,
                      uint32_t n)
{
    const struct finding *first = NULL;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = which ? which[i] : i;
        if (a->findings[at].where != WHERE_NONE)
            continue;
        if (first) {
            a->findings[at] = *first;
            continue;
        }
        attempt_find(a, at, finding);
        first = &a->findings[at];
    }
}

void attempt_find_all(struct attempt *a, const struct finding *finding)
{
    find_each(a, finding, NULL, (uint32_t)a->env.recipients_n);
}

void attempt_find_batch(struct attempt *a, uint32_t n, const struct finding *finding)
{
    find_each(a, finding, a->batch, n);
}
