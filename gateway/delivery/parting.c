#include "gateway/delivery/parting.h"

#include <stdlib.h>

#include "gateway/conf/conf.h"
#include "gateway/delivery/crowd.h"
#include "gateway/delivery/relay.h"
#include "gateway/delivery/tolls.h"
#include "gateway/io/stream.h"

struct parting {
    struct list link; /* target->partings */
    struct target *target;
    struct tolls *tolls;
    bool relay;
    uint32_t egress; /* as crowd_parting() or relay_parting() gave it */
};

static void leave(struct parting *p)
{
    struct target *t = p->target;
    list_del(&p->link);
    t->delivery->parting--;
    if (p->relay) {
        relay_parted(t->delivery, p->egress);
    } else {
        t->parting--;
        crowd_parted(t, p->egress);
    }
    delivery_room(t->delivery);
}

static void on_ended(void *arg)
{
    struct parting *p = arg;
    struct target *t = p->target;
    tolls_closed(&p->tolls, p->relay);
    if (t)
        leave(p);
    free(p);
    if (t)
        target_run(t);
}

void parting_begin(struct session *s, struct tolls *tolls, int64_t linger_ms)
{
    struct target *t = s->target;
    struct parting *p = mem_zero(sizeof *p);
    p->target = t;
    p->tolls = tolls;
    p->relay = s->relay;
    p->egress = s->relay ? relay_parting(s) : crowd_parting(s);
    list_push_back(&t->partings, &p->link);
    t->parting += !s->relay;
    t->delivery->parting++;
    stream_finish_then(&s->stream, linger_ms, on_ended, p);
}

void partings_forget(struct target *t)
{
    LIST_EACH (node, &t->partings) {
        struct parting *p = CONTAINER_OF(node, struct parting, link);
        tolls_closed(&p->tolls, p->relay);
        leave(p);
        p->target = NULL;
    }
}
