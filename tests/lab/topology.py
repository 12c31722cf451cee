"""
topology — a gateway, its ways out and three carriers in two regions, with the emulator between

    gw      Waypost with the egresses gz-1, gz-2, gz-3 (addresses of its own), and the far ones:
    socks   microsocks          hap     HAProxy (PROXY v2)          relay   a second Waypost
    far     six SMTP sinks, one address for each group (carrier × region)

Every group has a domain of its own: ct-north.test. A path is one way out to one group; set() gives
it its delay, loss and rate at any time. The time of a path through a proxy is that of both legs.
"""
import contextlib
import os
import shutil
import tempfile

from wp import dns, net, netns, proxies, smtpd, waypost

LOCAL = {"gz-1": "10.98.0.1", "gz-2": "10.98.0.2", "gz-3": "10.98.0.3"}
REMOTE = {"socks": "10.98.1.1", "hap": "10.98.1.2", "relay": "10.98.1.3"}
GROUPS = {(c, r): f"10.98.2.{10 * i + k}" for i, c in enumerate(("ct", "cu", "cm"), 1)
          for k, r in enumerate(("north", "south"), 1)}
SOURCE = {**LOCAL, **REMOTE}


def domain(group):
    return "-".join(group) + ".test"


def egress(name):
    """As waypost.yaml has it."""
    via = {"socks": {"socks5": f"{REMOTE['socks']}:1080"},
           "hap": {"proxy": f"{REMOTE['hap']}:2500", "source": REMOTE["hap"]},
           "relay": {"relay": f"{REMOTE['relay']}:2525", "tls": "none"}}
    return {"name": name, "address": LOCAL[name]} if name in LOCAL else \
        {"name": name, "via": via[name]}


class World:
    """egresses: the names in use. Proxies are there for those that need one."""

    def __init__(self, egresses=("gz-1", "gz-2", "gz-3"), conf=None, policies=None, behaviour=None):
        self.egresses, self.conf, self.policies = egresses, conf or {}, policies or {}
        self.behaviour = behaviour
        self.stack = contextlib.ExitStack()
        self.folder = tempfile.mkdtemp(prefix="wp-lab-")
        os.chmod(self.folder, 0o755)
        self.sinks, self.proxies = {}, {}

    def __enter__(self):
        self.stack.callback(shutil.rmtree, self.folder, True)
        try:
            self._build()
        except BaseException:
            self.stack.close()
            raise
        return self

    def __exit__(self, *info):
        self.stack.__exit__(*info)

    def _build(self):
        nodes = {"gw": list(LOCAL.values()), "far": list(GROUPS.values())}
        nodes |= {name: [REMOTE[name]] for name in self.egresses if name in REMOTE}
        self.lab = self.stack.enter_context(netns.Lab(nodes))
        for group, address in GROUPS.items():
            with self.lab.inside("far"):
                self.sinks[group] = self.stack.enter_context(smtpd.Server(self.behaviour, address))
        self._start_proxies()
        zone = dns.Zone()
        for group, address in GROUPS.items():
            zone.mail(domain(group), address)
        with self.lab.inside("gw"):
            self.names = self.stack.enter_context(dns.Server(zone, "127.0.0.53"))
            self.here = self._gateway()
            self.stack.enter_context(self.here)

    def _start_proxies(self):
        for name, kind in (("socks", proxies.Microsocks), ("hap", proxies.Haproxy)):
            if name in self.egresses:
                with self.lab.inside(name):
                    self.proxies[name] = self.stack.enter_context(
                        kind(self.folder, address=REMOTE[name], source=REMOTE[name]))

    def _gateway(self):
        networks = [{"network": f"{a}/32", "carrier": c, "region": r}
                    for (c, r), a in GROUPS.items()]
        base = {"dns": {"servers": ["127.0.0.53:53"]}, "geo": {"networks": networks},
                "egress": [egress(name) for name in self.egresses],
                "log": {"level": "info"}}
        rules = waypost.merged(waypost.QUICK, self.policies)
        return waypost.Waypost(waypost.merged(base, self.conf), rules)

    # --- the paths
    def set(self, name, group, rtt=0, **how):
        """The path of this egress to this group; of a remote one, its far leg. Loss and rate are of
        the way there, the delay is half of the round trip each way."""
        one_way = rtt / 2
        self.lab.link(SOURCE[name], GROUPS[group], delay=one_way, **how)
        self.lab.link(GROUPS[group], SOURCE[name], delay=one_way)

    def set_first_leg(self, name, rtt=0, **how):
        """Between the gateway and a remote egress."""
        for own in LOCAL.values():
            self.lab.link(own, REMOTE[name], delay=rtt / 2, **how)
            self.lab.link(REMOTE[name], own, delay=rtt / 2)

    def cut(self, name, group):
        """A blackhole: what is sent there vanishes, both ways."""
        self.lab.both(SOURCE[name], GROUPS[group], down=True)

    def plumb(self, name, there):
        """The address of a local egress goes, or is back; with the first one all would go."""
        netns.ip("-n", self.lab.names["gw"], "addr", "add" if there else "del",
                 f"{LOCAL[name]}/{netns.WIDTH}", "dev", netns.DEVICE)

    # --- mail
    def send(self, data, group, user="b"):
        with self.lab.inside("gw"):
            self.here.send(data, to=f"{user}@{domain(group)}")

    def connect(self):
        with self.lab.inside("gw"):
            return self.here.connect()

    def explain(self, group, *options):
        """egress name → what `waypost explain` says of it."""
        told = self.here.json("explain", "--to", f"b@{domain(group)}", *options)
        told = told[0] if isinstance(told, list) else told
        return {e["name"]: e for e in told["egress"]}

    def restart_proxy(self, name):
        with self.lab.inside(name):
            self.proxies[name].start()


def wait_measured(world, groups, egresses, timeout=60):
    """Until every one of these paths has been measured."""
    def all_there():
        told = {g: world.explain(g) for g in groups}
        return all(told[g][e].get("state", "unknown") != "unknown"
                   for g in groups for e in egresses)
    net.wait_for("every path to be measured", all_there, timeout, 0.5)
