/*
 * ingress_fixture — configuration, set-up and words that the tests of the SMTP server share
 *
 *   Listener 0 is plain, listener 1 asks 10.9.0.0/16 for a PROXY header. setup_small() starts a
 *   server with few places and a slow `clients` entry.
 */
#ifndef WAYPOST_TESTS_UNIT_INGRESS_FIXTURE_H
#define WAYPOST_TESTS_UNIT_INGRESS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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

/* The final lines of what came, each cut to the length of what is expected in its place, between
 * bars; END: and then it is closed. */
RIG_FN void check_replies(const struct rig_client *c, const char *expected, const char *in)
{
    struct slice rest = buf_slice(&c->got), want = slice_of(expected), line, one;
    while (want.n) {
        bool more = slice_cut(want, '|', &one, &want);
        if (slice_eq_str(one, "END")) {
            if (rest.n || !c->closed)
                fail_msg("%s\nnot closed, or more came: %.*s", in, SLICE_FMT(rest));
            return;
        }
        do
            slice_cut(rest, '\n', &line, &rest);
        while (line.n > 3 && line.p[3] == '-');
        if (line.n < one.n || memcmp(line.p, one.p, one.n) != 0)
            fail_msg("%s\nexpected %.*s, got %.*s", in, SLICE_FMT(one), SLICE_FMT(line));
        if (!more)
            break;
    }
    if (rest.n || c->closed)
        fail_msg("%s\nmore came: %.*s", in, SLICE_FMT(rest));
}

RIG_FN void run_dialogue(const char *address, unsigned listener, const char *in, const char *out,
                         size_t step)
{
    struct rig_client c = rig_connect(address, listener);
    rig_send(&c, slice_of(in), step);
    check_replies(&c, out, in);
    rig_close(&c);
}

#endif
