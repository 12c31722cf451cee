"""
test_faults — misbehaving destinations: the verdict, no loss, no needless duplicate, no harm
"""
import socket

import pytest
from wp import faults, mail, net, smtpd, waypost

SHORT = {"connect": "2s", "greeting": "2s", "command": "2s", "data": "2s", "final": "2s"}


@pytest.fixture
def pair(relay, sink):
    """A relay with a route to the faulty server and one to a good one."""
    def make(host):
        good = sink()
        here = relay(conf={"delivery": {"timeouts": SHORT, "idle": "1s"}}, policies={
            **waypost.LATER, "routes": [
                {"name": "good", "when": {"recipient_domain": "good.test"}, "hosts": [good.host],
                 "tls": "none"}, {"name": "bad", "hosts": [host], "tls": "none"}]})
        return here, good
    return make


def mend(here, server, ident):
    """From now on the server is right; gives how often the message was taken in all."""
    server.behaviour = smtpd.Behaviour()
    net.wait_for("the message after all", lambda: here.log("delivered", recipient="b@bad.test") or
                 here.retry() and None, 40, 0.5)
    here.wait_empty()
    return sum(mail.message_id(m.data) == ident for m in server.messages)


@pytest.mark.parametrize("name", faults.FAULTS)
def test_fault(pair, sink, name):
    fault = faults.FAULTS[name]
    server = sink(fault.behaviour)
    here, good = pair(server.host)
    text = mail.message(size=fault.size)
    here.send(text, sender="", to="b@bad.test")
    here.send(mail.message(), to="x@good.test")
    good.wait(1)                                    # others are not held up
    row = here.wait_log(fault.verdict, recipient="b@bad.test", timeout=40)[0]
    if fault.code:
        assert row["code"] == fault.code, row
    others = {"delivered", "deferred", "bounced"} - {fault.verdict}
    assert not [r for e in others for r in here.log(e, recipient="b@bad.test")]
    if fault.verdict == "deferred":
        taken = mend(here, server, mail.message_id(text))
        assert taken == 1 or (fault.may_duplicate and taken == 2), taken
    else:
        here.wait_empty()
        assert len(server.messages) == (fault.verdict == "delivered")


def test_faults_are_many():
    assert len(faults.FAULTS) >= 30


@pytest.mark.parametrize("kind", ["refused", "silent"])
def test_no_connection(pair, kind):
    address = net.loopback()
    listener = socket.socket()
    listener.bind((address, 25))
    fill = []
    if kind == "silent":                            # a full backlog answers no SYN
        listener.listen(0)
        for _ in range(4):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex((address, 25))
            fill.append(s)
    here, good = pair(f"{address}:25")
    here.send(mail.message(), to="b@bad.test")
    here.send(mail.message(), to="x@good.test")
    good.wait(1)
    row = here.wait_log("deferred")[0]
    assert row["address"].startswith(address) or address in row["reply"]
    for s in [*fill, listener]:
        s.close()
    server = smtpd.Server(address=address)
    net.wait_for("it", lambda: server.messages or here.retry() and None, 40, 0.5)
    server.close()


def test_backlog_for_a_dead_site_costs_few_connections(pair):
    """Two hundred messages for a site that is down do not make two hundred attempts at once."""
    attempts = []

    class Counting(smtpd.Behaviour):
        def connected(self, s):
            attempts.append(s.number)
            return "421 4.3.2 closing"
    server = smtpd.Server(Counting())
    here, good = pair(server.host)
    for i in range(200):
        here.send(mail.message(), to=f"u{i}@bad.test")
    here.send(mail.message(), to="x@good.test")
    good.wait(1)
    net.stays(lambda: True, 2)
    assert 0 < len(attempts) <= 60, len(attempts)
    server.close()
