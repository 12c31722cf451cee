#include "gateway/delivery/relay.h"

#include "gateway/conf/conf.h"
#include "gateway/delivery/domains.h"
#include "gateway/delivery/egress.h"
#include "gateway/delivery/tolls.h"

enum { LOOK_AT_MAX = 64 };

bool relay_is(const struct delivery *d, int egress)
{
    return egress_conf(d->egress, egress)->via.kind == CONF_VIA_RELAY;
}

static uint32_t key_of(struct slice name)
{
    return (uint32_t)slice_hash_stable(name);
}

static uint32_t egress_of(const struct session *s)
{
    return key_of(policies_conf(s->policies)->egress.at[s->egress].name);
}

/* NULL: there is no such relay any more. */
static struct relay_line *line_of(const struct delivery *d, uint32_t egress)
{
    for (int i = 0; (size_t)i < delivery_conf(d)->egress.n; i++)
        if (relay_is(d, i) && key_of(egress_conf(d->egress, i)->name) == egress)
            return egress_line(d->egress, i);
    return NULL;
}

/* NULL also when it goes to no relay. */
static struct relay_line *line_of_session(const struct session *s)
{
    return s->relay ? line_of(s->delivery, egress_of(s)) : NULL;
}

static bool site_is_full(const struct target *t)
{
    return t->site->limit.connections && t->site->sessions >= t->site->limit.connections;
}

static void move(struct session *s, struct target *to, const struct conf_route *route)
{
    s->target->site->sessions--;
    list_del(&s->link);
    s->target = to;
    s->route = route;
    to->site->sessions++;
    list_push_front(&to->idle, &s->link);
    tolls_follow(s);
}

struct session *relay_adopt(struct target *t, const struct conf_route *route,
                            const struct item *item, int egress)
{
    struct delivery *d = t->delivery;
    unsigned looked = 0;
    if (!relay_is(d, egress) || site_is_full(t))
        return NULL;
    LIST_EACH (at, &d->idle) {
        struct session *s = CONTAINER_OF(at, struct session, lru);
        if (s->relay && s->egress == egress && session_suits(s, route) &&
            domains_allow_item(s, item)) {
            move(s, t, route);
            return s;
        }
        if (++looked == LOOK_AT_MAX)
            break;
    }
    return NULL;
}

static bool is_full(struct delivery *d, const struct relay_line *line)
{
    uint64_t most = delivery_conf(d)->delivery.connections / d->workers;
    return line->sessions + line->parting >= (most ? most : 1);
}

bool relay_has_room(struct target *t, int egress)
{
    struct delivery *d = t->delivery;
    struct relay_line *line = egress_line(d->egress, egress);
    if (!relay_is(d, egress) || !is_full(d, line))
        return true;
    if (list_empty(&t->want)) {
        list_push_back(&line->wanting, &t->want);
        t->want_lane = LANE_COUNT;
    }
    return false;
}

void relay_inherit(struct relay_line *line, const struct relay_line *before)
{
    line->sessions = before->sessions;
    line->parting = before->parting;
}

void relay_opening(struct session *s)
{
    struct relay_line *line = line_of_session(s);
    if (line)
        line->sessions++;
}

static void look_again(struct delivery *d, const struct relay_line *line)
{
    if (!list_empty(&line->wanting))
        loop_task_schedule(d->loop, &d->room);
}

void relay_ended(struct session *s)
{
    struct relay_line *line = line_of_session(s);
    if (!line || line->sessions == 0) /* it may have been gone, and be another one now */
        return;
    line->sessions--;
    look_again(s->delivery, line);
}

uint32_t relay_parting(struct session *s)
{
    uint32_t egress = egress_of(s);
    struct relay_line *line = line_of(s->delivery, egress);
    if (line)
        line->parting++;
    return egress;
}

void relay_parted(struct delivery *d, uint32_t egress)
{
    struct relay_line *line = line_of(d, egress);
    if (!line || line->parting == 0)
        return;
    line->parting--;
    look_again(d, line);
}

void relay_rests(struct session *s)
{
    struct relay_line *line = line_of_session(s);
    if (line)
        look_again(s->delivery, line);
}

static bool one_rests(const struct delivery *d, int egress)
{
    unsigned looked = 0;
    LIST_EACH (at, &d->idle) {
        const struct session *s = CONTAINER_OF(at, struct session, lru);
        if (s->relay && s->egress == egress)
            return true;
        if (++looked == LOOK_AT_MAX)
            break;
    }
    return false;
}

/* Each looks once: one that finds nothing stands in line again, behind those that have not. */
void relay_let_in(struct delivery *d)
{
    for (int egress = 0; (size_t)egress < delivery_conf(d)->egress.n; egress++) {
        struct relay_line *line = egress_line(d->egress, egress);
        struct list waiting = LIST_INIT(waiting);
        list_splice_back(&waiting, &line->wanting);
        while (!list_empty(&waiting) && (!is_full(d, line) || one_rests(d, egress)))
            target_run(CONTAINER_OF(list_pop_front(&waiting), struct target, want));
        list_splice_back(&waiting, &line->wanting);
        list_splice_back(&line->wanting, &waiting);
    }
}
