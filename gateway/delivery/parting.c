#include "gateway/delivery/parting.h"

#include <stdlib.h>

#include "gateway/conf/conf.h"
#include "gateway/delivery/crowd.h"
#include "gateway/io/stream.h"

struct parting {
    struct list link; /* target->partings */
    struct target *target;
    uint32_t egress; /* as crowd_parting() gave it */
};

static void on_ended(void *arg)
{
    struct parting *p = arg;
    struct target *t = p->target;
    if (t) {
        list_del(&p->link);
        t->parting--;
        crowd_parted(t, p->egress);
    }
    free(p);
    if (t)
        target_run(t);
}

void parting_begin(struct session *s, int64_t linger_ms)
{
    struct target *t = s->target;
    if (s->relay) {
        stream_finish(&s->stream, linger_ms);
        return;
    }
    struct parting *p = mem_zero(sizeof *p);
    p->target = t;
    p->egress = crowd_parting(s);
    list_push_back(&t->partings, &p->link);
    t->parting++;
    stream_finish_then(&s->stream, linger_ms, on_ended, p);
}

void partings_forget(struct target *t)
{
    for (struct list *node; (node = list_pop_front(&t->partings));)
        CONTAINER_OF(node, struct parting, link)->target = NULL;
    t->parting = 0;
}
