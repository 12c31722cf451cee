#include "gateway/delivery/crowd.h"

#include <stdlib.h>

#include "gateway/conf/conf.h"
#include "gateway/delivery/egress.h"
#include "gateway/queue/slots.h"
#include "policies/concurrency.h"
#include "reputation/reply.h"

struct crowd {
    struct list link;  /* target->crowds, those used last first */
    uint32_t egress;   /* hash of its name: a reload changes its index */
    uint32_t open;     /* sessions, those being opened included */
    uint32_t standing; /* of them, ready for mail or carrying it */
    uint32_t parting;  /* connections that are being closed, in neither of those */
    int64_t wait_until_ms;
    struct concurrency may;
};

static int64_t now_of(const struct target *t)
{
    return loop_now_ms(t->delivery->loop);
}

static uint32_t most_of(const struct target *t)
{
    uint64_t most = t->site->limit.connections;
    return most == 0 || most > UINT32_MAX ? UINT32_MAX : (uint32_t)most;
}

static uint32_t key_of(struct slice name)
{
    return (uint32_t)slice_hash_stable(name);
}

static struct crowd *find(const struct target *t, uint32_t egress)
{
    LIST_EACH (at, &t->crowds) {
        struct crowd *c = CONTAINER_OF(at, struct crowd, link);
        if (c->egress == egress)
            return c;
    }
    return NULL;
}

/* Of those without sessions the one that was used least recently. */
static bool make_room(struct target *t)
{
    for (struct list *at = t->crowds.prev; at != &t->crowds; at = at->prev) {
        struct crowd *c = CONTAINER_OF(at, struct crowd, link);
        if (c->open + c->parting == 0) {
            list_del(&c->link);
            free(c);
            t->crowds_n--;
            return true;
        }
    }
    return false;
}

static struct crowd *find_or_make(struct target *t, uint32_t egress)
{
    struct crowd *c = find(t, egress);
    if (c) {
        list_del(&c->link);
        list_push_front(&t->crowds, &c->link);
        return c;
    }
    if (t->crowds_n == CROWDS_MAX && !make_room(t))
        return NULL;
    c = mem_zero(sizeof *c);
    c->egress = egress;
    concurrency_init(&c->may, most_of(t));
    list_push_front(&t->crowds, &c->link);
    t->crowds_n++;
    return c;
}

void crowds_free(struct target *t)
{
    for (struct list *node; (node = list_pop_front(&t->crowds));)
        free(CONTAINER_OF(node, struct crowd, link));
}

/* ---- what it allows ---- */

static uint32_t limit_of(const struct target *t, struct crowd *c)
{
    concurrency_set_most(&c->may, most_of(t));
    return concurrency_limit(&c->may, now_of(t));
}

/* The lanes share what the egresses in use bear together. */
static void share_out(struct target *t)
{
    uint64_t bears = 0;
    LIST_EACH (at, &t->crowds) {
        struct crowd *c = CONTAINER_OF(at, struct crowd, link);
        if (c->open + c->parting)
            bears += limit_of(t, c);
    }
    site_bears(t->site, bears);
}

bool crowd_has_room(struct target *t, int egress)
{
    const struct conf_egress *e = egress_conf(t->delivery->egress, egress);
    struct crowd *c = e->via.kind == CONF_VIA_RELAY ? NULL : find(t, key_of(e->name));
    if (!c || t->site->sessions + t->parting == 0)
        return true;
    int64_t now = now_of(t), until = c->wait_until_ms;
    uint32_t limit = limit_of(t, c);
    if (limit == 0 && until < concurrency_until(&c->may))
        until = concurrency_until(&c->may);
    if (until > now)
        target_look_in(t, until - now);
    return until <= now && c->open + c->parting < limit;
}

bool crowd_is_over(const struct session *s)
{
    return s->crowd && s->crowd->open > limit_of(s->target, s->crowd);
}

/* ---- what it is told ---- */

void crowd_opening(struct session *s)
{
    struct target *t = s->target;
    if (s->relay)
        return;
    s->crowd = find_or_make(t, key_of(policies_conf(s->policies)->egress.at[s->egress].name));
    if (!s->crowd)
        return;
    s->level = ++s->crowd->open + s->crowd->parting;
    share_out(t);
}

void crowd_opened(struct session *s)
{
    if (s->crowd)
        s->crowd->standing++;
}

/* How many the server bears, as this session shows: those that stand; with its first message those
 * that were there when it came, as the server bore them all before it greeted them. */
static uint32_t borne(const struct session *s)
{
    uint32_t standing = s->crowd->standing;
    return s->delivered == 0 && s->level > standing ? s->level : standing;
}

void crowd_taken(struct session *s)
{
    if (s->crowd)
        concurrency_taken(&s->crowd->may, borne(s), now_of(s->target));
}

void crowd_ended(struct session *s)
{
    if (!s->crowd)
        return;
    s->crowd->open--;
    s->crowd->standing -= s->state != SESSION_OPENING;
    s->crowd = NULL;
    share_out(s->target);
}

uint32_t crowd_parting(const struct session *s)
{
    uint32_t egress = key_of(policies_conf(s->policies)->egress.at[s->egress].name);
    struct crowd *c = find(s->target, egress);
    if (c)
        c->parting++;
    return egress;
}

void crowd_parted(struct target *t, uint32_t egress)
{
    struct crowd *c = find(t, egress);
    if (c && c->parting)
        c->parting--;
    share_out(t);
}

static void refused_at(struct session *s, uint32_t level)
{
    struct target *t = s->target;
    concurrency_refused(&s->crowd->may, level, now_of(t));
    s->crowd->wait_until_ms = now_of(t) + CROWD_WAIT_MS;
    share_out(t);
}

void crowd_refused(struct session *s)
{
    if (s->crowd)
        refused_at(s, s->level);
}

static bool is_too_many(const struct finding *f)
{
    bool early = f->where == WHERE_GREETING || f->where == WHERE_EHLO || f->where == WHERE_MAIL;
    return early && f->fault == FAULT_NONE && f->code / 100 == 4 &&
           (f->code == 421 || f->class == REPLY_IP_THROTTLED);
}

bool crowd_explains(const struct session *s, const struct finding *f)
{
    return s->crowd && (s->crowd->open > 1 || s->crowd->parting) && is_too_many(f);
}

void crowd_judge(struct session *s, const struct finding *f)
{
    if (!s->crowd || !is_too_many(f))
        return;
    if (s->state == SESSION_OPENING)
        refused_at(s, s->level);
    else if (f->code != 421 || s->delivered == 0) /* a kept session may end for its age */
        refused_at(s, s->crowd->standing);
}

void crowd_served(struct session *s, int64_t took_us)
{
    struct crowd *c = s->crowd;
    if (!c)
        return;
    int64_t now = now_of(s->target);
    c->wait_until_ms = 0;
    concurrency_served(&c->may, borne(s), (double)took_us / 1000, now);
    share_out(s->target);
}
