"""
test_reputation_limits — a receiver's limit is not gone round, and an address that was idle for
thirty days is new again
"""
import json
import time

from test_reputation import egresses, one_and_a_reserve
from test_reputation_addresses import Throttles
from wp import clock, mail, net, waypost

DAY = 24 * 3600
ONE_EACH = {"delivery": {"messages_per_connection": 1}}


def spent(here, name, to):
    """The limit of this egress is in force, and it has had what there is of it now."""
    return any(e["name"] == name and "used up" in e["reason"] for e in here.json(
        "explain", "--from", "a@client.test", "--to", to)["egress"])


def per_hour(here, name):
    return max(p["quota_per_hour"] for p in here.json("egress", "list", name)["standing"][0]
               ["providers"] if p["state"] == "throttled")


class Count:
    """What a receiver has taken from each address since."""

    def __init__(self, server):
        self.server, self.begun, self.before = server, time.monotonic(), len(server.messages)

    def of(self, address):
        return [m.peer for m in self.server.messages[self.before:]].count(address)

    def bound(self, rate):
        """At so many an hour: one at once, the others evenly."""
        return 1 + (time.monotonic() - self.begun) * rate / 3600


def test_no_more_than_its_own_goes_by_others(relay, sink):
    """All mail is a's. Of what it may not carry one goes by b for each that it may, and the rest
    waits, although b is free: as the receiver counts them, whatever the machine is doing."""
    a, b = net.loopback(), net.loopback()
    server = sink(Throttles(a, 8))
    here = relay(to=server, conf={**one_and_a_reserve(a, b), **ONE_EACH}, policies=waypost.LATER)
    whole, sent = Count(server), 0

    def limited():
        nonlocal sent
        for _ in range(4):
            here.send(mail.message(), sender=f"u@s{sent}.test")
            sent += 1
        return spent(here, "a", "b@dest.test")
    net.wait_for("the limit to be in force", limited, 60)
    rate, later = per_hour(here, "a"), Count(server)
    for i in range(40):
        here.send(mail.message(), sender=f"v@s{i}.test")
    net.wait_for("some of it to go round", lambda: whole.of(b), 30)
    assert net.stays(lambda: whole.of(b) <= whole.bound(rate))
    assert later.of(a) <= later.bound(rate)
    assert len(here.queue()) >= 40 - later.bound(rate) - whole.bound(rate)
    assert not here.log("rerouted") and not here.log("bounced")
    assert {r["source"] for r in here.log("delivered", egress="b")} == {b}


def test_when_all_are_limited_none_stands_in(relay, sink):
    a, b = net.loopback(), net.loopback()
    server = sink(Throttles(a, 0))
    server.behaviour.addresses.add(b)
    routes = [{"name": name, "when": {"recipient": f"*@{name}.test"}, "hosts": [server.host],
               "egress": [name], "tls": "none"} for name in "ab"]
    routes.append({"name": "all", "hosts": [server.host], "tls": "none"})
    here = relay(conf={**egresses(a, b), **ONE_EACH}, policies={**waypost.LATER, "routes": routes})
    for name in "ab":
        def limited():
            here.send(mail.message(), to=f"b@{name}.test", sender=f"u@{time.monotonic_ns()}.test")
            return spent(here, name, f"b@{name}.test")      # pylint: disable=cell-var-from-loop
        net.wait_for(f"the limit of {name} to be in force", limited, 60)
    server.behaviour.addresses.clear()                      # from now on it would take all
    rates, count = {a: per_hour(here, "a"), b: per_hour(here, "b")}, Count(server)
    for i in range(40):
        here.send(mail.message(), sender=f"v@s{i}.test")
    assert net.stays(lambda: all(count.of(x) <= count.bound(rate) for x, rate in rates.items()))
    assert len(here.queue("--to", "*@dest.test")) >= 40 - sum(map(count.bound, rates.values()))
    assert not here.log("rerouted") and not here.log("bounced")


def test_thirty_days_without_mail_and_it_is_new_again(relay, sink, keep):
    """A day of warm-up is behind it: that is kept over a restart and 29 days; after 30 it begins
    with twenty an hour."""
    ours, a = keep(clock.Clock(waypost.binary())), net.loopback()
    conf = {"egress": [{"name": "a", "address": a, "warmup": {
        "start": time.strftime("%Y-%m-%d", time.gmtime(time.time() - DAY))}}]}
    server = sink()
    here = relay(to=server, conf=conf, env=ours.env)

    def quotas():
        got = here.cli("egress", "list", "a", "--json", check=False)
        return got.returncode == 0 and [p["quota_per_hour"] for p in
                                        json.loads(got.stdout)["standing"][0]["providers"]]

    def is_now(what):
        net.wait_for(f"quotas {what}", lambda: quotas() == what, 30, 0.1)
    here.send(mail.message())
    server.wait(1)
    is_now([20])
    ours.set(DAY + 60)
    is_now([28])
    here.stop()
    ours.set(29 * DAY)
    here.start()
    is_now([28])
    ours.set(30 * DAY + 60)
    is_now([])
    here.send(mail.message())
    server.wait(2)
    is_now([20])
