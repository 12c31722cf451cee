#include "policies/facts.h"

#include "gateway/mail/address.h"
#include "gateway/mail/envelope.h"

void facts_set_sender(struct facts *f, struct slice sender)
{
    f->sender = sender;
    f->sender_domain = address_domain(sender);
    f->known |= FACT_BIT(WHEN_SENDER) | FACT_BIT(WHEN_SENDER_DOMAIN);
}

void facts_set_recipient(struct facts *f, struct slice recipient)
{
    f->recipient = recipient;
    f->recipient_domain = address_domain(recipient);
    f->known |= FACT_BIT(WHEN_RECIPIENT) | FACT_BIT(WHEN_RECIPIENT_DOMAIN);
}

void facts_set_origin(struct facts *f, const struct origin *origin)
{
    f->client = origin->name;
    if (addr_parse(origin->address, &f->client_addr) != RC_OK)
        f->client_addr = (struct addr){ .family = ADDR_NONE };
    f->user = origin->user;
    f->known |= FACT_BIT(WHEN_CLIENT) | FACT_BIT(WHEN_USER);
}
