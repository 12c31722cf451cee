"""
test_ways — an egress leaves by its firewall mark, interface and congestion control

A mark shows in the route that it alone takes (another source address), an interface in the cable
that nothing else takes, congestion control in the kernel's table of sockets.
"""
import subprocess

import pytest
from topology import GROUPS, LOCAL, World, domain
from wp import dns, mail, net, netns

GROUP = ("ct", "north")
CABLE, CABLE_FAR = "10.97.0.1", "10.97.0.2"     # between gw and far, beside the emulator
SERVERS = {"marked": "10.98.2.22", "tied": "10.98.2.31"}    # name servers of their carriers
SOURCES = {"plain": LOCAL["gz-1"], "marked": LOCAL["gz-2"], "tied": CABLE}
PLACE = {"networks": [{"network": "10.98.2.0/24", "carrier": "ct", "region": "north"}]}


def kernel(name):
    with open(f"/proc/sys/net/ipv4/tcp_{name}") as f:
        return f.read().split()


def congestion():
    """egress → what it asks for: bbr where we may, one that we may not, one that there is not."""
    allowed = kernel("allowed_congestion_control")
    barred = [c for c in kernel("available_congestion_control") if c not in allowed]
    return {"plain": "bbr" if "bbr" in allowed else allowed[0],
            "marked": (barred or ["alsonone"])[0], "tied": "nosuchcc"}


class Ways(World):
    """Three egresses without an address; which one mail takes the user part says."""

    def __init__(self):
        own = {"plain": {}, "marked": {"mark": 77}, "tied": {"interface": "cable"}}
        out = [{"name": name, "congestion": congestion()[name], **how,
                **({"resolvers": [SERVERS[name]]} if name in SERVERS else {})}
               for name, how in own.items()]
        routes = [{"name": n, "when": {"recipient": f"{n}@*"}, "egress": [n]} for n in SOURCES]
        super().__init__((), {"egress": out, "delivery": {"idle": "60s"}, "geo": PLACE},
                         {"routes": routes})

    def _gateway(self):
        gw, far = (self.lab.names[n] for n in ("gw", "far"))
        netns.ip("-n", gw, "rule", "add", "fwmark", "77", "lookup", "77")
        netns.ip("-n", gw, "route", "add", "10.98.0.0/16", "dev", netns.DEVICE, "src",
                 SOURCES["marked"], "table", "77")
        netns.ip("-n", gw, "link", "add", "cable", "type", "veth", "peer", "name", "cable",
                 "netns", far)
        for name, address in ((gw, CABLE), (far, CABLE_FAR)):
            netns.ip("-n", name, "addr", "add", f"{address}/24", "dev", "cable")
            netns.ip("-n", name, "link", "set", "cable", "up")
        netns.ip("-n", gw, "route", "add", "10.98.0.0/16", "via", CABLE_FAR, "dev", "cable",
                 "metric", "9000")
        self.views = {name: dns.Zone().mail(domain(GROUP), GROUPS[GROUP]) for name in SERVERS}
        with self.lab.inside("far"):
            for name, zone in self.views.items():
                self.stack.enter_context(dns.Server(zone, SERVERS[name]))
        return super()._gateway()

    def controls(self):
        """Source → the congestion control of its connection to the sink."""
        known = kernel("available_congestion_control")
        with self.lab.inside("gw"):
            told = subprocess.run(["ss", "-tinHO", "dst", f"{GROUPS[GROUP]}:25"], check=True,
                                  capture_output=True, text=True).stdout
        rows = [line.split() for line in told.splitlines()]
        return {row[3].rsplit(":", 1)[0].split("%")[0]: next(w for w in row if w in known)
                for row in rows}


@pytest.fixture(scope="module")
def ways():
    """Each egress has sent a message, and its session rests."""
    with Ways() as world:
        for name in SOURCES:
            world.send(mail.message(), GROUP, name)
        world.sinks[GROUP].wait(len(SOURCES))
        yield world


def test_mail_leaves_by_mark_and_interface(ways):
    messages = ways.sinks[GROUP].messages
    assert {m.rcpts[0][0].split("@")[0]: m.peer for m in messages} == SOURCES
    assert not ways.here.log("deferred")


def test_congestion_control_is_used_where_we_may(ways):
    asked, system = congestion(), kernel("congestion_control")[0]
    assert ways.controls() == {SOURCES[name]: asked[name] if name == "plain" else system
                               for name in SOURCES}
    assert ways.here.stderr().count("congestion_not_allowed") == 2


def test_so_do_questions_to_the_carriers_name_servers(ways):
    """Those of the relay about hosts, and the probes of control that time the way there."""
    def asked(name):
        return {kind for _, kind, _ in list(ways.views[name].queries)} >= {"A", "NS"}
    net.wait_for("both questions to each", lambda: all(asked(name) for name in SERVERS), 60)
    assert {name: zone.askers for name, zone in ways.views.items()} == {
        name: {SOURCES[name]} for name in SERVERS}
