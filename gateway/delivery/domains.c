#include "gateway/delivery/domains.h"

#include <stdlib.h>

#include "gateway/base/mem.h"

enum { DOMAIN_MAX = 255 };

static uint64_t hash_of(struct slice domain)
{
    char lower[DOMAIN_MAX];
    size_t n = domain.n < DOMAIN_MAX ? domain.n : DOMAIN_MAX;
    ascii_lower_copy(lower, domain.p, n);
    return slice_hash((struct slice){ lower, n });
}

static bool is_known(const struct session *s, struct slice domain)
{
    uint64_t hash = hash_of(domain);
    for (uint32_t i = 0; i < s->domains_n; i++)
        if (s->domains[i] == hash)
            return true;
    return false;
}

bool domains_allow(const struct session *s, struct slice domain)
{
    uint32_t max = s->caps.rcptdomain_max;
    return max == 0 || s->domains_n < max || (domain.n && is_known(s, domain));
}

bool domains_allow_item(const struct session *s, const struct item *item)
{
    return domains_allow(s, item_domain(item));
}

void domains_note(struct session *s, struct slice domain)
{
    if (s->caps.rcptdomain_max == 0 || is_known(s, domain))
        return;
    s->domains = mem_grow(s->domains, s->domains_n + 1, sizeof *s->domains);
    s->domains[s->domains_n++] = hash_of(domain);
}

void domains_forget(struct session *s)
{
    free(s->domains);
    s->domains = NULL;
    s->domains_n = 0;
}
