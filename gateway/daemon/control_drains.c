#include "gateway/daemon/control_drains.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/admin/ask.h"
#include "gateway/admin/under_way.h"
#include "gateway/base/mem.h"
#include "gateway/io/timer.h"

enum { ASK_MS = 1000 };

struct control_drains {
    struct loop *loop;
    const char *relay_path;
    struct control_standing *standing;
    struct list asks; /* one at a time */
    struct timer next;
    int64_t barred_ms[STANDING_MEMBERS_MAX]; /* the first table that has the bar; 0: not draining */
    uint32_t left[STANDING_MEMBERS_MAX];     /* while an answer is read */
};

static bool drains(const struct control_drains *c, int member, struct standing_view *v)
{
    return standing_view(control_standing_core(c->standing), member, loop_wall_ms(c->loop), v) &&
           v->state == STANDING_DRAINING;
}

/* What leaves by an address we do not know may be any of its egress; an egress we do not know was
 * renamed, or has given the address away. */
static void add_session(void *arg, struct slice egress, const struct addr *source, uint32_t n)
{
    struct control_drains *c = arg;
    struct standing *core = control_standing_core(c->standing);
    struct standing_view v;
    int member = standing_find(core, egress, source);
    if (member != STANDING_NONE)
        c->left[member] += n;
    for (int m = 0; member == STANDING_NONE && m < (int)standing_member_n(core); m++)
        if (drains(c, m, &v) &&
            (slice_eq(v.egress, egress) ||
             (source->family != ADDR_NONE && addr_same_host(&v.address, source))))
            c->left[m] += n;
}

static void tell(struct control_drains *c, int64_t table_ms)
{
    struct standing *core = control_standing_core(c->standing);
    struct standing_view v;
    for (int m = 0; m < (int)standing_member_n(core); m++)
        if (drains(c, m, &v) && c->barred_ms[m] && table_ms >= c->barred_ms[m])
            standing_sessions(core, m, c->left[m], loop_wall_ms(c->loop));
    control_standing_touched(c->standing);
}

static void on_answer(void *arg, const struct ask_answer *answer)
{
    struct control_drains *c = arg;
    int64_t table_ms;
    memset(c->left, 0, sizeof c->left);
    if (answer->rc == RC_OK && answer->status == 0 &&
        under_way_read(answer->rows, &table_ms, add_session, c) == RC_OK)
        tell(c, table_ms);
}

static void on_next(struct timer *timer)
{
    struct control_drains *c = CONTAINER_OF(timer, struct control_drains, next);
    struct request request = { .field_count = 0 };
    bool any = false;
    for (size_t m = 0; m < STANDING_MEMBERS_MAX; m++)
        any = any || c->barred_ms[m];
    if (!any)
        return;
    timer_set(c->loop, timer, ASK_MS);
    if (!list_empty(&c->asks))
        return;
    request_set(&request, "under-way", "");
    ask_open(c->loop, &c->asks, c->relay_path, &request, on_answer, c);
    request_free(&request);
}

void control_drains_configure(struct control_drains *c)
{
    memset(c->barred_ms, 0, sizeof c->barred_ms);
    ask_cancel_all(&c->asks);
}

void control_drains_advise(struct control_drains *c, const struct advice *advice)
{
    struct standing_view v;
    bool any = false;
    for (int m = 0; m < STANDING_MEMBERS_MAX; m++) {
        int64_t since = c->barred_ms[m] ? c->barred_ms[m] : advice->made_ms;
        c->barred_ms[m] = drains(c, m, &v) ? since : 0;
        any = any || c->barred_ms[m];
    }
    if (any && !timer_is_set(&c->next))
        timer_set(c->loop, &c->next, ASK_MS);
}

struct control_drains *control_drains_new(struct loop *loop, const char *relay_path,
                                          struct control_standing *standing)
{
    struct control_drains *c = mem_zero(sizeof *c);
    c->loop = loop;
    c->relay_path = relay_path;
    c->standing = standing;
    list_init(&c->asks);
    timer_init(&c->next, on_next);
    return c;
}

void control_drains_free(struct control_drains **drains_p)
{
    struct control_drains *c = *drains_p;
    if (!c)
        return;
    timer_stop(c->loop, &c->next);
    memset(c->barred_ms, 0, sizeof c->barred_ms);
    ask_cancel_all(&c->asks);
    free(c);
    *drains_p = NULL;
}
