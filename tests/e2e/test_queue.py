"""
test_queue — retries, expiry, priorities, and the verbs of `waypost queue`
"""
import json

import pytest
from wp import mail, net, smtpd, waypost


class Deferring(smtpd.Behaviour):
    """Says 4xx at RCPT while `on`; keeps when it was asked."""

    def __init__(self, on=True, reply="450 4.2.1 not now"):
        self.on, self.reply, self.asked = on, reply, []

    def rcpt(self, s, address, args):
        self.asked.append(address)
        return self.reply if self.on else "250 ok"


@pytest.fixture
def waiting(relay, sink):
    """A relay with messages that were deferred once and wait for an hour."""
    def make(*to, **how):
        behaviour = Deferring()
        server = sink(behaviour)
        policies = waypost.merged(waypost.LATER, how.pop("policies", {}))
        here = relay(to=server, policies=policies, **how)
        for n, address in enumerate(to, 1):
            here.send(mail.message(), sender=how.get("sender", "a@client.test"), to=address)
            here.wait_log("deferred", n)
        return here, server, behaviour
    return make


def test_deferred_mail_is_tried_again(relay, sink):
    behaviour = Deferring()
    s = sink(behaviour)
    here = relay(to=s)
    here.send(mail.message())
    rows = here.wait_log("deferred", 3)
    assert [r["attempt"] for r in rows[:3]] == [1, 2, 3]
    assert rows[0]["code"] == 450 and rows[0]["enhanced"] == "4.2.1" and rows[0]["next_attempt"]
    behaviour.on = False
    s.wait(1)
    assert here.wait_log("delivered")[0]["attempt"] > 3
    here.wait_empty()


def test_expired_mail_is_returned(relay, sink):
    s, back = sink(Deferring()), sink()
    here = relay(policies={"retry": {"first": "1s", "max": "1s", "expire": "3s"}, "routes": [
        {"name": "back", "when": {"recipient_domain": "client.test"}, "hosts": [back.host],
         "tls": "none"}, {"name": "all", "hosts": [s.host], "tls": "none"}]})
    here.send(mail.message())
    report = mail.Report(back.wait(1)[0].data)
    assert report.recipients[0]["Status"] == "4.4.7" or \
        report.recipients[0]["Status"].startswith("4.")
    assert report.recipients[0]["Action"] == "failed"
    assert here.wait_log("expired")[0]["recipient"] == "b@dest.test"
    here.wait_empty()


def test_queue_table_and_list(waiting):
    here, _, _ = waiting("b@dest.test", "c@dest.test")
    table = here.cli("queue").stdout
    assert "450" in table or "not now" in table
    rows = here.queue()
    assert len(rows) == 2 and {r["recipient"] if "recipient" in r else r["recipients"][0]
                               for r in rows} >= set()
    assert all(r["id"] for r in rows)
    text = here.cli("queue", "list").stdout
    assert rows[0]["id"] in text and rows[1]["id"] in text
    assert text.count("450 4.2.1 not now") == 2         # its code is not said twice


def test_mail_without_a_site_has_one_row(world):
    """Which worker will look the destination up tells nobody anything."""
    here, zone = world(conf={"workers": 4}, policies=waypost.LATER)
    for n in range(16):
        zone.mail(f"d{n}.test", net.loopback())
        here.send(mail.message(), to=f"x@d{n}.test")
    here.wait_log("deferred", 16)
    here.restart()                                  # what waits is looked up when it is due
    row, = here.rows("queue")
    assert (row["site"], row["waiting"], sum(row["ages"]["normal"])) == ("", 16, 16)
    assert row["age_s"] >= 0 and row["last_error"]
    assert here.cli("queue").stdout.count("(not looked up yet)") == 1


def test_show(waiting):
    here, _, _ = waiting("b@dest.test")
    ident = here.queue()[0]["id"]
    shown = here.cli("queue", "show", ident).stdout
    for word in (ident, "a@client.test", "b@dest.test", "not now"):
        assert word in shown
    assert here.json("queue", "show", ident)
    assert here.cli("queue", "show", "nonsense", check=False).returncode == 1


@pytest.mark.parametrize("filters,left", [
    (["--to", "b@one.test"], 2), (["--to", "*@one.test"], 1), (["--domain", "two.test"], 2),
    (["--from", "a@client.test"], 0), (["--from", "x@client.test"], 3), (["--age", ">1h"], 3),
    (["--priority", "normal"], 0), (["--priority", "bulk"], 3), ([], 0),
])
def test_filters_of_drop(waiting, filters, left):
    here, server, _ = waiting("b@one.test", "c@one.test", "d@two.test")
    here.cli("queue", "drop", *(filters or ["--to", "*"]))
    assert len(here.queue()) == left
    if left < 3:
        here.wait_log("dropped", 3 - left)
    assert len(here.log("dropped")) == 3 - left and not server.messages


def test_drop_by_id(waiting):
    here, _, _ = waiting("b@one.test", "c@one.test")
    ident = here.queue()[0]["id"]
    here.cli("queue", "drop", "--id", ident)
    assert ident not in [r["id"] for r in here.queue()] and len(here.queue()) == 1
    here.restart()
    assert len(here.queue()) == 1                   # also in the spool


def test_retry_makes_due(waiting):
    here, server, behaviour = waiting("b@one.test", "c@two.test")
    behaviour.on = False
    here.retry("--domain", "one.test")
    assert server.wait(1)[0].rcpts[0][0] == "b@one.test"
    assert net.stays(lambda: len(server.messages) == 1, 0.5)
    here.retry()
    server.wait(2)


def test_hold_and_release(waiting):
    here, server, behaviour = waiting("b@one.test", "c@two.test")
    here.cli("queue", "hold", "--domain", "one.test")
    assert here.wait_log("held")[0]["recipient"] == "b@one.test"
    assert {row["state"]: "next_attempt" in row for row in here.queue()} == {"held": False,
                                                                            "waiting": True}
    behaviour.on = False
    here.retry()
    assert server.wait(1)[0].rcpts[0][0] == "c@two.test"
    assert net.stays(lambda: len(server.messages) == 1, 0.5)
    here.restart()                                  # a hold survives
    here.retry()
    assert net.stays(lambda: len(server.messages) == 1, 1)
    here.cli("queue", "release", "--domain", "one.test")
    here.retry()
    assert server.wait(2)[1].rcpts[0][0] == "b@one.test"


def test_bounce_returns_now(waiting, sink):
    back = sink()
    here, server, _ = waiting("b@one.test", policies={"routes": None})
    here.write_conf(policies={"routes": [
        {"name": "back", "when": {"recipient_domain": "client.test"}, "hosts": [back.host],
         "tls": "none"}, {"name": "all", "hosts": ["127.0.0.1:1"], "tls": "none"}]})
    here.reload()
    here.cli("queue", "bounce", "--to", "b@one.test")
    report = mail.Report(back.wait(1)[0].data)
    assert report.recipients[0]["Final-Recipient"].endswith("b@one.test")


def test_wrong_usage_says_so(waiting):
    here, _, _ = waiting()
    for args in (["queue", "frob"], ["queue", "--nonsense", "x"], ["queue", "drop", "--age", "x"]):
        done = here.cli(*args, check=False)
        assert done.returncode == 2 and done.stderr, args


def test_no_daemon_is_69(relay):
    made = relay(start=False)
    assert made.cli("queue", check=False).returncode == 69
    assert made.cli("reload", check=False).returncode in (69, 0, 1)
    assert made.cli("queue", "list", "--json", check=False).returncode == 69


def test_lanes_of_rules_and_of_the_wire(relay, sink):
    s = sink(Deferring())
    here = relay(to=s, conf={"clients": [
        {"network": "127.0.0.0/8", "name": "office", "may_set_priority": True}]},
        policies={**waypost.LATER, "priorities": [
            {"when": {"sender": ["ceo@corp.test", "*@board.corp.test"]}, "priority": "urgent"},
            {"when": {"header": {"X-Priority": "1*"}, "client": "office"}, "priority": "high"}]})
    cases = [("ceo@corp.test", (), b"", "urgent"), ("x@board.corp.test", (), b"", "urgent"),
             ("y@corp.test", (), b"X-Priority: 1 (Highest)\r\n", "high"),
             ("y@corp.test", (), b"X-Priority: 3\r\n", "normal"),
             ("y@corp.test", ("MT-PRIORITY=5",), b"", "urgent"),
             ("y@corp.test", ("MT-PRIORITY=2",), b"", "high"),
             ("y@corp.test", ("MT-PRIORITY=-3",), b"", "bulk"), ("y@corp.test", (), b"", "normal"),
             ("ceo@corp.test", ("MT-PRIORITY=-3",), b"", "urgent")]
    for n, (sender, args, header, _) in enumerate(cases):
        here.send(header + mail.message(), sender=sender, to=f"u{n}@d{n}.test", mail=args)
    rows = {r["recipient"]: r["priority"] for r in here.wait_log("received", len(cases))}
    assert [rows[f"u{n}@d{n}.test"] for n in range(len(cases))] == [c[3] for c in cases]


def test_urgent_leaves_before_bulk(relay, sink):
    """With one slow session and a backlog of bulk, an urgent message is next, not last."""
    behaviour = Deferring()
    s = sink(behaviour)
    here = relay(to=s, conf={"delivery": {"connections": 1}}, policies={
        **waypost.LATER, "priorities": [{"when": {"sender": "boss@x.test"}, "priority": "urgent"},
                       {"when": {"sender": "news@x.test"}, "priority": "bulk"}]})
    for i in range(40):
        here.send(mail.message(), sender="news@x.test", to=f"n{i}@dest.test")
    here.send(mail.message(), sender="boss@x.test", to="boss@dest.test")
    here.wait_log("deferred", 41, 60)
    behaviour.on = False
    here.retry()
    order = [m.sender for m in s.wait(41)]
    assert order.index("boss@x.test") < 12, order


def test_explanations_of_waiting_are_json(waiting):
    here, _, _ = waiting("b@dest.test")
    json.dumps(here.json("queue"))
    row = here.queue()[0]
    assert {"id", "sender"} <= set(row)
