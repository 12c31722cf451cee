"""
test_order — what leaves first: urgent mail, each client its share, small mail beside large

The sink holds the first messages until everything is queued, so the order is the relay's and no
test depends on how fast the machine is. Without PIPELINING no message is sent behind another.
"""
import smtplib
import threading

import pytest
from wp import mail, net, smtpd

PLAIN = ("SIZE 104857600", "8BITMIME", "ENHANCEDSTATUSCODES")
LANES = {"priorities": [{"when": {"sender": f"{lane}@*"}, "priority": lane}
                        for lane in ("urgent", "high", "bulk")]}


class Gate(smtpd.Behaviour):
    """Mail of these senders (all: "") gets its reply only when the gate is open."""
    extensions = PLAIN

    def __init__(self, holds=""):
        self.holds, self.opened, self.held = holds, threading.Event(), []

    def received(self, s, message):
        if message.sender.startswith(self.holds) and not self.opened.is_set():
            self.held.append(message)
            self.opened.wait(120)
        return "250 2.0.0 taken"


@pytest.fixture
def gated(relay, sink, request):
    """A relay with so many connections to a sink behind a gate, and the gate."""
    def make(connections, holds=""):
        gate = Gate(holds)
        request.addfinalizer(gate.opened.set)
        server = sink(gate)
        here = relay(to=server, conf={"delivery": {"connections": connections}}, policies=LANES)
        return here, server, gate
    return make


def submit(here, sender, count=1, client="127.0.0.1", size=0):
    with smtplib.SMTP(here.address, here.port, timeout=60, source_address=(client, 0)) as s:
        for _ in range(count):
            s.sendmail(sender, "b@dest.test", mail.message(size=size))


def wait_held(gate, count):
    net.wait_for(f"{count} messages held", lambda: len(gate.held) >= count)


def test_one_client_does_not_delay_the_others(gated):
    here, server, gate = gated(1)
    submit(here, "flood@client.test", 100, client="127.0.0.11")
    wait_held(gate, 1)
    submit(here, "one@client.test", client="127.0.0.12")
    submit(here, "two@client.test", client="127.0.0.13")
    net.wait_for("all queued", lambda: len(here.queue()) == 102)
    gate.opened.set()
    order = [m.sender.split("@")[0] for m in server.wait(102)]
    assert set(order[:4]) == {"flood", "one", "two"} and order.count("flood") == 100
    here.wait_empty()


def test_who_it_is_from_survives_a_restart(gated):
    here, server, gate = gated(1)
    submit(here, "flood@client.test", 30, client="127.0.0.11")
    wait_held(gate, 1)
    submit(here, "one@client.test", client="127.0.0.12")
    here.kill_tree()
    for s in list(server.sessions):
        s.abort()
    here.start()
    wait_held(gate, 2)
    net.wait_for("all queued", lambda: len(here.queue()) == 31)
    gate.opened.set()
    order = [m.sender.split("@")[0] for m in server.wait(32)]
    assert "one" in order[:8]           # of its own, not behind the thirty
    here.wait_empty()


def test_urgent_goes_first_and_finds_a_session(gated):
    here, server, gate = gated(3, holds="bulk")
    submit(here, "bulk@client.test", 40)
    wait_held(gate, 2)
    submit(here, "urgent@client.test", 3)       # while two of three sessions hang
    submit(here, "high@client.test")
    server.wait(3)
    assert [m.sender[:4] for m in server.messages[:3]] == ["urge"] * 3
    assert len(gate.held) == 2                  # the third was never bulk's
    gate.opened.set()
    server.wait(44)
    here.wait_empty()


def test_urgent_is_next_where_there_is_one_session(gated):
    here, server, gate = gated(1)
    submit(here, "bulk@client.test", 20)
    wait_held(gate, 1)
    submit(here, "urgent@client.test", 3)
    net.wait_for("all queued", lambda: len(here.queue()) == 23)
    gate.opened.set()
    order = [m.sender[:4] for m in server.wait(23)]
    assert order[:4] == ["bulk"] + ["urge"] * 3
    here.wait_empty()


def test_bulk_has_its_share(gated):
    here, server, gate = gated(1)
    submit(here, "bulk@client.test", 20)
    wait_held(gate, 1)
    submit(here, "normal@client.test", 20)
    net.wait_for("all queued", lambda: len(here.queue()) == 40)
    gate.opened.set()
    order = [m.sender[:4] for m in server.wait(40)]
    assert order[:21].count("norm") in (15, 16, 17)     # four to one
    here.wait_empty()


def test_large_mail_holds_up_no_small(gated):
    here, server, gate = gated(2, holds="large")
    submit(here, "large@client.test", 3, size=1200000)
    wait_held(gate, 1)
    submit(here, "small@client.test", 20)
    assert len(server.wait(20)) == 20           # with a large one under way, and two waiting
    assert len(gate.held) == 1
    gate.opened.set()
    server.wait(23)
    here.wait_empty()


def test_a_tarpit_and_a_dead_site_hold_up_nobody(world, sink):
    """All three on one worker: what is silent, and what refuses, keeps its own mail only."""
    class Silent(smtpd.Behaviour):
        may = threading.Event()

        def connected(self, s):
            self.may.wait(120)
            return super().connected(s)
    tarpit, fast = sink(Silent()), sink()
    here, z = world(conf={"workers": 1})
    for name, at in ("tar", tarpit.address), ("dead", "127.0.0.8"), ("fast", fast.address):
        z.add(f"{name}.test", f"MX 5 mx.{name}.test.").host(f"mx.{name}.test", at)
    for name in "tar", "dead", "fast":
        with smtplib.SMTP(here.address, here.port, timeout=60) as s:
            for n in range(40):
                s.sendmail("a@client.test", f"b{n}@{name}.test", mail.message())
    assert len(fast.wait(40)) == 40 and not tarpit.messages
    assert 1 <= len(tarpit.sessions) <= 8       # with which a site begins
    waits = {r["site"]: sum(map(sum, r["ages"].values())) for r in here.rows("queue")}
    assert waits.get("tar.test") == 40 and "fast.test" not in waits
    Silent.may.set()
    assert len(tarpit.wait(40)) == 40
