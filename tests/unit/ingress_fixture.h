/*
 * ingress_fixture — configuration, set-up and words that the tests of the SMTP server share
 *
 *   Listener 0 is plain, listener 1 asks 10.9.0.0/16 for a PROXY header. setup_small() starts a
 *   server with few places and a slow `clients` entry.
 */
#ifndef WAYPOST_TESTS_UNIT_INGRESS_FIXTURE_H
#define WAYPOST_TESTS_UNIT_INGRESS_FIXTURE_H

#include "tests/unit/ingress_rig.h"

/* A whole waypost.yaml; `clients` and `limits` are what stands between [] and {}. */
#define INGRESS_CONF(clients, limits)                                                              \
    "hostname: relay.test\n"                                                                       \
    "state: /w/state\n"                                                                            \
    "listen:\n"                                                                                    \
    "  - { address: '127.0.0.1:25', tls: none, auth: none }\n"                                     \
    "  - { address: '127.0.0.1:26', tls: none, auth: none, proxy_protocol: [10.9.0.0/16] }\n"      \
    "clients: [ " clients " ]\n"                                                                   \
    "limits: { " limits " }\n"                                                                     \
    "policies: policies.yaml\n"

#define PLAIN_RULES "routes: [ { name: rest } ]\n"

#define EHLO "EHLO c.test\r\n"
#define ENV "MAIL FROM:<a@b.test>\r\nRCPT TO:<x@d.test>\r\n"
#define BEGIN EHLO ENV "DATA\r\n"

RIG_FN int setup_small(void **state)
{
    static const char conf[] =
        INGRESS_CONF("{ network: 11.0.0.0/8, name: slow, rate: 3/min, connections: 2 }, "
                     "{ network: 10.0.0.0/8 }, { network: '2001:db8::/32' }",
                     "message_size: 64KiB, connections: 6, connections_per_client: 3, idle: 1m");
    (void)state;
    rig_start(rig_policies(conf, PLAIN_RULES, NULL, NULL, NULL));
    return 0;
}

RIG_FN int teardown(void **state)
{
    (void)state;
    rig_stop();
    return 0;
}

#endif
