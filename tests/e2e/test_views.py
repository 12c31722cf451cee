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

    def __init__(self, keep, sink, start=True):
        self.sinks = {n: sink() for n in (*VIEWS, "plain")}
        self.own = {n: net.loopback() for n in self.sinks}
        self.zones = {n: dns.Zone() for n in self.sinks}
        self.servers = {n: keep(dns.Server(z)) for n, z in self.zones.items()}
        for name, zone in self.zones.items():
            zone.mail("dest.test", self.sinks[name].address)
        egress = [{"name": n, "address": a, **({"resolvers": [self.servers[n].host]}
                                               if n in VIEWS else {})}
                  for n, a in self.own.items()]
        self.here = waypost.Waypost(
            {"egress": egress, "dns": {"servers": [self.servers["plain"].host]},
             "delivery": {"messages_per_connection": 1}}, waypost.merged(waypost.QUICK, RULES))
        if start:
            keep(self.here)

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
    sent = []

    def asked():
        sent.extend(views.send(n) for n in VIEWS)
        return views.zones["two"].asked("mx1.dest.test")
    net.wait_for("the question", asked)
    sent.append(views.send("two"))
    assert set(sent) == {"plain"}
    rows = views.here.wait_log("delivered", len(sent))
    assert all(row["queue_ms"] < 2500 for row in rows)      # a lookup takes 3 s to fail


@pytest.mark.parametrize("fault", ["servfail", "refused", "garbage", None])
def test_no_answer_of_use(views, fault):
    """Also NXDOMAIN from a carrier is no reason to bounce."""
    for name in VIEWS:
        if fault:
            views.zones[name].fault("mx1.dest.test", fault)
        else:
            views.zones[name].remove("mx1.dest.test")
    def asked():
        assert views.send("one") == "plain"
        return views.zones["one"].asked("mx1.dest.test")
    net.wait_for("the question", asked)
    for _ in range(3):
        assert views.send("one") == "plain"
    assert not views.here.log("bounced")


def nobodys_names(zone):
    """What was asked for that no test has."""
    return {q[0] for q in list(zone.queries) if q[0].endswith(".com")}


def explained(here, name):
    row = here.json("explain", "--from", "a@client.test", "--to", f"{name}@dest.test")
    return next(e for e in row["egress"] if e["name"] == name)


def test_rewritten_answers_are_not_used(keep, sink):
    """A name server that has an address for everything is given away by a name that nobody has."""
    views = World(keep, sink, start=False)
    views.zones["one"].rewrites = net.loopback()
    keep(views.here)
    views.wait_view("two")
    assert views.send("one") == "plain"
    net.wait_for("the warning", lambda: "resolver_rewrites" in views.here.stderr())
    assert all(views.send("one") == "plain" for _ in range(5))
    views.wait_view("two")
    said = [line for line in views.here.stderr().splitlines() if "resolver_rewrites" in line]
    assert len(said) == 1 and '"egress":"one"' in said[0] and views.servers["one"].host in said[0]
    for name in VIEWS:                              # one question in an hour, by that egress
        assert len(nobodys_names(views.zones[name])) == 1
        assert views.zones[name].askers == {views.own[name]}
    assert not views.zones["one"].asked("mx1.dest.test")
    assert "rewrite" in explained(views.here, "one")["resolvers"]
    assert "resolvers" not in explained(views.here, "two")


def test_the_next_name_server_is_asked(keep, sink):
    """Of several the first that is honest and answers gives the view."""
    views = World(keep, sink, start=False)
    liar, silent = dns.Zone(), dns.Zone()
    liar.rewrites = net.loopback()
    silent.fault("mx1.dest.test", "silent")
    own = [keep(dns.Server(z)).host for z in (liar, silent)] + [views.servers["one"].host]
    views.here.conf["egress"][0]["resolvers"] = own
    views.here.write_conf({"dns": {"timeout": "1s"}})
    keep(views.here)
    views.wait_view("one")
    assert not liar.asked("mx1.dest.test") and silent.asked("mx1.dest.test")
    assert explained(views.here, "one")["resolvers"].startswith("some not used")
