#include "policies/facts.h"

#include <string.h>

static struct slice domain_of(struct slice address)
{
    const char *at = address.n ? memrchr(address.p, '@', address.n) : NULL;
    if (!at)
        return (struct slice){ NULL, 0 };
    return (struct slice){ at + 1, (size_t)(address.p + address.n - at) - 1 };
}

void facts_set_sender(struct facts *f, struct slice sender)
{
    f->sender = sender;
    f->sender_domain = domain_of(sender);
    f->known |= FACT_BIT(WHEN_SENDER) | FACT_BIT(WHEN_SENDER_DOMAIN);
}

void facts_set_recipient(struct facts *f, struct slice recipient)
{
    f->recipient = recipient;
    f->recipient_domain = domain_of(recipient);
    f->known |= FACT_BIT(WHEN_RECIPIENT) | FACT_BIT(WHEN_RECIPIENT_DOMAIN);
}
