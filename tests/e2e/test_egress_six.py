"""
test_egress_six — every kind of egress where there is IPv6 and nothing else
"""
import itertools
import os
import subprocess
import time

import pytest
from wp import certs, dns, mail, net, proxies, smtpd

_count = itertools.count(1)


@pytest.fixture
def six(request):
    """six(): an IPv6 address that is ours until the test ends."""
    made = []

    def ip(what, address):
        return subprocess.run(["ip", "-6", "address", what, address + "/128", "dev", "lo",
                               *(["nodad"] if what == "add" else [])], capture_output=True,
                              check=what == "add")

    def make():
        address = f"fd77::{os.getpid() % 65536:x}:{next(_count):x}"
        ip("add", address)
        made.append(address)
        return address
    make.remove = lambda address: ip("del", address)
    yield make
    for address in made:
        ip("del", address)


@pytest.fixture
def far(six, keep, world):
    """far(egress, **conf): a Waypost with it alone, a sink for dest.test, and the zone."""
    def make(egress, files=None, **conf):
        sink = keep(smtpd.Server(address=six()))
        here, zone = world(conf={"egress": [{"name": "far", **egress}],
                                 "delivery": {"messages_per_connection": 1}, **conf}, files=files)
        zone.mail("dest.test", sink.address)
        return here, sink, zone
    return make


def arrives_from(here, sink, source):
    """Mail, and the path it took is known."""
    here.send(mail.message())
    assert sink.wait(1)[0].peer == source
    row, = here.wait_log("delivered")
    assert (row["egress"], row["address"], row["attempt"]) == ("far", sink.host, 1)
    net.wait_for("the path to be known", lambda: here.json(
        "explain", "--from", "a@client.test", "--to", "b@dest.test")["egress"][0]["state"] == "up")


def test_socks5_with_login_and_name(far, six, keep, tmp_path):
    proxy = keep(proxies.Microsocks(tmp_path, "gw", "pass word", address=six(), source=six()))
    here, sink, zone = far({"via": {"socks5": "proxy.test:1080", "user": "gw",
                                    "password_file": "pw"}}, files={"pw": "pass word\n"})
    zone.host("proxy.test", proxy.address)
    arrives_from(here, sink, proxy.source)


@pytest.mark.parametrize("told", [True, False])
def test_haproxy(far, six, keep, tmp_path, told):
    proxy = keep(proxies.Haproxy(tmp_path, address=six(), source=six()))
    source = {"source": proxy.source} if told else {}
    here, sink, _ = far({"via": {"proxy": proxy.host, **source}})
    arrives_from(here, sink, proxy.source)


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_relay(far, six, keep, secure):
    """By address; and by name, with its certificate verified and a password."""
    tls = certs.server_context("gw2.test") if secure else None
    gw2 = keep(smtpd.Server(address=six(), port=2525, tls=tls, users={"gw1": "secret"}))
    via = {"relay": gw2.host, "tls": "none"}
    if secure:
        via = {"relay": "gw2.test:2525", "tls": "verify", "user": "gw1", "password_file": "pw"}
    here, sink, zone = far({"via": via}, files={"pw": "secret\n"})
    zone.host("gw2.test", gw2.address)
    here.send(mail.message())
    got, = gw2.wait(1)
    assert (got.auth, bool(got.tls)) == (("gw1", True) if secure else ("", False))
    assert not sink.messages
    row, = here.wait_log("delivered")
    assert (row["egress"], row["via"], row["address"]) == ("far", "relay", gw2.host)
    assert bool(row.get("tls")) == secure


def test_two_addresses_of_which_one_goes(far, six):
    both = [six(), six()]
    here, sink, _ = far({"address": both})
    for _ in range(4):
        here.send(mail.message())
    assert {m.peer for m in sink.wait(4)} == set(both)
    six.remove(both[0])
    for _ in range(4):
        here.send(mail.message())
    assert {m.peer for m in sink.wait(8)[4:]} == {both[1]}
    assert not here.log("deferred")


class Knocks(smtpd.Behaviour):
    """Who came, and when."""

    def __init__(self):
        self.seen = []

    def connected(self, s):
        self.seen.append((time.monotonic(), s.peer, s))
        return super().connected(s)


@pytest.mark.timeout(180)
def test_probes_are_polite_by_every_kind_of_egress(six, keep, world, tmp_path):
    """Counted where they arrive: by SOCKS5 and PROXY, too, an address is asked once in ten seconds
    by whomever, and there are no more of an egress, nor of all, than the budget has; beacons, which
    may be asked at any time, use it up. Connect, greeting, QUIT; never EHLO."""
    socks = keep(proxies.Microsocks(tmp_path, address=six(), source=six()))
    haproxy = keep(proxies.Haproxy(tmp_path, address=six(), source=six()))
    local, spare = six(), six()
    sink = keep(smtpd.Server(Knocks(), address=six()))
    beacons = [keep(smtpd.Server(Knocks(), address=six())) for _ in range(3)]
    place = {"carrier": "ct", "region": "north"}
    here, zone = world(conf={
        "egress": [{"name": "local", "address": local},
                   *({"cost": "500ms", **e} for e in (
                       {"name": "spare", "address": spare},
                       {"name": "socks", "via": {"socks5": socks.host}},
                       {"name": "proxy", "via": {"proxy": haproxy.host}}))],
        "geo": {"networks": [{"network": "fd77::/16", **place}]},
        "probes": {"interval": "1s", "per_egress": "1/s", "total": "3/s",
                   "beacons": [{"address": b.host, **place} for b in beacons]},
        "delivery": {"messages_per_connection": 1}})
    zone.mail("dest.test", sink.address)
    start = time.monotonic()
    here.send(mail.message())
    sink.wait(1)

    def asked(server):
        """The connections without mail that are over."""
        over = [x for x in list(server.behaviour.seen) if not x[2].stands()]
        return [(t, peer, s) for t, peer, s in over
                if not any(line.startswith("MAIL") for _, line in s.commands)]
    net.wait_for("two visits of the mail host", lambda: len(asked(sink)) >= 2, 90)
    took = time.monotonic() - start
    every = [x for server in (sink, *beacons) for x in asked(server)]
    times = sorted(t for t, _, _ in asked(sink))
    assert all(b - a > 9.5 for a, b in zip(times, times[1:])), times
    sources = {local, spare, socks.source, haproxy.source}
    assert {peer for _, peer, _ in every} == sources and took / 4 < len(every) <= 3 * (took + 1)
    for source in sources:
        assert sum(peer == source for _, peer, _ in every) <= took + 1, (source, took)
    for _, _, s in every:
        assert [line.upper() for _, line in s.commands] in ([], ["QUIT"]), s.commands
    assert not here.log("deferred")


def test_beacon_and_resolver(six, keep, far):
    """Asked from the address of the egress."""
    own, seen = six(), []

    class Beacon(smtpd.Behaviour):
        def connected(self, s):
            seen.append(s.peer)
            return super().connected(s)
    beacon, names = keep(smtpd.Server(Beacon(), address=six())), dns.Zone()
    server = keep(dns.Server(names, six()))
    place = {"carrier": "ct", "region": "north"}
    here, sink, _ = far({"address": own, "resolvers": [server.host]},
                        geo={"networks": [{"network": "fd77::/16", **place}]},
                        probes={"beacons": [{"address": beacon.host, **place}]})
    here.send(mail.message())                       # now the group is in use
    assert sink.wait(1)[0].peer == own
    net.wait_for("a visit and a question", lambda: seen and names.asked("", "NS"), 60)
    assert (set(seen), names.askers) == ({own}, {own})
