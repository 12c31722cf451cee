/*
 * dns/trail — one question under way, and the CNAMEs it leads over
 */
#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/dns/resolver_private.h"

const char *trail_name(const struct lookup *l, const struct trail *trail)
{
    return trail->name ? trail->name : l->name;
}

void trail_ask(struct lookup *l, struct trail *trail, uint16_t type, ask_fn *fn)
{
    trail->ask = upstream_ask(l->r->upstream, trail_name(l, trail), type, fn, l);
}

bool trail_follow(struct lookup *l, struct trail *trail, const struct dns_answer *answer,
                  const struct dns_found *found, uint16_t type, ask_fn *fn)
{
    if (!found->followed || answer->has_negative_ttl || trail->hops == CNAME_HOPS_MAX ||
        !dns_is_host_name(found->name))
        return false;
    char *name = mem_strdup(found->name);
    trail->hops++;
    free(trail->name);
    trail->name = name;
    trail_ask(l, trail, type, fn);
    return true;
}

void trail_end(struct trail *trail)
{
    upstream_drop(&trail->ask);
    free(trail->name);
    trail->name = NULL;
}
