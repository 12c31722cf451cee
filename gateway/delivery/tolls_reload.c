/*
 * delivery/tolls_reload — sessions that live when the limits of their site change
 *
 *   Because the rules of `traffic` do, or what is known of the site. A session of an earlier
 *   configuration ends with the message it carries; until then it counts towards the new limits:
 *   what is opened under them would come on top. What it may send it takes by them, too, and no
 *   wait for an old one goes on.
 */
#include "gateway/delivery/egress.h"
#include "gateway/delivery/tolls_private.h"

static int egress_named(const struct delivery *d, struct slice name)
{
    const struct conf *conf = delivery_conf(d);
    for (size_t i = 0; i < conf->egress.n; i++)
        if (slice_eq(conf->egress.at[i].name, name))
            return (int)i;
    return EGRESS_NONE;
}

static void join(struct session *s, struct tolls *ts)
{
    for (size_t i = 0; ts && i < ts->n; i++)
        if (toll_counts(&ts->at[i], s->relay))
            gauge_join(ts->at[i].gauge);
    tolls_end(s);
    s->tolls = ts;
    s->transactions_max = tolls_messages_max(s);
    if (!ts)
        return;
    ts->refs++;
    if (s->state == SESSION_OPENING) {
        ts->opening++;
        tolls_pace(s);
    }
}

void tolls_follow(struct session *s)
{
    join(s, tolls_of(s->target, s->egress));
}

static void renew_one(struct session *s)
{
    struct loop *loop = s->delivery->loop;
    int egress = egress_named(s->delivery, policies_conf(s->policies)->egress.at[s->egress].name);
    if (egress != EGRESS_NONE)
        join(s, tolls_of(s->target, egress));
    if (timer_is_set(&s->pause))
        timer_set(loop, &s->pause, 0);
    if (s->front && s->front->reader && timer_is_set(&s->front->pace))
        timer_set(loop, &s->front->pace, 0);
}

static void renew_each(struct list *sessions)
{
    LIST_EACH (node, sessions)
        renew_one(CONTAINER_OF(node, struct session, link));
}

void tolls_renew(struct target *t)
{
    tolls_forget(t);
    t->tolls_stamp = t->site->limit_stamp;
    renew_each(&t->idle);
    renew_each(&t->others);
}
