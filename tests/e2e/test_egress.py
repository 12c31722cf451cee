"""
test_egress — which address mail leaves from, and IPv6 beside IPv4
"""
import os
import signal
import socket
import threading
from collections import Counter

import pytest
from wp import mail, net, smtpd


def two_egresses(a, b, weights=(1, 3), **more):
    return {"egress": [{"name": "one", "address": a, "weight": weights[0], "ehlo": "one.test"},
                       {"name": "two", "address": b, "weight": weights[1], "ehlo": "two.test"}],
            "delivery": {"messages_per_connection": 1}, **more}


def test_weights_and_source_addresses(relay, sink):
    s, a, b = sink(), net.loopback(), net.loopback()
    here = relay(to=s, conf=two_egresses(a, b))
    control = here.pid("control")
    os.kill(control, signal.SIGSTOP)    # nothing is measured: the weights alone decide
    for _ in range(120):
        here.send(mail.message())
    os.kill(control, signal.SIGCONT)
    seen = Counter(m.peer for m in s.wait(120, 60))
    assert set(seen) == {a, b}
    assert 60 < seen[b] < 114, seen                 # 90 expected; beyond 6 sigma is not chance
    assert all(m.helo == {a: "one.test", b: "two.test"}[m.peer] for m in s.messages)
    row = here.wait_log("delivered", 120)[0]
    assert (row["egress"], row["source"]) in (("one", a), ("two", b))


def test_route_names_its_egresses(relay, sink):
    s, a, b = sink(), net.loopback(), net.loopback()
    here = relay(conf=two_egresses(a, b), policies={"routes": [
        {"name": "vip", "when": {"recipient_domain": "vip.test"}, "hosts": [s.host],
         "egress": ["one"], "tls": "none"},
        {"name": "rest", "hosts": [s.host], "egress": ["tw*"], "tls": "none"}]})
    for _ in range(10):
        here.send(mail.message(), to="x@vip.test")
        here.send(mail.message(), to="x@dest.test")
    for m in s.wait(20):
        assert m.peer == (a if m.rcpts[0][0] == "x@vip.test" else b)


def test_egress_whose_address_is_not_ours_does_not_lose_mail(relay, sink):
    """203.0.113.9 is plumbed nowhere here: mail leaves by the other egress, or waits for it."""
    s, b = sink(), net.loopback()
    here = relay(to=s, conf=two_egresses("203.0.113.9", b))
    for _ in range(10):
        here.send(mail.message())
    net.wait_for("all ten", lambda: len(s.messages) == 10 or here.retry() and None, 60, 1)
    assert {m.peer for m in s.messages} == {b} and not here.log("bounced")


def test_weight_zero_is_a_last_resort(relay, sink):
    s, a, b = sink(), net.loopback(), net.loopback()
    here = relay(to=s, conf=two_egresses(a, b, (0, 1)))
    for _ in range(20):
        here.send(mail.message())
    assert {m.peer for m in s.wait(20)} == {b}


# --- both families. The MX has an address of each; both servers use the port of delivery.port.
@pytest.fixture
def both(world, keep):
    def make(v4=True, v6=True, conf=None):
        port = net.free_port("::1")
        servers = {}
        four = net.loopback()
        if v4:
            servers["4"] = keep(smtpd.Server(address=four, port=port))
        if v6:
            servers["6"] = keep(smtpd.Server(address="::1", port=port))
        here, zone = world(conf={"delivery": {"port": port, **(conf or {})}})
        zone.add("dest.test", "MX 10 mx.dest.test.")
        zone.host("mx.dest.test", "::1").host("mx.dest.test", four)
        return here, servers, zone
    return make


def test_ipv6_comes_first(both):
    here, servers, _ = both()
    here.send(mail.message())
    assert servers["6"].wait(1)[0].peer == "::1" and not servers["4"].messages


def has_ipv6():
    try:
        net.free_port("::1")
        return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
@pytest.mark.parametrize("hop", ["mx", "hosts"])
def test_ipv6_all_the_way(world, keep, hop):
    """Client, listener, source and destination: no IPv4 address is anywhere on the way."""
    port, door = net.free_port("::1"), net.free_port("::1")
    server = keep(smtpd.Server(address="::1", port=port))
    routes = [{"name": "six", "hosts": [server.host], "tls": "none"}] if hop == "hosts" else []
    here, zone = world(start=False, policies={"routes": routes} if routes else None)
    zone.add("dest.test", "MX 10 mx.dest.test.").host("mx.dest.test", "::1")
    here.write_conf({"listen": here.conf["listen"] + [
        {"address": f"[::1]:{door}", "tls": "none", "auth": "none"}],
        "clients": [{"network": "::1/128", "name": "six"}],
        "delivery": {"port": port}, "egress": [{"name": "six", "address": "::1"}]})
    here.start()
    with here.connect(address="::1", port=door) as c:
        c.ehlo()
        c.envelope()
        assert c.data(mail.message())[0] == 250
    got, = server.wait(1)
    assert got.peer == "::1" and b"[IPv6:::1]" in got.data
    assert here.wait_log("received")[0]["client"] == "::1"
    row, = here.wait_log("delivered")
    assert row["address"] == server.host and row["source"].startswith("::1")
    if hop == "mx":
        assert row["mx"] == "mx.dest.test"


@pytest.mark.parametrize("dead", ["4", "6"])
def test_other_family_when_one_is_dead(both, dead):
    here, servers, _ = both(v4=dead != "4", v6=dead != "6")
    here.send(mail.message())
    next(iter(servers.values())).wait(1)
    assert not here.log("deferred")


def test_other_address_when_one_is_silent(world, sink, keep):
    """A listener whose backlog is full answers no SYN: the staggered connect goes on beside it."""
    hole = socket.socket()
    address = net.loopback()
    hole.bind((address, 25))
    hole.listen(0)
    fill = [socket.socket() for _ in range(4)]
    for f in fill:
        f.setblocking(False)
        f.connect_ex((address, 25))
    s = sink()
    here, zone = world(conf={"delivery": {"timeouts": {"connect": "30s"}}})
    zone.add("dest.test", "MX 10 mx.dest.test.")
    zone.host("mx.dest.test", address).host("mx.dest.test", s.address)
    for n in range(1, 5):                           # whichever address comes first
        here.send(mail.message())
        s.wait(n, 15)                               # far below the connect timeout
    for f in [*fill, hole]:
        f.close()


def test_missing_aaaa_answer_does_not_hold_mail(both):
    here, servers, zone = both(v6=False)
    zone.records["mx.dest.test"] = [r for r in zone.records["mx.dest.test"] if r.rtype == 1]
    zone.fault("mx.dest.test", AAAA="silent")
    here.send(mail.message())
    servers["4"].wait(1, 30)


def test_concurrency_of_a_site_is_bounded(relay, keep):
    class Slow(smtpd.Behaviour):
        now = peak = 0
        lock = threading.Lock()
        gate = threading.Event()

        def received(self, s, message):
            with self.lock:
                Slow.now += 1
                Slow.peak = max(Slow.peak, Slow.now)
            self.gate.wait(10)
            with self.lock:
                Slow.now -= 1
            return "250 ok"
    server = keep(smtpd.Server(Slow()))
    here = relay(to=server, policies={
        "traffic": [{"when": {"recipient": "*"}, "connections": 3}],
        "priorities": [{"when": {"sender": "urgent@*"}, "priority": "urgent"}]})
    for _ in range(30):
        here.send(mail.message())
    net.wait_for("two at once", lambda: Slow.now == 2)      # the third is for urgent mail
    for _ in range(5):
        here.send(mail.message(), sender="urgent@client.test")
    net.wait_for("three at once", lambda: Slow.now == 3)
    net.stays(lambda: Slow.now <= 3, 1)
    Slow.gate.set()
    server.wait(35)
    assert Slow.peak == 3
