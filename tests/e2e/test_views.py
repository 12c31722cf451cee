"""
test_views — each egress connects to the addresses that its carrier's name servers give (GeoDNS)
"""
import pytest
from wp import dns, mail, net, waypost

VIEWS = ("one", "two")
RULES = {"routes": [{"name": n, "when": {"recipient": f"{n}@*"}, "egress": [n]}
                    for n in (*VIEWS, "plain")]}


class World:
    """Egresses one and two with name servers of their own, `plain` without. Each name server has
    another address for the host; those of `plain` are the general ones."""

    def __init__(self, keep, sink):
        self.sinks = {n: sink() for n in (*VIEWS, "plain")}
        self.own = {n: net.loopback() for n in self.sinks}
        self.zones = {n: dns.Zone() for n in self.sinks}
        self.servers = {n: keep(dns.Server(z)) for n, z in self.zones.items()}
        for name, zone in self.zones.items():
            zone.mail("dest.test", self.sinks[name].address)
        egress = [{"name": n, "address": a, **({"resolvers": [self.servers[n].host]}
                                               if n in VIEWS else {})}
                  for n, a in self.own.items()]
        self.here = keep(waypost.Waypost(
            {"egress": egress, "dns": {"servers": [self.servers["plain"].host]},
             "delivery": {"messages_per_connection": 1}}, waypost.merged(waypost.QUICK, RULES)))

    def send(self, name, user=None):
        """One more by this egress; the name of the sink that it came to."""
        before = {n: len(s.messages) for n, s in self.sinks.items()}

        def came():
            return next((n for n, s in self.sinks.items() if len(s.messages) > before[n]), None)
        self.here.send(mail.message(), to=f"{user or name}@dest.test")
        to = net.wait_for("the mail", came)
        assert self.sinks[to].messages[-1].peer == self.own[name]
        return to

    def wait_view(self, name):
        net.wait_for(f"mail by {name} at its own address", lambda: self.send(name) == name, 20, 0.1)


@pytest.fixture
def views(keep, sink):
    return World(keep, sink)


def test_each_egress_by_its_own_answer(views):
    for name in VIEWS:
        views.wait_view(name)
        assert views.zones[name].askers == {views.own[name]}        # asked from that egress
        assert not views.zones[name].asked("dest.test")             # for addresses only
    assert all(views.send(n) == n for n in ("plain", "one", "two", "plain", "two", "one"))
    assert not views.here.log("deferred")


def test_first_mail_does_not_wait(views):
    """A carrier's name server that is silent holds nothing up: the general addresses do."""
    views.servers["one"].close()
    views.zones["two"].fault("mx1.dest.test", "silent")
    assert views.send("one") == "plain" and views.send("two") == "plain"
    assert all(row["queue_ms"] < 1000 for row in views.here.wait_log("delivered", 2))


@pytest.mark.parametrize("fault", ["servfail", "refused", "garbage", None])
def test_no_answer_of_use(views, fault):
    """Also NXDOMAIN from a carrier is no reason to bounce."""
    for name in VIEWS:
        if fault:
            views.zones[name].fault("mx1.dest.test", fault)
        else:
            views.zones[name].remove("mx1.dest.test")
    for _ in range(3):
        assert views.send("one") == "plain"
    assert views.zones["one"].asked("mx1.dest.test") and not views.here.log("bounced")
