#!/usr/bin/python3
"""
bench_large — 50 MB over 80 Mbit/s, 100 ms and 1 % loss: by congestion control, and in two legs

    tests/lab/bench_large.py [MEGABYTES]

Prints a table; no figure is judged. The relay is a second Waypost half way: each leg has half of
the round trip and half of the loss. It stores the message before it sends it on, so its time is
that of both legs. Loss hits what goes towards the destination. Compared are those of CONTROLS that
this kernel lets everybody use; one that it refused would run as the system's own and prove nothing.
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from topology import GROUPS, REMOTE, World, domain, egress  # noqa: E402
from wp import dns, mail, net, smtpd, waypost  # noqa: E402

GROUP = ("ct", "north")
RATE, RTT, LOSS = 80, 100, 1.0
PATIENCE = 900
CONTROLS = ("bbr", "cubic", "reno")


def controls():
    with open("/proc/sys/net/ipv4/tcp_allowed_congestion_control") as f:
        allowed = f.read().split()
    return [name for name in CONTROLS if name in allowed]


class Counting(smtpd.Behaviour):
    """Notes when a message was complete; its text is not kept."""

    def received(self, s, message):
        message.data = message.data[:1000]
        self.at = time.monotonic()
        return "250 2.0.0 taken"


def start_relay(world, congestion):
    """The Waypost half way; it looks up names for itself."""
    zone = dns.Zone()
    zone.mail(domain(GROUP), GROUPS[GROUP])
    with world.lab.inside("relay"):
        world.stack.enter_context(dns.Server(zone, "127.0.0.53"))
        out = {"name": "out", **({"congestion": congestion} if congestion else {})}
        here = waypost.Waypost({"dns": {"servers": ["127.0.0.53:53"]}, "egress": [out],
                                "listen": [{"address": f"{REMOTE['relay']}:2525", "tls": "none",
                                            "auth": "none"}],
                                "clients": [{"network": "10.98.0.0/16"}]}, waypost.QUICK)
        here.address = REMOTE["relay"]
        world.stack.enter_context(here)


def seconds(name, congestion, size):
    """From the 250 of the gateway until the destination has it all."""
    way = egress(name) | ({"congestion": congestion} if congestion else {})
    taken = Counting()
    with World((name,), conf={"egress": [way]}, behaviour=taken) as world:
        shape = {"rate": RATE, "limit": 1000}
        if name == "relay":
            start_relay(world, congestion)
            world.set_first_leg(name, RTT / 2, loss=LOSS / 2, **shape)
            world.set(name, GROUP, RTT / 2, loss=LOSS / 2, **shape)
        else:
            world.set(name, GROUP, RTT, loss=LOSS, **shape)
        data = mail.message(size=size)
        world.send(data, GROUP)
        started = time.monotonic()
        net.wait_for("the message", lambda: world.sinks[GROUP].messages, PATIENCE, 0.05)
        assert "congestion_not_allowed" not in world.here.stderr()
        return taken.at - started


def main(megabytes=50):
    print(f"{megabytes} MB, {RATE} Mbit/s, round trip {RTT} ms, {LOSS:g} % loss\n")
    print("| way | congestion | seconds | Mbit/s |")
    print("| --- | --- | --- | --- |")
    for name, words in (("gz-1", "direct"), ("relay", "relay half way")):
        for congestion in controls():
            took = seconds(name, congestion, megabytes * 1_000_000)
            rate = megabytes * 8 / took
            print(f"| {words} | {congestion} | {took:.1f} | {rate:.1f} |", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
