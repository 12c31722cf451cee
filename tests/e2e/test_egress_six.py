"""
test_egress_six — every kind of egress where there is IPv6 and nothing else
"""
import itertools
import os
import subprocess

import pytest
from wp import dns, mail, net, proxies, smtpd

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


def test_relay(far, six, keep):
    gw2 = keep(smtpd.Server(address=six(), port=2525))
    here, sink, _ = far({"via": {"relay": gw2.host, "tls": "none"}})
    here.send(mail.message())
    assert gw2.wait(1) and not sink.messages
    assert here.wait_log("delivered")[0]["egress"] == "far"


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
