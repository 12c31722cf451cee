#include "policies/client.h"

#include <assert.h>

#include "policies/compiled.h"

const struct conf_client *policies_client(const struct policies *p, const struct addr *address)
{
    const struct conf *c = p->conf;
    for (size_t i = 0; i < c->clients.n; i++)
        if (network_contains(&c->clients.at[i].network, address))
            return &c->clients.at[i];
    return NULL;
}

bool policies_client_may_send_to(const struct policies *p, const struct conf_client *client,
                                 struct slice recipient)
{
    size_t i = (size_t)(client - p->conf->clients.at);
    assert(i < p->conf->clients.n);
    const struct patterns *only = &p->client_recipients[i];
    return only->n == 0 || pattern_match_any(only->at, only->n, recipient);
}

bool policies_user_may_send_as(const struct policies *p, const struct conf_user *user,
                               struct slice sender)
{
    size_t i = (size_t)(user - p->conf->users.at);
    assert(i < p->conf->users.n);
    const struct patterns *only = &p->user_senders[i];
    return sender.n == 0 || only->n == 0 || pattern_match_any(only->at, only->n, sender);
}
