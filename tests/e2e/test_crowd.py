"""
test_crowd — a server that takes so many connections and no more: found out, used, not hammered

Attempts are counted, not timed.
"""
import smtplib
import threading
import time

import pytest
from wp import mail, net, smtpd, waypost

ALLOWED, MAILS, PER_SESSION = 7, 980, 7
LONG = 240                              # seconds, for a machine with much else to do


class Crowded(smtpd.Behaviour):
    """Takes so many at a time and answers 421 to all others.

    Those count that stand as the kernel knows it, however late these threads are.
    """

    def __init__(self, allowed=ALLOWED):
        self.room, self.allowed = threading.Lock(), allowed
        self.inside, self.present, self.peak = [], [], 0
        self.attempts = []              # refused?, in the order of arrival
        self.pause = threading.Event()  # never set: a wait that ends by itself

    def connected(self, s):
        with self.room:
            self.inside = [x for x in self.inside if x.stands()]
            self.present = [x for x in self.present if x.stands()] + [s]
            self.peak = max(self.peak, len(self.present))
            full = len(self.inside) >= self.allowed
            self.attempts.append(full)
            if not full:
                self.inside.append(s)
                return super().connected(s)
        s.send("421 4.3.2 too many connections\r\n")
        raise smtpd.Hangup

    def quit(self, s):
        with self.room:
            self.inside = [x for x in self.inside if x is not s]
            self.present = [x for x in self.present if x is not s]
        return super().quit(s)

    def received(self, s, message):
        self.pause.wait(0.02)
        return super().received(s, message)


def submit(here, count):
    with smtplib.SMTP(here.address, here.port, timeout=60) as s:
        for _ in range(count):
            s.sendmail("a@client.test", "b@dest.test", mail.message())


def test_the_limit_of_a_server_is_found_and_used(relay, sink):
    crowded = Crowded()
    server = sink(crowded)
    here = relay(to=server, conf={"probes": {"interval": "1h"},     # they take a place, too
                                  "delivery": {"connections": 20,
                                               "messages_per_connection": PER_SESSION}})
    senders = [threading.Thread(target=submit, args=(here, MAILS // 4)) for _ in range(4)]
    for t in senders:
        t.start()
    server.wait(MAILS, LONG)
    for t in senders:
        t.join()
    here.wait_empty()
    assert len(server.messages) == MAILS            # all, each once
    assert len({m.data for m in server.messages}) == MAILS
    refused = crowded.attempts
    early, late = refused[:len(refused) // 2], refused[len(refused) // 2:]
    assert any(early)                               # it was found out
    assert sum(late) <= len(late) / 20, refused     # and then kept to
    assert sum(refused) <= 12, refused
    assert crowded.peak <= ALLOWED + 6              # one and a half times, and those that leave
    assert not here.log("deferred") and not evidence(here)


def evidence(here):
    """What speaks against our address."""
    return [e for row in here.rows("egress", "list") for s in row["standing"]
            for e in s["evidence"]]


def test_who_takes_none_tells_it_once(relay, sink):
    """One refused connection is one piece of evidence, of which two would throttle the address."""
    here = relay(to=sink(Crowded(0)), policies=waypost.LATER)
    submit(here, 1)
    here.wait_log("deferred")
    told = net.wait_for("evidence", lambda: evidence(here))
    assert [e["kind"] for e in told] == ["ip-throttled"]


class Holding(smtpd.Behaviour):
    """Gives no final reply until it may."""
    extensions = ("8BITMIME", "ENHANCEDSTATUSCODES")

    def __init__(self):
        self.may = threading.Event()

    def received(self, s, message):
        self.may.wait(120)
        return super().received(s, message)


@pytest.mark.parametrize("connections,mails,says,number", [
    (1, 3, "connections", "connections (1)"),
    (20, 12, "what it bears", "what it bears (8)"),
])
def test_queue_tells_what_holds_a_site_back(relay, sink, connections, mails, says, number):
    holding = Holding()
    server = sink(holding)
    here = relay(to=server, conf={"delivery": {"connections": connections}})
    submit(here, mails)
    sessions = min(connections, 8)
    net.wait_for("sessions", lambda: len(server.sessions) == sessions)
    net.wait_for("what holds it back", lambda: row_of(here).get("held_back_by") == says)
    row = row_of(here)
    assert row["sessions"] == row["bears"] == sessions
    assert row["connections"] == connections
    table = here.cli("queue").stdout
    assert number in table and f"{sessions} of {connections}" in table
    holding.may.set()
    server.wait(mails)
    here.wait_empty()


class Mute(smtpd.Behaviour):
    """Greets nobody before it may."""

    def __init__(self):
        self.may = threading.Event()

    def connected(self, s):
        self.may.wait(120)
        return super().connected(s)


def test_queue_tells_that_no_connection_has_come_about(relay, sink):
    mute = Mute()
    server = sink(mute)
    here = relay(to=server)
    submit(here, 5)
    net.wait_for("what holds it back", lambda: row_of(here).get("held_back_by") == "connecting")
    assert "connecting (2)" in here.cli("queue").stdout
    mute.may.set()
    server.wait(5)
    here.wait_empty()


def test_queue_tells_that_the_rate_holds_a_site_back(relay, sink):
    here = relay(to=sink(), policies={"traffic": [{"rate": "1/h"}]})
    submit(here, 2)
    net.wait_for("the rate", lambda: row_of(here).get("held_back_by") == "rate")


def row_of(here):
    return next(iter(here.rows("queue")), {})


class Greeter(smtpd.Behaviour):
    """Takes its time to greet, from when it may; knows how many waited for it at once."""

    def __init__(self):
        self.lock, self.waiting, self.peak = threading.Lock(), 0, 0
        self.may = threading.Event()

    def count(self, more):
        with self.lock:
            self.waiting += more
            self.peak = max(self.peak, self.waiting)

    def connected(self, s):
        self.count(1)
        self.may.wait(60)
        time.sleep(0.3)
        self.count(-1)
        return super().connected(s)


def test_sessions_that_do_not_last_are_opened_side_by_side(relay, sink):
    """Hardly one stands at a time: more are opened all the same, as each that comes about shows."""
    greeter = Greeter()
    here = relay(to=sink(greeter), policies={"traffic": [
        {"when": {"site": "*"}, "connections": 20, "messages_per_connection": 1}]})
    for _ in range(60):
        here.send(mail.message(), to=["b@dest.test"])
    greeter.may.set()
    here.wait_empty()
    assert 6 <= greeter.peak <= 20
