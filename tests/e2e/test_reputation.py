"""
test_reputation — a receiver turns against one of our addresses: the mail leaves by another
"""
import os
import signal
import time

import pytest
from wp import mail, net, smtpd, waypost

BLOCKED = "550 5.7.1 Service unavailable; client [{ip}] blocked using zen.spamhaus.org"


def egresses(*addresses, **more):
    """Named a, b, c ... in the order of the addresses."""
    return {"egress": [{"name": chr(ord("a") + i), "address": address, **more}
                       for i, address in enumerate(addresses)]}


class Refuses(smtpd.Behaviour):
    """Answers so at one moment when the peer is one of these addresses; takes all from others."""

    def __init__(self, reply, *addresses, moment="mail"):
        self.reply, self.addresses, self.moment, self.times = reply, set(addresses), moment, []

    def answer(self, moment, s, otherwise):
        if moment != self.moment or s.peer not in self.addresses:
            return otherwise
        self.times.append(time.monotonic())
        return self.reply.format(ip=s.peer)

    def connected(self, s):
        return self.answer("connected", s, super().connected(s))

    def mail(self, s, address, args):
        return self.answer("mail", s, super().mail(s, address, args))

    def rcpt(self, s, address, args):
        return self.answer("rcpt", s, super().rcpt(s, address, args))

    def received(self, s, message):
        return self.answer("received", s, super().received(s, message))


def one_and_a_reserve(a, b):
    """Mail leaves by b only where a will not do: whatever the machine is doing."""
    conf = egresses(a, b)
    conf["egress"][1]["weight"] = 0
    return conf


def refused_then_taken(relay, sink, refuses):
    """Mail that a receiver refuses from one address leaves by the other; gives the gateway."""
    a, b = net.loopback(), net.loopback()
    refuses.addresses = {a}
    server = sink(refuses)
    here = relay(to=server, conf=one_and_a_reserve(a, b), policies=waypost.LATER)
    for i in range(8):
        here.send(mail.message(), sender=f"u@s{i}.test")
    assert {m.peer for m in server.wait(8, 30)} == {b}
    rows = here.wait_log("delivered", 8)
    assert len(rows) == len(server.messages) == 8                               # none doubled
    refused = {r["id"]: r for r in here.log("rerouted")}
    assert refused and not here.log("bounced") and not here.log("deferred")
    for row in rows:                    # one line: which mail, who took it, who did not, and why
        if row["id"] in refused:
            assert (row["egress"], row["source"], row["previous"]) == ("b", b, "a"), row
            assert refused[row["id"]]["reply"] in row["reason"], row
        else:
            assert "previous" not in row and "reason" not in row, row
    return here


@pytest.mark.parametrize("moment", ["connected", "mail", "rcpt", "received"])
def test_refused_for_the_address_goes_by_another(relay, sink, moment):
    here = refused_then_taken(relay, sink, Refuses(BLOCKED, moment=moment))
    rows = here.log("rerouted")
    assert all(r["egress"] == "a" and r["class"] == "ip-blocked" and r["code"] == 550 and
               "blocked using zen.spamhaus.org" in r["reply"] for r in rows), rows


def test_temporary_refusal_of_the_address_too(relay, sink):
    """LATER: a deferral would wait for an hour."""
    refused_then_taken(relay, sink, Refuses("421 4.7.1 [{ip}] is on our block list"))


def test_refused_from_all_addresses_at_most_three_times(relay, sink):
    """One and two others; then what the receiver says holds, and the sender hears of it."""
    where = [net.loopback() for _ in range(4)]
    server = sink(Refuses(BLOCKED, *where))
    here = relay(to=server, conf=egresses(*where), policies=waypost.LATER)
    here.send(mail.message(), sender="a@client.test")
    row = here.wait_log("bounced", 1, sender="a@client.test")[0]
    assert row["class"] == "ip-blocked" and row["code"] == 550
    rerouted = here.log("rerouted", sender="a@client.test")     # the bounce meets the same fate
    assert len(rerouted) == 2
    tried = [r["egress"] for r in rerouted] + [row["egress"]]
    assert len(set(tried)) == 3


def test_one_address_only_and_the_receiver_is_believed(relay, sink):
    a = net.loopback()
    server = sink(Refuses(BLOCKED, a))
    here = relay(to=server, conf=egresses(a), policies=waypost.LATER)
    here.send(mail.message(), sender="a@client.test")
    here.wait_log("bounced", 1, sender="a@client.test")
    assert not here.log("rerouted")


def test_refusals_of_other_kinds_stay_where_they_are(relay, sink):
    """Neither the content nor the recipient is cured by another address."""
    a, b = net.loopback(), net.loopback()
    server = sink(Refuses("550 5.1.1 <b@dest.test>: user unknown", a, b, moment="rcpt"))
    here = relay(to=server, conf=egresses(a, b), policies=waypost.LATER)
    for _ in range(6):
        here.send(mail.message(), sender="a@client.test")
    rows = here.wait_log("bounced", 6, sender="a@client.test")
    assert all(r["class"] == "mailbox" and r["attempt"] == 1 for r in rows)
    assert not here.log("rerouted")


def test_greylisting_keeps_its_egress(relay, sink):
    a, b = net.loopback(), net.loopback()

    class Grey(smtpd.Behaviour):
        seen = {}

        def rcpt(self, s, address, args):
            self.seen.setdefault(address, []).append(s.peer)
            if len(self.seen[address]) == 1:
                return "451 4.7.1 Greylisted, please try again in a second"
            return super().rcpt(s, address, args)

    server = sink(Grey())
    here = relay(to=server, conf=egresses(a, b))
    for i in range(8):
        here.send(mail.message(), to=f"u{i}@dest.test")
    server.wait(8, 60)
    assert all(len(set(peers)) == 1 for peers in Grey.seen.values()), Grey.seen
    assert len(here.log("deferred", **{"class": "greylist"})) == 8


def state_of(here, egress, provider=""):
    """The last state of the delivery log."""
    rows = [r for r in here.log("egress_state", egress=egress)
            if r.get("provider", "") == provider]
    return rows[-1]["state"] if rows else None


def test_a_receiver_that_blocks_an_address_is_not_asked_again(relay, sink):
    """Three refusals that name the address: blocked there; no mail tries it for two hours."""
    a, b = net.loopback(), net.loopback()
    server = sink(Refuses(BLOCKED, a))
    here = relay(to=server, conf=one_and_a_reserve(a, b), policies=waypost.LATER)

    def blocked():
        for i in range(4):
            here.send(mail.message(), sender=f"u@s{i}{time.monotonic_ns() % 97}.test")
        states = [r["state"] for r in here.log("egress_state", egress="a") if r.get("provider")]
        return "blocked" in states
    net.wait_for("the state blocked", blocked, 60)
    net.wait_for("the relay to know", lambda: "refuses it" in here.cli(
        "explain", "--from", "a@client.test", "--to", "b@dest.test").stdout, 20)
    asked = len(server.behaviour.times)
    for _ in range(20):
        here.send(mail.message())
    net.wait_for("all of it", lambda: not here.queue(), 30)
    assert len(server.behaviour.times) <= asked + 4     # those that were on their way
    assert {m.peer for m in server.messages} == {b}


def test_states_survive_a_restart_and_kills(relay, sink):
    a, b = net.loopback(), net.loopback()
    server = sink(Refuses(BLOCKED, a))
    here = relay(to=server, conf=one_and_a_reserve(a, b), policies=waypost.LATER)

    def blocked():
        for i in range(4):
            here.send(mail.message(), sender=f"u@s{i}.test")
        return any(r["state"] == "blocked" for r in here.log("egress_state", egress="a"))
    net.wait_for("the state blocked", blocked, 60)
    file = os.path.join(here.conf["state"], "reputation", "standing.bin")
    net.wait_for("it to be kept", lambda: os.path.exists(file))
    time.sleep(1.5)                                     # written within a second of a change
    here.kill_tree()
    here.start()
    net.wait_for("the line between relay and control", lambda: any(
        "refuses it" in text for text in [here.cli("explain", "--from", "a@client.test",
                                                          "--to", "b@dest.test").stdout]), 30)
    asked = len(server.behaviour.times)
    for _ in range(10):
        here.send(mail.message())
    net.wait_for("all of it", lambda: not here.queue(), 30)
    assert len(server.behaviour.times) == asked


def disabled(here):
    return here.json("egress", "list", "a")["standing"][0]["state"] == "disabled"


def test_an_order_is_on_the_disk_when_it_is_answered(relay, sink):
    a, b = net.loopback(), net.loopback()
    here = relay(to=sink(), conf=egresses(a, b), policies=waypost.LATER)
    for _ in range(4):
        here.cli("egress", "disable", "a")
        old = here.pid("control")
        os.kill(old, signal.SIGKILL)
        here.pid("control", old)
        net.wait_for("its answer", lambda: here.cli("egress", "list", check=False).returncode == 0)
        assert disabled(here)
        here.cli("egress", "enable", "a")


def test_a_disabled_egress_stays_out_before_control_speaks(relay, sink):
    """The relay is killed while control hangs: it goes by what it was told before."""
    a, b = net.loopback(), net.loopback()
    server = sink()
    here = relay(to=server, conf=egresses(a, b), policies=waypost.LATER)
    here.cli("egress", "disable", "a")
    net.wait_for("the relay to know", lambda: "barred" in here.cli(
        "explain", "--from", "a@client.test", "--to", "b@dest.test").stdout, 20)
    time.sleep(0.5)                                     # the relay keeps its table beside the loop
    control, old = here.pid("control"), here.pid("relay")
    os.kill(control, signal.SIGSTOP)
    try:
        os.kill(old, signal.SIGKILL)
        here.pid("relay", old)
        net.wait_for("the greeting", lambda: net.greets(here.address, here.port))
        for i in range(20):
            here.send(mail.message(), sender=f"u@s{i}.test")
        assert {m.peer for m in server.wait(20)} == {b}
    finally:
        os.kill(control, signal.SIGCONT)


def test_a_receiver_may_think_otherwise(relay, sink):
    """Refused from both for a while: the mail waits, and then any of them may carry it."""
    a, b = net.loopback(), net.loopback()
    server = sink(Refuses("450 4.7.1 [{ip}] is blocked by our list", a, b))
    here = relay(to=server, conf=egresses(a, b))
    here.send(mail.message())
    here.wait_log("deferred")
    server.behaviour.addresses.clear()
    server.wait(1, 30)


def test_all_are_blocked_and_mail_is_held_or_sent(relay, sink):
    """By a receiver: `last_resort` decides. It waits, or one of the addresses asks all the same, at
    the lowest rate, and the sender reads what the receiver says."""
    a, b = net.loopback(), net.loopback()
    server = sink(Refuses(BLOCKED, a, b))
    here = relay(to=server, conf=one_and_a_reserve(a, b), policies=waypost.LATER)

    def explained():
        return here.cli("explain", "--from", "a@client.test", "--to", "b@dest.test").stdout

    def resorts():
        return [p["last_resort"] for name in "ab"
                for p in here.json("egress", "list", name)["standing"][0]["providers"]]
    for i in range(3):                                  # nobody hears of these
        here.send(mail.message(), sender=f"u@s{i}.test", rcpt=["NOTIFY=NEVER"])
        here.wait_log("bounced", i + 1, 30)
    net.wait_for("both to be blocked", lambda: explained().count("refuses it") == 2, 30)
    asked = len(server.behaviour.times)
    here.send(mail.message(), sender="a@client.test")
    net.wait_for("it to wait", lambda: "refuses it" in str(here.json("queue")), 30)
    assert resorts() == [False, False] and len(server.behaviour.times) == asked
    here.write_conf({"reputation": {"last_resort": "send"}})
    here.reload()
    row = here.wait_log("bounced", 1, 30, sender="a@client.test")[0]
    assert row["class"] == "ip-blocked" and "blocked using zen.spamhaus.org" in row["reply"]
    assert not here.log("rerouted", sender="a@client.test")
    assert sorted(resorts()) == [False, True]
    for i in range(8):
        here.send(mail.message(), sender=f"u@s{i}.test")
    assert net.stays(lambda: len(server.behaviour.times) <= asked + 2)  # one an hour
    assert "all the same" in here.cli("egress", "list").stdout
