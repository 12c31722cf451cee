/*
 * tests/unit/test_conf_errors — each bad configuration and the exact lines its user reads
 */
#include "tests/unit/conf_rows.h"

/* users.yaml has errors of its own; a password in the clear is never repeated. */
static void test_users(void **state)
{
    (void)state;
    static const char expected[] =
        "users.yaml:1:17: found a text, expected a password hash such as \"$y$...\" (waypost "
        "hash-password makes one)\n"
        "users.yaml:2:6: found no \"password\", expected it here: hash from waypost hash-password\n"
        "users.yaml:2:8: found unknown key \"pasword\", expected \"password\"?\n"
        "users.yaml:3:1: found \"bob\" a second time, expected it once (first at line 1)\n";
    struct bundle *b = fixture_bundle(BASE "users: users.yaml\n", NULL);
    char *text;
    bundle_put(
        b, "users.yaml",
        slice_of("bob: {password: hunter2hunter2}\neve: { pasword: \"" HASH "\" }\nbob: {}\n"));
    assert_null(fixture_load_bundle(b, &text));
    assert_string_equal(text, expected);
    free(text);
    bundle_put(b, "users.yaml", slice_of("[]"));
    assert_null(fixture_load_bundle(b, &text));
    assert_string_equal(text, "users.yaml:1:1: found a list, expected a map (name: value)\n");
    free(text);
    bundle_free(&b);
}

static const struct row yaml_rows[] = {
    { "hostname: [a\n", NULL,
      "2:1: not YAML: did not find expected ',' or ']' while parsing a flow sequence" },
    { "a: &x 1\n", NULL, "1:4: found an anchor, expected a plain value" },
    { "a: *x\n", NULL, "1:4: found an alias, expected the value itself" },
    { "a: &x [1]\n", NULL, "1:4: found an anchor or tag, expected a plain list" },
    { "a: !!map {}\n", NULL, "1:4: found an anchor or tag, expected a plain map" },
    { "a: !!str b\n", NULL, "1:4: found a tag, expected a plain value" },
    { "? [x]\n: 1\n", NULL, "1:3: found a key that is not a text, expected key: value" },
    { "a: 1\n---\nb: 2\n", NULL, "2:1: found a second document, expected one" },
    { "a\xff: 1\n", NULL, "1:2: not YAML: invalid leading UTF-8 octet" },
    { "a: b\n\x01", NULL, "2:1: not YAML: control characters are not allowed" },
    { "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1", NULL, "1:33: nested more than 32 deep" },
    { BASE "dns: { timeout: 1s, timeout: 2s }\n", NULL,
      "4:21: found \"timeout\" a second time, expected it once (first at line 4)" },
    { BASE "hostname: other.example\n", NULL,
      "4:1: found \"hostname\" a second time, expected it once (first at line 1)" },
    { "- a\n", NULL, "1:1: found a list, expected a map (key: value)" },
    { "just words\n", NULL, "1:1: found \"just words\", expected a map (key: value)" },
};

static const struct row key_rows[] = {
    { "", NULL,
      "1:1: found no \"hostname\", expected it here: our name in the greeting, EHLO and Received\n"
      "1:1: found no \"listen\", expected it here: where mail comes in\n"
      "1:1: found neither clients nor users, expected one of them: nobody could send" },
    { BASE "hostnme: x\n", NULL, "4:1: found unknown key \"hostnme\", expected \"hostname\"?" },
    { BASE "\"a\\nb: 1\": {}\n", NULL,
      "4:1: found unknown key \"a?b: 1\", expected one of: hostname "
      "state user workers tls users listen clients limits spool dns delivery egress policies log "
      "geo "
      "probes reputation report" },
    { BASE "dsn: {}\n", NULL, "4:1: found unknown key \"dsn\", expected \"dns\"?" },
    { BASE "dns: { xyzzyxyzzy: 1 }\n", NULL,
      "4:8: found unknown key \"xyzzyxyzzy\", expected one of: servers timeout" },
    { BASE "limits: { conections: 5 }\n", NULL,
      "4:11: found unknown key \"conections\", expected \"connections\"?" },
    { BASE "workers: many\n", NULL,
      "4:10: found \"many\", expected auto or a number from 1 to 64" },
    { BASE "workers: 0\n", NULL, "4:10: found \"0\", expected auto or a number from 1 to 64" },
    { BASE "state: {}\n", NULL, "4:8: found a map, expected a path" },
    { BASE "limits: 5\n", NULL, "4:9: found \"5\", expected a map (key: value)" },
    { BASE "limits: { recipients: -1, hops: 0, message_size: 5XB, idle: 5 }\n", NULL,
      "4:23: found \"-1\", expected a number from 1 to 100000\n"
      "4:33: found \"0\", expected a number from 1 to 1000\n"
      "4:50: found \"5XB\", expected a size such as 64KiB 50MiB 2GiB, from 1KiB to 1TiB\n"
      "4:61: found \"5\", expected a time such as 500ms 30s 5m 4h 5d, from 1s to 1h" },
    { BASE "log: { level: loud }\n", NULL,
      "4:15: found \"loud\", expected one of debug info warning error" },
    { BASE "log: { level: info, deliveries: [a] }\n", NULL,
      "4:33: found a list, expected a path, or \"\" for none" },
    { BASE "dns: { servers: [127.0.0.1, resolver.example, \"224.0.0.1\"] }\n", NULL,
      "4:29: found \"resolver.example\", expected the IP address of a DNS server such as 127.0.0.1 "
      "or 127.0.0.1:53\n"
      "4:47: found \"224.0.0.1\", expected the IP address of a DNS server such as 127.0.0.1 or "
      "127.0.0.1:53" },
    { BASE "delivery: { port: 70000, tls: always, timeouts: { connect: 1 } }\n", NULL,
      "4:19: found \"70000\", expected a number from 1 to 65535\n"
      "4:31: found \"always\", expected one of none opportunistic required verify\n"
      "4:60: found \"1\", expected a time such as 500ms 30s 5m 4h 5d, from 100ms to 1h" },
    { BASE "delivery: { ca_file: nowhere }\n", NULL,
      "4:22: found \"nowhere\", expected a file that can be read: not in the bundle" },
    { BASE "policies: nowhere.yaml\n", NULL,
      "4:11: found \"nowhere.yaml\", expected a file that can be read: not in the bundle" },
    { BASE "state: \"a\\x01b\"\n", NULL, "4:8: found \"a?b\", expected a path" },
    { BASE "user: 0123456789012345678901234567890123456789012345678901234567890123456789\n", NULL,
      "4:7: found \"012345678901234567890123456789012345678901234567890123456789...\", expected a "
      "name of up to 64 letters, digits and - _ ." },
    { BASE "users: nowhere.yaml\n", NULL,
      "4:8: found \"nowhere.yaml\", expected a file that can be read: not in the bundle" },
};

#define REST "clients: [ { network: 127.0.0.0/8 } ]\n"
#define HEAD "hostname: a.example\n"
static const struct row section_rows[] = {
    { "hostname: -bad-\nlisten: [ { address: \"127.0.0.1:25\" } ]\n" REST, NULL,
      "1:11: found \"-bad-\", expected a host name such as gw1.example.net, no dot behind" },
    { "hostname: 10.0.0.1\nlisten: [ { address: \"127.0.0.1:25\" } ]\n" REST, NULL,
      "1:11: found \"10.0.0.1\", expected a host name such as gw1.example.net, no dot behind" },
    { HEAD "listen: []\n" REST, NULL, "2:9: found an empty list, expected at least one entry" },
    { HEAD "listen: \"127.0.0.1:25\"\n" REST, NULL,
      "2:9: found \"127.0.0.1:25\", expected a list of maps ( - { key: value } )" },
    { HEAD "listen: [ { address: \"localhost:25\" }, { tls: none } ]\n" REST, NULL,
      "2:22: found \"localhost:25\", expected an IP address with port such as 192.0.2.1:25 or "
      "[2001:db8::1]:25\n"
      "2:40: found no \"address\", expected it here: the address and port to listen on" },
    { HEAD "listen: [ { address: 127.0.0.1 } ]\n" REST, NULL,
      "2:22: found \"127.0.0.1\", expected an IP address with port such as 192.0.2.1:25 or "
      "[2001:db8::1]:25" },
    { HEAD "listen:\n  - { address: \"[::1]:25\" }\n  - { address: \"[::1]:25\" }\n" REST, NULL,
      "4:5: found [::1]:25 a second time, expected it once (first at line 3)" },
    { HEAD "listen: [ { address: \"127.0.0.1:25\", tls: required } ]\n" REST, NULL,
      "2:43: found tls: required, expected a certificate too (tls: { certificate, key })" },
    { HEAD "listen: [ { address: \"127.0.0.1:465\", tls: implicit } ]\n" REST, NULL,
      "2:44: found tls: implicit, expected a certificate too (tls: { certificate, key })" },
    { HEAD "listen: [ { address: \"127.0.0.1:25\", tls: opportunistic } ]\n" REST, NULL,
      "2:43: warning: STARTTLS is not offered: there is no tls.certificate" },
    { HEAD "listen: [ { address: \"127.0.0.1:25\", auth: required } ]\n" REST, NULL,
      "2:44: found auth: required, expected users too" },
    { HEAD "users: users.yaml\nlisten: [ { address: \"127.0.0.1:25\", auth: required } ]\n", NULL,
      "3:44: found auth: required without TLS, expected tls: required or implicit: passwords are "
      "never taken in the clear" },
    { HEAD "users: users.yaml\nlisten: [ { address: \"127.0.0.1:25\", auth: optional } ]\n", NULL,
      "3:44: warning: AUTH is not offered: there is no TLS on this address" },
    { HEAD "listen: [ { address: \"127.0.0.1:25\", proxy_protocol: 10.0.0.1/24 } ]\n" REST, NULL,
      "2:54: found \"10.0.0.1/24\", expected a network such as 10.0.0.0/8 or 2001:db8::/32 (host "
      "bits zero), or one address" },
    { BASE "tls: { certificate: gw1.pem }\n", NULL,
      "4:6: found no \"key\", expected both certificate and key" },
    { BASE "tls: { certificate: p, key: gw1.pem }\n", NULL,
      "4:21: found no certificate in \"p\", expected PEM\n"
      "4:29: found no private key in \"gw1.pem\", expected PEM" },
    { HEAD "listen: [ { address: \"127.0.0.1:25\" } ]\n", NULL,
      "1:1: found neither clients nor users, expected one of them: nobody could send" },
    { HEAD "listen: [ { address: \"127.0.0.1:25\" } ]\nclients: []\n", NULL,
      "3:10: found neither clients nor users, expected one of them: nobody could send" },
    { HEAD
      "listen: [ { address: \"127.0.0.1:25\" } ]\n"
      "clients:\n  - { network: 10.0.0.0/8, rate: fast, connections: 0, name: \"a b\" }\n"
      "  - { network: 10.1.0.0/16 }\n  - { network: 10.0.0.0/8 }\n  - { network: 0.0.0.0/0 }\n",
      NULL,
      "4:34: found \"fast\", expected a rate above zero such as 2/s 500/min 1000/h 20000/day\n"
      "4:53: found \"0\", expected a number from 1 to 1000000\n"
      "4:62: found \"a b\", expected a name of up to 64 letters, digits and - _ .\n"
      "5:5: warning: this entry is never used: the wider network at line 4 comes first\n"
      "6:5: found the same network a second time, expected it once (first at line 4)\n"
      "7:5: warning: anybody may send to anybody: this is an open relay" },
    { BASE "spool: { encryption: {} }\n", NULL,
      "4:22: found no \"key_file\", expected it here: 32 bytes, or 64 hexadecimal digits" },
    { BASE "spool: { encryption: { key_file: p } }\n", NULL,
      "4:34: found 24 bytes in \"p\", expected 32 bytes or 64 hexadecimal digits" },
    { BASE "spool: { tiers: [ { path: a }, { path: a } ] }\n", NULL,
      "4:19: found no \"size\", expected one in all but the last tier\n"
      "4:32: found \"a\" a second time, expected it once" },
    { BASE "limits: { connections: 10, connections_per_client: 20 }\n", NULL,
      "4:9: warning: one client may take all connections: connections_per_client is above "
      "connections" },
    { BASE "delivery: { tls: verify, ca_file: empty }\n", NULL,
      "4:11: found tls: verify and nothing in delivery.ca_file (\"empty\"), expected certificates "
      "to trust" },
};

static const struct row plan_rows[] = {
    { BASE "report: { token_file: empty }\n", NULL,
      "4:23: found \"empty\" empty, expected a token in its first line" },
    { BASE "report: { token_file: p }\n", NULL,
      "4:23: warning: the token in \"p\" has 11 characters: fewer than 16 can be guessed" },
    { BASE "egress: []\n", NULL, "4:9: found an empty list, expected at least one entry" },
    { BASE "egress:\n  - { name: a }\n  - { name: a }\n", NULL,
      "6:5: found egress \"a\" a second time, expected it once (first at line 5)" },
    { BASE "egress: [ { name: a, address: \"192.0.2.1:25\", weight: many } ]\n", NULL,
      "4:31: found \"192.0.2.1:25\", expected an IP address without port such as 192.0.2.1 or "
      "2001:db8::1\n"
      "4:55: found \"many\", expected a number from 0 to 10000" },
    { BASE "egress: [ { name: a, address: [192.0.2.1, 192.0.2.1] } ]\n", NULL,
      "4:11: found the same address twice in egress \"a\"" },
    { BASE "egress:\n  - { name: a, via: { socks5: \"192.0.2.1:1080\", relay: \"r.example\" } }\n",
      NULL, "5:21: found several of socks5, proxy and relay, expected exactly one" },
    { BASE "egress:\n  - { name: a, via: { source: 192.0.2.1 } }\n", NULL,
      "5:21: found none of socks5, proxy and relay, expected exactly one" },
    { BASE
      "egress:\n  - { name: b }\n  - { name: a, via: { socks5: \"192.0.2.1:1080\", user: u } }\n",
      NULL, "6:21: found no \"password_file\", expected both user and password_file" },
    { BASE "egress:\n"
           "  - { name: a, via: { socks5: \"192.0.2.1\", tls: verify } }\n"
           "  - { name: b, via: { proxy: \"192.0.2.1:25\", user: u, password_file: p } }\n"
           "  - { name: c, via: { proxy: haproxy.example } }\n",
      NULL,
      "5:49: found \"tls\", expected it only together with relay\n"
      "6:52: found \"user\", expected it only together with socks5 or relay\n"
      "7:30: found \"haproxy.example\" without port, expected the port that takes the header" },
    { BASE "egress: [ { name: a, address: 192.0.2.1, via: { socks5: \"192.0.2.1\" } } ]\n", NULL,
      "4:11: found both address and via, expected one of them" },
    { BASE "egress: [ { name: a, interface: much-too-long-a-name, mark: 0 } ]\n", NULL,
      "4:11: found \"much-too-long-a-name\", expected an interface of at most 15 letters\n"
      "4:61: found \"0\", expected a number from 1 to 4294967295" },
    { BASE "egress: [ { name: a, via: { relay: r.example, user: u, password_file: p } } ]\n", NULL,
      "4:27: warning: the relay's password is only sent over TLS, or to this machine: tls is "
      "opportunistic" },
    { BASE "delivery: { ca_file: empty }\negress: [ { name: a, via: { relay: r.example, tls: "
           "verify } } ]\n",
      NULL,
      "4:11: found tls: verify and nothing in delivery.ca_file (\"empty\"), expected certificates "
      "to trust" },
    { BASE "egress: [ { name: a, warmup: { start: 2026-02-30 } } ]\n", NULL,
      "4:39: found \"2026-02-30\", expected a date such as 2026-11-20" },
    { BASE "geo: { carriers: { x: 4134 }, regions: { y: [europe] }, asn_database: no.mmdb }\n",
      NULL,
      "4:23: found \"4134\", expected an AS number such as AS4134\n"
      "4:46: found \"europe\", expected a continent, country or subdivision code such as EU, DE, "
      "CN-BJ\n"
      "4:71: found \"no.mmdb\", expected a file that is there: not in the bundle" },
    { BASE
      "geo: { carriers: { a: [AS1, AS2], b: AS1, c: AS1 }, regions: { d: DE, e: [EU, DE] } }\n",
      NULL,
      "4:38: found AS1 a second time, expected it once (first in \"a\")\n"
      "4:46: found AS1 a second time, expected it once (first in \"a\")\n"
      "4:79: found DE a second time, expected it once (first in \"d\")" },
    { BASE "geo: { regions: { a: [UK, GB, EU, XK], b: AN, c: [AN-X, CN-BJ] } }\n", NULL,
      "4:23: warning: UK is neither a country of ISO 3166 nor a continent: no address will be in "
      "\"a\" by it\n"
      "4:51: warning: AN is neither a country of ISO 3166 nor a continent: no address will be in "
      "\"c\" by it" },
    { BASE "geo:\n  networks:\n    - { network: 10.0.0.0/8, carrier: x }\n"
           "    - { network: 10.0.0.0/8, region: y }\n    - { network: 10.1.0.0/16 }\n",
      NULL,
      "7:7: found the same network a second time, expected it once (first at line 6)\n"
      "8:7: found neither carrier nor region, expected one of them" },
    { BASE "probes: { total: 5 }\n", NULL,
      "4:18: found \"5\", expected a rate above zero such as 2/s 500/min 1000/h 20000/day" },
    { BASE "reputation:\n  blocklists: [ { zone: dnsbl.sorbs.net, codes: { 10.0.0.1: 5 } } ]\n"
           "  feeds: [ { format: drop-json, url: \"ftp://x\", file: p }, { format: x } ]\n",
      NULL,
      "5:25: found \"dnsbl.sorbs.net\", expected a list of addresses: sorbs.net is closed\n"
      "5:51: found \"10.0.0.1\", expected an answer in 127.0.0.0/8\n"
      "6:12: found both of file and url, expected exactly one\n"
      "6:38: found \"ftp://x\", expected a URL that begins with https:// or http://\n"
      "6:60: found none of file and url, expected exactly one\n"
      "6:70: found \"x\", expected one of netset drop-json rbldnsd list" },
    { BASE "reputation:\n  blocklists: [ { zone: zen.spamhaus.org }, { zone: bl.example }, { zone: "
           "k.zen.dq.spamhaus.net }, { zone: multi.surbl.org } ]\n",
      NULL,
      "5:53: \"bl.example\" is not among the lists known here: expected \"codes\" beside it, which "
      "say what its answers mean\n"
      "5:108: found \"multi.surbl.org\", expected a list of addresses: it is a list of domains, "
      "not "
      "of addresses" },
};

static const struct row policy_rows[] = {
    { BASE, "route: []\n", "1:1: found unknown key \"route\", expected \"routes\"?" },
    { BASE, "priorities: [ { when: { sender: a@b.example }, priority: vip } ]\n",
      "1:58: found \"vip\", expected one of urgent high normal bulk" },
    { BASE, "priorities: [ { when: { sendr: a@b.example } } ]\n",
      "1:15: found no \"priority\", expected it here: the lane it goes in\n"
      "1:25: found unknown key \"sendr\", expected \"sender\"?" },
    { BASE, "priorities: [ { when: { qqqqqq: 1 }, priority: high } ]\n",
      "1:25: found unknown key \"qqqqqq\", expected one of: sender recipient sender_domain "
      "recipient_domain client user header size mx site recipient_carrier recipient_region "
      "priority "
      "time not" },
    { BASE, "priorities: [ { when: [], priority: high } ]\n",
      "1:23: found a list, expected a map of conditions, such as { sender: \"*@example.net\" }" },
    { BASE, "priorities: [ { when: { sender: [] }, priority: high } ]\n",
      "1:33: found an empty list, expected at least one value" },
    { BASE, "priorities: [ { when: { header: X-Priority }, priority: high } ]\n",
      "1:33: found \"X-Priority\", expected a map of header names, such as { X-Priority: \"1*\" "
      "}" },
    { BASE, "priorities: [ { when: { header: { \"a b\": \"1\" } }, priority: high } ]\n",
      "1:35: found \"a b\", expected a header name" },
    { BASE, "priorities: [ { when: { sender: corp.example }, priority: high } ]\n",
      "1:33: warning: \"corp.example\" has no \"@\" and matches no address; \"*@corp.example\" is "
      "all of a domain" },
    { BASE, "priorities: [ { when: { sender_domain: \"*@corp.example\" }, priority: high } ]\n",
      "1:40: found \"*@corp.example\", expected a domain without \"@\"" },
    { BASE,
      "priorities: [ { when: { sender: [\"\u00fc@x.example\", \"a@b\u00fc*.example\"], mx: "
      "\"*.\u2603\u0301\" }, priority: high } ]\n",
      "1:49: found \"a@b\u00fc*.example\", expected a domain that IDNA allows\n"
      "1:71: found \"*.\u2603\u0301\", expected a domain that IDNA allows" },
    { BASE, "priorities: [ { when: { client: [10.0.0.1/8, 10.0.0.0/8] }, priority: high } ]\n",
      "1:34: found \"10.0.0.1/8\", expected the name of a client or a network such as 10.0.0.0/8" },
    { BASE,
      "priorities: [ { when: { size: [\">1MiB\", big, \"5MiB..1MiB\"] }, priority: bulk } ]\n",
      "1:41: found \"big\", expected a size or range such as \">1MiB\" \"<=10KiB\" \"1MiB..5MiB\"\n"
      "1:46: found \"5MiB..1MiB\", expected a size or range such as \">1MiB\" \"<=10KiB\" "
      "\"1MiB..5MiB\"" },
    { BASE, "priorities: [ { when: { time: [\"8-18\", \"25:00-26:00\"] }, priority: bulk } ]\n",
      "1:32: found \"8-18\", expected a time such as \"08:00-18:00\" \"mon-fri 22:00-06:00\" "
      "\"sat,sun\"\n"
      "1:40: found \"25:00-26:00\", expected a time such as \"08:00-18:00\" \"mon-fri "
      "22:00-06:00\" \"sat,sun\"" },
    { BASE, "routes:\n  - { name: a, when: { size: \">1\" } }\n  - { name: a }\n  - { name: b }\n",
      "3:5: found route \"a\" a second time, expected it once (first at line 2)\n"
      "4:5: warning: this route is never used: \"a\" at line 3 matches all mail" },
    { BASE "egress: [ { name: gz-1 }, { name: hk-1 } ]\n",
      "routes: [ { name: a, egress: [\"gz-*\", \"us-*\", hk1] } ]\n",
      "1:39: found \"us-*\", expected an egress or a pattern that matches one of: gz-1 hk-1\n"
      "1:47: found \"hk1\", expected an egress or a pattern that matches one of: gz-1 hk-1" },
    { BASE "egress: [ { name: a, via: { relay: r.example } }, { name: b } ]\n",
      "routes: [ { name: r, hosts: [av1.example], egress: a }, { name: s, egress: a },\n"
      "  { name: t, hosts: [av1.example], egress: a, fallback: any } ]\n",
      "1:11: found only relays as egress of route \"r\", expected one that reaches its hosts\n"
      "1:57: warning: this route is never used: \"r\" at line 1 matches all mail\n"
      "2:3: warning: this route is never used: \"r\" at line 1 matches all mail" },
    { BASE, "routes: [ { name: a, hosts: [\"mx.example:x\", \"300.1.1.1\"], tls: maybe } ]\n",
      "1:30: found \"mx.example:x\", expected a host name or IP address, with or without port, "
      "such "
      "as mx.example.net:25, 192.0.2.1:25 or [2001:db8::1]:25\n"
      "1:46: found \"300.1.1.1\", expected a host name or IP address, with or without port, such "
      "as "
      "mx.example.net:25, 192.0.2.1:25 or [2001:db8::1]:25\n"
      "1:65: found \"maybe\", expected one of none opportunistic required verify" },
    { BASE, "routes: [ { name: a, user: u, password_file: p } ]\n",
      "1:11: found user without hosts, expected the hosts to log in to" },
    { BASE, "routes: [ { name: a, hosts: h.example, user: u } ]\n",
      "1:11: found no \"password_file\", expected both user and password_file\n"
      "1:11: warning: route \"a\" may send its password in the clear: tls is opportunistic" },
    { BASE,
      "routes: [ { name: a, hosts: h.example, tls: verify, user: u, password_file: empty } ]\n",
      "1:77: found \"empty\" empty, expected a password in its first line" },
    { BASE, "routes: [ { name: a, fallback: some } ]\n",
      "1:32: found \"some\", expected one of none any; did you mean none?" },
    { BASE, "retry: { first: 5h }\n",
      "1:8: found retry.first longer than retry.max, expected at most as long" },
    { BASE, "routes: [ { name: a, hosts: [h.example:0, \"0.0.0.0:25\"], egress: [] } ]\n",
      "1:30: found \"h.example:0\", expected a host name or IP address, with or without port, such "
      "as "
      "mx.example.net:25, 192.0.2.1:25 or [2001:db8::1]:25\n"
      "1:43: found \"0.0.0.0:25\", expected a host name or IP address, with or without port, such "
      "as "
      "mx.example.net:25, 192.0.2.1:25 or [2001:db8::1]:25\n"
      "1:66: found an empty list, expected at least one value" },
    { BASE, "retry: { first: 5h, max: 6d, expire: 5d, delay_notice: 6d }\n",
      "1:8: found retry.max longer than retry.expire, expected at most as long\n"
      "1:8: warning: no delay notice is ever sent: retry.delay_notice is not before retry.expire" },
    { BASE, "replies: [ { when: { text: \"*limit*\", size: x }, class: ip-throttled } ]\n",
      "1:45: found \"x\", expected a size or range such as \">1MiB\" \"<=10KiB\" \"1MiB..5MiB\"" },
    { BASE, "replies: [ { when: { text: \"*limit*\" }, class: ip-throttle } ]\n",
      "1:48: found \"ip-throttle\", expected one of none ip-blocked ip-throttled domain-blocked "
      "content mailbox greylist auth tls temp; did you mean ip-throttled?" },
};

#define ROWS(rows, file) check_rows(rows, sizeof rows / sizeof rows[0], file)

static void test_yaml(void **state)
{
    (void)state;
    ROWS(yaml_rows, "waypost.yaml");
}

static void test_keys(void **state)
{
    (void)state;
    ROWS(key_rows, "waypost.yaml");
}

static void test_sections(void **state)
{
    (void)state;
    ROWS(section_rows, "waypost.yaml");
}

static void test_plan(void **state)
{
    (void)state;
    ROWS(plan_rows, "waypost.yaml");
}

static void test_policies(void **state)
{
    (void)state;
    ROWS(policy_rows, "policies.yaml");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_yaml),     cmocka_unit_test(test_keys),
        cmocka_unit_test(test_sections), cmocka_unit_test(test_plan),
        cmocka_unit_test(test_policies), cmocka_unit_test(test_users),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
