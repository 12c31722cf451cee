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
