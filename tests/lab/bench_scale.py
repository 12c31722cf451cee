#!/usr/bin/python3
"""
bench_scale — 50 egresses, 200 destination groups, real processes: what knowing all paths costs

    WAYPOST_BIN=build/release/waypost tests/lab/bench_scale.py [SECONDS]

Loopback: every egress has an address of its own, every group a network and an MX host there, and
mail arrives in every group in turn. Prints the share of a core that control and the relay used, the
probes and the mail that the sink saw, and how many paths are known at the end.
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from wp import dns, mail, net, process, smtpd, waypost  # noqa: E402

EGRESSES, GROUPS, PER_SECOND = 50, 200, 20


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


def configuration(resolver):
    return {
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


def main(seconds=60):
    zone, taken = dns.Zone(ttl=3600), Counting()
    for g in range(GROUPS):
        zone.mail(f"g{g}.test", mx(g))
    with dns.Server(zone) as resolver, smtpd.Server(taken, "0.0.0.0"), \
            waypost.Waypost(configuration(resolver), waypost.QUICK) as here:
        send_steadily(here, 2 * GROUPS / PER_SECOND)        # every group has had mail
        pids = {name: here.pid(name) for name in ("control", "relay")}
        before = {name: cpu(pid) for name, pid in pids.items()}
        sessions, messages, start = taken.sessions, taken.messages, time.monotonic()
        sent = send_steadily(here, seconds)
        took = time.monotonic() - start
        net.wait_for("the last mail", lambda: taken.messages >= messages + sent, 30)
        print(f"{EGRESSES} egresses, {GROUPS} groups, {took:.0f} s, {sent / took:.1f} mails/s, "
              f"{(taken.sessions - sessions - sent) / took:.1f} probes/s")
        for name, pid in pids.items():
            print(f"{name}: {100 * (cpu(pid) - before[name]) / took:.2f} % of a core, "
                  f"{process.status(pid, 'VmRSS') // 1024} MiB")
        print(f"paths in the report: {len(here.json('report', 'links', '--since', '10m'))}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
