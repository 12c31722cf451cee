"""
test_clock — the wall clock is set by an hour while mail waits, is being received and is being sent

Durations last as long as they were to (retries, HOLDFOR, deadlines, what is left of one); a time of
the clock is the clock's (HOLDUNTIL). What must not come early is measured by the monotonic clock,
which is not set; what must come is waited for, and would come an hour late.
"""
import datetime
import threading
import time

import pytest
from wp import clock, mail, net, smtpd, waypost

HOUR = 3600
LATE = 0.5                              # what may have passed between our clock and theirs


class Hop(smtpd.Behaviour):
    """Knows DELIVERBY; puts off once who is named so; greets only when it may."""
    extensions = (*smtpd.EXTENSIONS, "DELIVERBY")

    def __init__(self):
        self.tried, self.greets, self.asked = [], threading.Event(), threading.Event()
        self.greets.set()

    def connected(self, s):
        self.asked.set()
        self.greets.wait(60)
        return super().connected(s)

    def rcpt(self, s, address, args):
        self.tried.append((address, time.monotonic()))
        first = sum(a == address for a, _ in self.tried) == 1
        again = address.startswith("again") and first or address.startswith("never")
        return "450 4.2.1 not now" if again else super().rcpt(s, address, args)

    def times(self, address):
        return [at for a, at in list(self.tried) if a == address]


@pytest.fixture
def world_of(relay, sink, keep):
    """(relay, its clock, next hop, what comes back to client.test)."""
    def make():
        ours, hop, back = keep(clock.Clock(waypost.binary())), Hop(), sink()
        out = hop.server = sink(hop)
        routes = [{"name": "back", "when": {"recipient_domain": "client.test"},
                   "hosts": [back.host], "tls": "none"},
                  {"name": "all", "hosts": [out.host], "tls": "none"}]
        retry = {"first": "2s", "max": "2s", "greylist": "2s", "expire": "30m",
                 "delay_notice": "20m"}
        return relay(policies={"routes": routes, "retry": retry}, env=ours.env), ours, hop, back
    return make


def came(hop, address):
    return net.wait_for(f"mail to {address}", lambda: hop.times(address))


@pytest.mark.parametrize("by", [HOUR, -HOUR])
def test_what_waits(world_of, by):
    here, ours, hop, back = world_of()
    began = time.monotonic()
    until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=HOUR / 2)
    here.send(mail.message(), to="again@d.test")
    here.send(mail.message(), to="never@d.test", mail=["BY=4;R"])
    here.wait_log("deferred", 2)
    here.send(mail.message(), to="later@d.test", mail=["HOLDFOR=3"])
    here.send(mail.message(), to="then@d.test", mail=[f"HOLDUNTIL={until.isoformat()}"])
    ours.set(by)
    rows = {r["recipients"][0]: r for r in here.queue()}
    assert all(0 <= r["age_s"] < HOUR / 4 for r in rows.values())
    ages = [lane for r in here.rows("queue") for lane in r["ages"].values()]
    assert sum(map(sum, ages)) >= 1 and not any(sum(lane[5:]) for lane in ages)
    assert came(hop, "later@d.test")[0] - began >= 3
    net.wait_for("another try", lambda: len(hop.times("again@d.test")) == 2)
    first, second = hop.times("again@d.test")
    assert second - first >= 0.7 * 2 - LATE
    late = mail.Report(back.wait(1)[0].data)
    assert back.messages[0].time - began >= 4 - LATE
    assert late.recipients[0]["Status"] == "5.4.7"
    if by < 0:                          # the time of the clock is further away now
        row = next(r for r in here.queue() if r["recipients"] == ["then@d.test"])
        assert row["held_until"] == row["next_attempt"] == rows["then@d.test"]["held_until"]
        assert datetime.datetime.fromisoformat(row["held_until"].replace("Z", "+00:00")) \
            - until < datetime.timedelta(seconds=1)
        assert row["expires"] > row["held_until"] and not hop.times("then@d.test")
        ours.set(0)
        assert not hop.times("then@d.test")
        ours.set(HOUR)
        here.queue()                    # makes every thread look at it
    came(hop, "then@d.test")
    here.wait_empty()
    assert len(back.messages) == 1


@pytest.mark.parametrize("by", [HOUR, -HOUR])
def test_what_is_under_way(world_of, by):
    """The clock is set between MAIL and the end of the data, and while the next hop is reached."""
    here, ours, hop, back = world_of()
    hop.greets.clear()
    began = time.monotonic()
    here.send(mail.message(), to="sent@d.test", mail=["BY=600;R"])
    assert hop.asked.wait(60)
    with here.connect() as held, here.connect() as due:
        for c, args in (held, "HOLDFOR=2"), (due, "BY=600;R"):
            c.ehlo()
            c.cmd(f"MAIL FROM:<a@client.test> {args}")
            c.cmd(f"RCPT TO:<{'held' if c is held else 'due'}@d.test>")
            c.cmd("DATA")
        ours.set(by)
        for c in (held, due):
            assert c.cmd("Subject: x\r\n\r\nx\r\n.")[0] == 250
    hop.greets.set()
    assert came(hop, "held@d.test")[0] - began >= 2
    for to in "sent", "due":
        came(hop, f"{to}@d.test")
    here.wait_log("delivered", 3)
    here.wait_empty()
    assert not back.messages
    args = [m.mail_args for m in hop.server.messages if "BY=" in m.mail_args]
    left = [int(a.split("BY=")[1].split(";")[0]) for a in args]
    assert len(left) == 2 and all(400 < n <= 600 for n in left)
