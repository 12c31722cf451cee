"""
test_reputation_addresses — an egress with several addresses: one that is refused is left out
"""
import pytest
from test_reputation import BLOCKED, Refuses
from wp import mail, net, waypost


def several(relay, server, addresses, **more):
    return relay(to=server, conf={"egress": [{"name": "a", "address": list(addresses)}], **more},
                 policies=waypost.LATER)


@pytest.mark.parametrize("moment", ["connected", "mail", "rcpt", "received"])
def test_mail_refused_for_one_address_leaves_by_another_of_the_egress(relay, sink, moment):
    a, b, c = (net.loopback() for _ in range(3))
    server = sink(Refuses(BLOCKED, a, b, moment=moment))
    here = several(relay, server, (a, b, c))
    for i in range(6):
        here.send(mail.message(), sender=f"u@s{i}.test")
    assert {m.peer for m in server.wait(6, 30)} == {c}
    assert len(here.wait_log("delivered", 6)) == len(server.messages) == 6
    assert here.log("rerouted") and not here.log("bounced") and not here.log("deferred")


def test_a_blocked_address_is_not_asked_any_more(relay, sink):
    a, b = net.loopback(), net.loopback()
    server = sink(Refuses(BLOCKED, a))
    here = several(relay, server, (a, b), delivery={"messages_per_connection": 1})

    def blocked():
        for i in range(4):
            here.send(mail.message(), sender=f"u@s{i}.test")
        return any(r["state"] == "blocked" for r in here.log("egress_state", egress="a"))
    net.wait_for("the state blocked", blocked, 60)

    def left_out():
        asked = len(server.behaviour.times)
        for i in range(4):
            here.send(mail.message(), sender=f"u@s{i}.test")
        net.wait_for("all of it", lambda: not here.queue(), 30)
        return len(server.behaviour.times) == asked
    net.wait_for("a to be left out", left_out, 60)
    asked, taken = len(server.behaviour.times), len(server.messages)
    for i in range(12):
        here.send(mail.message(), sender=f"v@s{i}.test")
    assert {m.peer for m in server.wait(taken + 12, 30)[taken:]} == {b}
    assert len(server.behaviour.times) == asked
    assert not here.log("bounced")


def test_all_of_them_refused_and_the_receiver_is_believed(relay, sink):
    a, b = net.loopback(), net.loopback()
    server = sink(Refuses(BLOCKED, a, b))
    here = several(relay, server, (a, b))
    here.send(mail.message(), sender="a@client.test")
    row = here.wait_log("bounced", 1, sender="a@client.test")[0]
    assert row["class"] == "ip-blocked"
    assert len(here.log("rerouted", sender="a@client.test")) == 1


class Throttles(Refuses):
    """Tells one address to slow down when it has taken so many of it."""

    def __init__(self, address, after):
        super().__init__("421 4.7.28 [{ip}] Our system has detected an unusual rate of mail from "
                         "your IP address; it has been temporarily rate limited", address,
                         moment="mail")
        self.left = after

    def answer(self, moment, s, otherwise):
        if moment == "mail" and s.peer in self.addresses:
            self.left -= 1
            if self.left >= 0:
                return otherwise
        return super().answer(moment, s, otherwise)


def test_a_limit_of_one_address_is_not_gone_round_by_the_other(relay, sink):
    """It is told to slow down: it gets little, its mate no more than that beside it, the rest
    waits; another egress is not drawn to it. Nothing is lost or refused."""
    a, b = net.loopback(), net.loopback()
    server = sink(Throttles(a, 12))
    here = several(relay, server, (a, b), delivery={"messages_per_connection": 1})
    sent = 0

    def some_waits():                           # the limit is in force
        nonlocal sent
        for _ in range(4):
            here.send(mail.message(), sender=f"u@s{sent}.test")
            sent += 1
        return len(here.queue()) >= 8
    net.wait_for("mail to wait for its turn", some_waits, 60)
    assert here.log("egress_state", egress="a", state="throttled")
    asked, taken = len(server.behaviour.times), len(server.messages)
    for i in range(40):
        here.send(mail.message(), sender=f"v@s{i}.test")
    by = [m.peer for m in server.messages[taken:]]
    assert len(by) <= 20 and by.count(b) <= 10, "no way round it"
    assert len(server.behaviour.times) - asked <= 10
    assert len(here.queue()) >= 40 - len(by)
    assert not here.log("bounced")
