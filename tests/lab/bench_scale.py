#!/usr/bin/python3
"""
bench_scale — 50 egresses, 200 destination groups, real processes: what knowing all paths costs

    WAYPOST_BIN=build/release/waypost tests/lab/bench_scale.py [SECONDS] [--watched]

Loopback: every egress has an address of its own, every group a network and an MX host there, and
mail arrives in every group in turn. Prints the share of a core that control and the relay used, the
probes and the mail that the sink saw, and how many paths are known at the end. --watched: somebody
has the web page open meanwhile; what that is sent is printed, too. Ends with 1 when control used
more than GOAL of a core.
"""
import argparse
import contextlib
import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from wp import dns, mail, net, process, smtpd, waypost  # noqa: E402

EGRESSES, GROUPS, PER_SECOND, GOAL = 50, 200, 20, 0.03


def mx(group):
    return f"127.77.{group}.25"


class Counting(smtpd.Behaviour):
    """How many sessions came, and how many messages."""

    def __init__(self):
        self.sessions = self.messages = 0

    def connected(self, s):
        self.sessions += 1
        s.server.sessions.clear()               # nothing shall grow but the figures
        return super().connected(s)

    def received(self, s, message):
        self.messages += 1
        s.server.messages.clear()
        return super().received(s, message)


class Watcher:
    """A page that is open: takes the events as they come, and counts their bytes."""

    def __init__(self, port):
        self.bytes = 0
        self.line = socket.create_connection(("127.0.0.1", port))
        self.line.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        with contextlib.suppress(OSError):
            while piece := self.line.recv(1 << 16):
                self.bytes += len(piece)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.line.close()


def configuration(resolver, port):
    return {
        "report": {"listen": f"127.0.0.1:{port}"},
        "dns": {"servers": [resolver.host]},
        "egress": [{"name": f"e{i}", "address": f"127.78.{i}.1"} for i in range(EGRESSES)],
        "geo": {"networks": [{"network": f"127.77.{g}.0/24", "carrier": f"c{g % 20}",
                              "region": f"r{g // 20}"} for g in range(GROUPS)]},
        "delivery": {"messages_per_connection": 1},
        "log": {"level": "warning"}}


def cpu(pid):
    """Seconds of processor time so far."""
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def send_steadily(here, seconds):
    """One session, groups in turn."""
    sent, start = 0, time.monotonic()
    with here.connect() as c:
        c.ehlo()
        while time.monotonic() - start < seconds:
            c.envelope(sender=f"u{sent % 97}@client.test", to=[f"b@g{sent % GROUPS}.test"])
            c.data(mail.message())
            sent += 1
            time.sleep(max(0, start + sent / PER_SECOND - time.monotonic()))
    return sent


def measure(here, taken, watcher, seconds):
    """Prints what it took; the share of a core of control."""
    pids = {name: here.pid(name) for name in ("control", "relay")}
    before = {name: cpu(pid) for name, pid in pids.items()}
    sessions, messages, told = taken.sessions, taken.messages, watcher.bytes if watcher else 0
    start = time.monotonic()
    sent = send_steadily(here, seconds)
    took = time.monotonic() - start
    share = {name: (cpu(pid) - before[name]) / took for name, pid in pids.items()}
    net.wait_for("the last mail", lambda: taken.messages >= messages + sent, 30)
    print(f"{EGRESSES} egresses, {GROUPS} groups, {took:.0f} s, {sent / took:.1f} mails/s, "
          f"{(taken.sessions - sessions - sent) / took:.1f} probes/s")
    for name, pid in pids.items():
        print(f"{name}: {100 * share[name]:.2f} % of a core, "
              f"{process.status(pid, 'VmRSS') // 1024} MiB")
    if watcher:
        print(f"page: {told / 1e6:.1f} MB before, "
              f"then {(watcher.bytes - told) / took / 1e3:.1f} kB/s")
    print(f"paths in the report: {len(here.rows('report', 'links', '--since', '10m'))}")
    return share["control"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("seconds", nargs="?", type=int, default=60)
    parser.add_argument("--watched", action="store_true")
    asked = parser.parse_args()
    zone, taken, port = dns.Zone(ttl=3600), Counting(), net.free_port("127.0.0.1")
    for g in range(GROUPS):
        zone.mail(f"g{g}.test", mx(g))
    with dns.Server(zone) as resolver, smtpd.Server(taken, "0.0.0.0"), \
            waypost.Waypost(configuration(resolver, port), waypost.QUICK) as here, \
            contextlib.ExitStack() as stack:
        watcher = stack.enter_context(Watcher(port)) if asked.watched else None
        send_steadily(here, 2 * GROUPS / PER_SECOND)        # every group has had mail
        share = measure(here, taken, watcher, asked.seconds)
    if share > GOAL:
        sys.exit(f"control: more than {100 * GOAL:.0f} % of a core")


if __name__ == "__main__":
    main()
