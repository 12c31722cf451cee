"""
test_delivery_dns — finding the next hop: MX and its traps, with knot, unbound and a lying server
"""
import pytest
from wp import mail, net, servers, smtpd


def deliver(here, *sinks, to="b@dest.test", count=1):
    """Sends one message to `to`; gives which of the sinks got it."""
    here.send(mail.message(), to=to)
    net.wait_for("the message", lambda: sum(len(s.messages) for s in sinks) >= count)
    return [len(s.messages) for s in sinks]


def bounce(here, sink_of_bounces, to):
    """Sends to an address that fails for good; gives the report the sender gets."""
    here.send(mail.message(), sender="a@client.test", to=to)
    return mail.Report(sink_of_bounces.wait(1)[0].data)


def test_preference_is_followed(world, sink):
    here, zone = world()
    first, second = sink(), sink()
    zone.mail("dest.test", first.address, second.address)
    assert deliver(here, first, second) == [1, 0]


def test_second_preference_when_the_first_is_dead(world, sink):
    here, zone = world()
    second = sink()
    zone.mail("dest.test", net.loopback(), second.address)         # the first refuses connections
    assert deliver(here, second) == [1]


def test_equal_preference_is_spread(world, sink):
    here, zone = world(conf={"delivery": {"messages_per_connection": 1}})
    both = [sink(), sink()]
    for s, name in zip(both, "ab"):
        zone.add("dest.test", f"MX 10 {name}.dest.test.").host(f"{name}.dest.test", s.address)
    for _ in range(24):
        here.send(mail.message())
    net.wait_for("all", lambda: sum(len(s.messages) for s in both) == 24)
    assert all(s.messages for s in both)                            # one in 8 million fails


def test_implicit_mx(world, sink):
    here, zone = world()
    s = sink()
    zone.host("dest.test", s.address)
    assert deliver(here, s) == [1]


def test_null_mx(world, sink):
    here, zone = world()
    back = sink()
    zone.mail("client.test", back.address)
    zone.add("dest.test", "MX 0 .").host("dest.test", back.address)
    report = bounce(here, back, "b@dest.test")
    assert report.recipients[0]["Status"] == "5.1.10"


def test_no_such_domain(world, sink):
    here, zone = world()
    back = sink()
    zone.mail("client.test", back.address)
    report = bounce(here, back, "b@nowhere.test")
    assert report.recipients[0]["Status"] in ("5.1.2", "5.4.4")
    assert "nowhere.test" in report.text


def test_mx_without_address(world, sink):
    here, zone = world()
    back = sink()
    zone.mail("client.test", back.address)
    zone.add("dest.test", "MX 10 gone.dest.test.")
    assert bounce(here, back, "b@dest.test").recipients[0]["Status"].startswith("5.")


@pytest.mark.parametrize("chain", [1, 4])
def test_cname_is_followed(world, sink, chain):
    here, zone = world()
    s = sink()
    for i in range(chain):
        zone.add(f"c{i}.test", f"CNAME c{i + 1}.test.")
    zone.mail(f"c{chain}.test", s.address)
    assert deliver(here, s, to="b@c0.test") == [1]
    assert s.messages[0].rcpts[0][0] == "b@c0.test"


def test_mx_to_a_cname(world, sink):
    here, zone = world()
    s = sink()
    zone.add("dest.test", "MX 10 alias.test.").add("alias.test", "CNAME real.test.")
    zone.host("real.test", s.address)
    assert deliver(here, s) == [1]


def test_cname_loop_is_not_followed_for_ever(world, sink):
    here, zone = world()
    zone.add("dest.test", "CNAME other.test.").add("other.test", "CNAME dest.test.")
    here.send(mail.message(), sender="")
    assert net.wait_for("a verdict", lambda: here.log("deferred") + here.log("bounced"))


def test_literal_domain(world, sink):
    here, _ = world()
    s = sink()
    assert deliver(here, s, to=f"b@[{s.address}]") == [1]


@pytest.mark.parametrize("fault", ["silent", "servfail", "refused", "notimp", "formerr", "garbage",
                                   "short", "pointer_loop", "wrong_id"])
def test_bad_answers_defer_and_never_bounce(world, sink, fault):
    here, zone = world()
    s = sink()
    zone.mail("dest.test", s.address)
    zone.fault("dest.test", fault)
    here.send(mail.message())
    row = here.wait_log("deferred", timeout=40)[0]
    assert row["recipient"] == "b@dest.test" and not here.log("bounced")
    zone.mend()
    net.wait_for("the message after all", lambda: here.retry() and s.messages, 40, 1)


def test_mx_host_without_answer_uses_the_other(world, sink):
    here, zone = world()
    second = sink()
    zone.mail("dest.test", "127.0.0.1", second.address)
    zone.fault("mx1.dest.test", "servfail")
    assert deliver(here, second) == [1]


def test_truncated_answers_are_asked_again_over_tcp(world, sink):
    here, zone = world()
    s = sink()
    for i in range(60):
        zone.add("dest.test", f"MX 50 a-rather-long-name-of-a-mail-server-{i}.dest.test.")
    zone.add("dest.test", "MX 10 mx.dest.test.").host("mx.dest.test", s.address)
    zone.fault("dest.test", "truncated")
    assert deliver(here, s) == [1]
    assert ("dest.test", "MX", "tcp") in zone.queries


def test_a_server_that_knows_no_edns(world, sink):
    """More than one question to it, at once and after that it has said so."""
    here, zone = world()
    s = sink()
    zone.fault("*", "no_edns")
    for n in range(4):
        zone.mail(f"d{n}.test", s.address)
        here.send(mail.message(), to=[f"b@d{n}.test"])
    s.wait(4)
    assert not here.log("deferred")


def test_answers_are_kept_for_their_ttl(world, sink):
    here, zone = world()
    s = sink()
    zone.mail("dest.test", s.address)
    for n in range(1, 6):
        assert deliver(here, s, count=n) == [n]
    assert len(zone.asked("dest.test", "MX")) <= 2                  # one per worker


def test_stale_answers_serve_while_dns_is_dead(relay, sink, zone):
    z, server = zone
    s = sink()
    z.ttl = 1
    z.mail("dest.test", s.address)
    here = relay(conf={"workers": 4, "dns": {"servers": [server.host], "timeout": "1s"}})
    assert deliver(here, s) == [1]
    z.fault("*", "silent")
    net.stays(lambda: True, 1.5)
    for n in range(2, 12):              # whichever worker it meets: they share what they know
        assert deliver(here, s, count=n) == [n]


def test_a_domain_is_asked_for_once_for_all_workers(relay, sink, zone):
    z, server = zone
    s = sink()
    z.mail("dest.test", s.address)
    here = relay(conf={"workers": 4, "dns": {"servers": [server.host]}})
    for n in range(1, 17):              # a connection each, spread over the workers
        assert deliver(here, s, count=n) == [n]
    assert len(z.asked("dest.test", "MX")) == 1


def test_second_name_server_is_asked(relay, sink, zone):
    z, server = zone
    s = sink()
    z.mail("dest.test", s.address)
    here = relay(conf={"dns": {"servers": [f"{net.loopback()}:53", server.host]}})
    assert deliver(here, s) == [1]


def test_next_server_when_the_first_fails(relay, sink, zone, keep):
    from wp import dns
    z, server = zone
    s = sink()
    z.mail("dest.test", s.address)
    bad = dns.Zone()
    bad.fault("*", "servfail")
    here = relay(conf={"dns": {"servers": [keep(dns.Server(bad)).host, server.host]}})
    assert deliver(here, s) == [1]


@pytest.mark.parametrize("address", ["0.0.0.0", "255.255.255.255", "224.0.0.1", "::"])
def test_bogus_addresses_are_not_connected_to(world, sink, address):
    here, zone = world()
    zone.mail("dest.test", address)
    here.send(mail.message(), sender="")
    rows = net.wait_for("a verdict", lambda: here.log("deferred") + here.log("bounced"))
    assert rows[0]["recipient"] == "b@dest.test"


def test_with_knot_and_unbound(relay, sink, keep):
    s = sink()
    knot = keep(servers.Knot("dest.test", f"@ MX 10 mx\nmx A {s.address}\n"
                                          "alias CNAME dest.test.\nnull MX 0 .\n"))
    resolver = keep(servers.Unbound("dest.test", knot.host))
    for dns_server in (knot, resolver):
        here = relay(conf={"dns": {"servers": [dns_server.host]}})
        before = len(s.messages)
        for to in ("b@dest.test", "c@alias.dest.test"):
            here.send(mail.message(), to=to)
        s.wait(before + 2)
        here.send(mail.message(), sender="", to="x@null.dest.test")
        assert here.wait_log("bounced")[0]["enhanced"] == "5.1.10"


def test_domains_with_the_same_servers_are_one_site(world, keep):
    """A hundred domains on the same MX set share the limit of connections."""
    most = {"now": 0, "peak": 0}

    class Counting(smtpd.Behaviour):
        def connected(self, s):
            most["now"] += 1
            most["peak"] = max(most["peak"], most["now"])
            return super().connected(s)

        def quit(self, s):
            most["now"] -= 1
            return super().quit(s)
    server = keep(smtpd.Server(Counting()))
    here, zone = world(conf={"delivery": {"connections": 3, "messages_per_connection": 100}})
    zone.host("mx.shared.test", server.address)
    for i in range(40):
        zone.add(f"d{i}.test", "MX 10 mx.shared.test.")
    for i in range(40):
        here.send(mail.message(), to=f"u@d{i}.test")
    server.wait(40)
    assert most["peak"] <= 3
