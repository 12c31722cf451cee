/*
 * policies/client — who may relay, and what
 *
 *   The first `clients` entry whose network holds the address decides, also when a later one would
 *   allow more. v4-mapped addresses must come in as IPv4.
 */
#ifndef WAYPOST_POLICIES_CLIENT_H
#define WAYPOST_POLICIES_CLIENT_H

#include "policies/policies.h"

/* NULL: nobody we relay for without AUTH. */
const struct conf_client *policies_client(const struct policies *p, const struct addr *address);
bool policies_client_may_send_to(const struct policies *p, const struct conf_client *client,
                                 struct slice recipient);
/* The null sender is always allowed: bounces and notifications have it. */
bool policies_user_may_send_as(const struct policies *p, const struct conf_user *user,
                               struct slice sender);

#endif
