"""
test_operator — the operator's side of reputation: orders, reports, alarms
"""
import json
import os

import pytest
from wp import mail, net, smtpd, waypost


def egresses(*addresses, **more):
    """Named a, b, c ... in the order of the addresses."""
    return {"egress": [{"name": chr(ord("a") + i), "address": address, **more}
                       for i, address in enumerate(addresses)]}


def standing(here, name):
    """The first address of this egress."""
    return here.json("egress", "list", name)["standing"][0]


def known(here):
    """The daemon has begun to judge its addresses."""
    net.wait_for("the states", lambda: here.cli("egress", check=False).stdout.count("\n") > 1, 30)


def wait_allowed(here, *names):
    """The workers have been told: these egresses and no others."""
    net.wait_for(f"only {names} to be allowed", lambda: {
        e["name"] for e in here.json("explain", "--from", "a@client.test", "--to", "b@dest.test")
        ["egress"] if e["allowed"]} == set(names), 30, 0.1)


def peers(server, here, count):
    """Where `count` more mails, each of a sender of its own, come from."""
    before = len(server.messages)
    for i in range(count):
        here.send(mail.message(), sender=f"u@s{i}.test")
    return {m.peer for m in server.wait(before + count, 60)[before:]}


# ---- orders

class DefersFrom(smtpd.Behaviour):
    def __init__(self, address):
        self.address = address

    def mail(self, s, address, args):
        return "451 4.3.0 not now" if s.peer == self.address else super().mail(s, address, args)


def test_drained_egress_carries_nothing_until_it_is_resumed(relay, sink):
    """What waits for a second try leaves by the other, too. An hour lies between two tries."""
    a, b = net.loopback(), net.loopback()
    server = sink(DefersFrom(a))
    here = relay(to=server, conf=egresses(a, b), policies=waypost.LATER)
    known(here)
    for i in range(12):
        here.send(mail.message(), sender=f"u@s{i}.test")
    net.wait_for("some to be deferred by a", lambda: here.log("deferred", egress="a"), 30)
    row = here.json("egress", "drain", "a")
    assert (row["egress"], row["address"], row["eligible"]) == ("a", a, False)
    assert row["state"] in ("draining", "disabled") and row["reason"] == "drained by the operator"
    wait_allowed(here, "b")
    here.retry()
    assert {m.peer for m in server.wait(12, 60)} == {b}
    assert peers(server, here, 8) == {b}
    server.behaviour.address = None
    assert here.json("egress", "resume", "a")["eligible"]
    net.wait_for("mail by both again", lambda: a in peers(server, here, 8), 60)


def test_nothing_is_lost_when_all_are_disabled(relay, sink):
    a, b = net.loopback(), net.loopback()
    server = sink()
    here = relay(to=server, conf=egresses(a, b))
    known(here)
    for name in "ab":
        assert here.json("egress", "disable", name)["state"] == "disabled"
    wait_allowed(here)
    for _ in range(5):
        here.send(mail.message())
    assert net.stays(lambda: not server.messages, 1)
    here.cli("egress", "enable", "b")
    assert {m.peer for m in server.wait(5, 60)} == {b}
    assert not here.log("bounced")


def test_disabled_survives_kills_of_everything(relay, sink):
    a, b = net.loopback(), net.loopback()
    server = sink()
    here = relay(to=server, conf=egresses(a, b))
    known(here)
    here.cli("egress", "disable", f"a/{a}")             # answered: it is on disk
    here.kill_tree()
    here.start()
    known(here)
    wait_allowed(here, "b")
    found = standing(here, "a")
    assert (found["state"], found["eligible"], found["share"]) == ("disabled", False, 0)
    assert found["todo"].startswith("enable")
    assert peers(server, here, 8) == {b}
    rows = here.json("report", "reputation", "--egress", "a")
    assert [r["state"] for r in rows if r.get("kind") == "address"] == ["disabled"]
    past = [r for r in rows if r.get("event") == "egress_state"]
    assert past[0]["to"] == "disabled" and past[0]["reason"] == "disabled by the operator"


def test_orders_that_cannot_be_carried_out(relay, sink):
    a, b, b2 = net.loopback(), net.loopback(), net.loopback()
    conf = {"egress": [{"name": "a", "address": a}, {"name": "b", "address": [b, b2]}]}
    here = relay(to=sink(), conf=conf)
    known(here)

    def fails(status, *words):
        got = here.cli("egress", *words, check=False)
        assert got.returncode == status, got
        return got.stderr
    assert 'no egress "c"' in fails(1, "drain", "c") and "a, b" in fails(1, "drain", "c")
    assert "a, b" in fails(1, "list", "c")
    assert f"b/{b}, b/{b2}" in fails(1, "drain", f"b/{a}")
    assert "not disabled" in fails(1, "resume", "a")
    assert "nothing waits" in fails(1, "acknowledge", "a")
    assert "which" in fails(2, "drain") and "explode" in fails(2, "explode", "a")
    rows = [json.loads(line) for line in
            here.cli("egress", "disable", "b", "--json").stdout.splitlines()]
    assert [r["address"] for r in rows] == [b, b2] and {r["state"] for r in rows} == {"disabled"}
    assert "already" in fails(1, "disable", f"b/{b}")
    here.cli("egress", "enable", f"b/{b2}")             # one of the two
    table = here.cli("egress", "list").stdout.splitlines()
    assert [line.split()[3] for line in table[1:]] == ["clean", "disabled", "clean"]
