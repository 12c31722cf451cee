#include "gateway/admin/explain_place.h"

#include "gateway/base/cursor.h"
#include "gateway/queue/inspect.h"

void explain_place_put(const struct fanout_worker *worker, struct slice domain, struct buf *out)
{
    struct mx_set *set = resolver_mx_cached(worker->resolver, domain);
    if (!set || set->status != DNS_OK)
        return;
    mx_set_ref(set);
    const struct geo_group *place = queue_place_known(worker->queue, set);
    put_slice16(out, place ? place->carrier : slice_of(""));
    put_slice16(out, place ? place->region : slice_of(""));
    for (size_t i = 0; i < set->count; i++)
        put_slice16(out, slice_of(set->hosts[i].name));
    mx_set_unref(&set);
}

static struct slice take(struct cursor *c, struct arena *arena)
{
    struct slice s = cur_slice16(c);
    return (struct slice){ arena_strndup(arena, s.p ? s.p : "", s.n), s.n };
}

bool explain_place_take(struct slice answer, struct arena *arena, struct facts *f)
{
    struct cursor c = cur_of(answer.p, answer.n);
    if (!answer.n)
        return false;
    f->carrier = take(&c, arena);
    f->region = take(&c, arena);
    if (f->region.n) /* never empty when it is known */
        f->known |= FACT_BIT(WHEN_CARRIER) | FACT_BIT(WHEN_REGION);
    struct slice *hosts = arena_alloc(arena, MX_HOSTS_MAX * sizeof *hosts);
    while (cur_left(&c) && !c.bad && f->mx_count < MX_HOSTS_MAX)
        hosts[f->mx_count++] = take(&c, arena);
    f->mx = hosts;
    f->known |= FACT_BIT(WHEN_MX);
    return true;
}
