"""
test_explain_reply — what an operator is told about a reply of the other side, without a daemon
"""
import subprocess

import pytest
from wp import mail, smtpd, waypost

LISTED = "554 5.7.1 Service unavailable; Client host [203.0.113.42] blocked using zen.spamhaus.org"


@pytest.fixture
def ask(relay):
    """Runs `waypost explain-reply`; gives its JSON, or the finished process when it fails."""
    def run(*args, replies=None, check=True):
        here = relay(start=False, policies={"replies": replies} if replies else None)
        if not check:
            return here.cli("explain-reply", *args, check=False)
        return here.json("explain-reply", *args)
    return run


@pytest.mark.parametrize("mx,reply,fields", [
    ("mx.example.net", LISTED,
     {"class": "ip-blocked", "scope": "address", "provider": "example.net",
      "list": "zen.spamhaus.org", "names_us": True, "points": 30, "mail": "elsewhere"}),
    ("aspmx.l.google.com",
     r"421-4.7.28 [203.0.113.42] Our system has detected an unusual rate of\n"
     r"421-4.7.28 unsolicited mail originating from your IP address.\n421 4.7.28 - gsmtp",
     {"class": "ip-throttled", "provider": "google", "names_us": True, "points": 8,
      "mail": "waits"}),
    ("aspmx.l.google.com", "550-5.1.1 The email account that you tried to reach does\n"
     "550 5.1.1 not exist. - gsmtp",
     {"class": "mailbox", "scope": "recipient", "points": 0, "mail": "returned"}),
    ("mx3.qq.com", "550 Ip frequency limited. 550-more",
     {"class": "ip-throttled", "ends_by_itself": True, "provider": "qq", "mail": "waits"}),
    ("mx.example.net", "451 4.7.1 Greylisting in action, please come back later",
     {"class": "greylist", "points": 0, "mail": "waits"}),
    ("mx.example.net", "550 5.7.1 Message considered as spam",
     {"class": "content", "scope": "message", "points": 0, "mail": "returned"}),
])
def test_class_cost_and_consequence(ask, mx, reply, fields):
    answer = ask("--mx", mx, "--ip", "203.0.113.42", reply)
    assert {key: answer.get(key) for key in fields} == fields
    assert answer["rule"]


def test_what_was_weighed_is_told(relay):
    """Which lines of weights.rules spoke for the class, the heaviest first."""
    here = relay(start=False)
    for reply, weighed in (("550 your certificate looks odd", True), (LISTED, False)):
        answer = here.json("explain-reply", "--mx", "mx.example.net", reply)
        points = [reason["points"] for reason in answer.get("because", [])]
        assert (answer["rule"] == "weighed") == weighed == bool(points)
        assert points == sorted(points, reverse=True) and len(points) <= 4
    told = here.cli("explain-reply", "--mx", "mx.example.net", "550 your certificate looks odd")
    assert "because   " in told.stdout


def test_the_operators_rules_come_first(ask):
    mine = [{"when": {"mx": "*.other.example"}, "class": "content"},
            {"when": {"mx": "*.example.net", "text": "*blocked using zen*"}, "class": "temp"},
            {"when": {"recipient_domain": "vip.example"}, "class": "mailbox"}]
    answer = ask("--mx", "mx.example.net", LISTED, replies=mine)
    assert answer["class"] == "temp" and answer["rule"] == "replies[1]"
    assert answer["points"] == 0 and answer["list"] == "zen.spamhaus.org"
    answer = ask("--mx", "mx.test", "--to", "x@vip.example", "550 no", replies=mine)
    assert answer["rule"] == "replies[2]"
    assert ask("--mx", "mx.test", LISTED, replies=mine)["class"] == "ip-blocked"


def test_our_address_is_known_from_the_configuration(relay):
    here = relay(start=False, conf={"egress": [
        {"name": "a", "address": "127.1.2.3"},
        {"name": "b", "address": ["127.1.2.4", "192.0.2.7"]}]})
    for reply, named in ((LISTED, False), (LISTED.replace("203.0.113.42", "192.0.2.7"), True)):
        answer = here.json("explain-reply", "--mx", "mx.example.net", reply)
        assert answer["names_us"] == named and answer["class"] == "ip-blocked"


def test_whom_the_reply_names(relay):
    """By what was given; our host's name is that of the egress, else of the configuration."""
    here = relay(start=False, conf={"hostname": "gw.client.test", "egress": [
        {"name": "a", "address": "127.1.2.3", "ehlo": "out.client.test"}]})

    def named(*args):
        answer = here.json("explain-reply", "--mx", "mx.example.net", *args)
        return [who for who in ("ehlo", "sender", "recipient") if answer["names_" + who]]
    assert named("550 gw.client.test: who are you?") == ["ehlo"]
    assert named("--ip", "127.1.2.3", "550 gw.client.test: who are you?") == []
    assert named("--ip", "127.1.2.3", "550 out.client.test: who are you?") == ["ehlo"]
    assert named("--ehlo", "x.test", "550 x.test, not gw.client.test") == ["ehlo"]
    assert named("--from", "a@b.test", "--to", "c@d.test", "550 b.test to <c@d.test>") == [
        "sender", "recipient"]
    assert named("--from", "a@b.test", "--to", "c@d.test", "--at", "mail",
                 "550 b.test to <c@d.test>") == ["sender"]      # the peer knows of no other yet
    told = here.cli("explain-reply", "--mx", "mx.example.net", "--from", "a@b.test",
                    "550 b.test is not welcome").stdout
    assert "(names the sender)" in told


def test_without_a_configuration(tmp_path):
    """None is named, and none is there (or whatever is there is sound)."""
    done = subprocess.run([waypost.binary(), "explain-reply", "--mx", "mx.example.net", "--ip",
                           "203.0.113.42", LISTED], cwd=tmp_path, capture_output=True, text=True,
                          check=True)
    assert "ip-blocked" in done.stdout
    done = subprocess.run([waypost.binary(), "explain-reply", "--mx", "mx.example.net", "-c",
                           str(tmp_path / "none.yaml"), LISTED], capture_output=True, check=False)
    assert done.returncode == 78


class Refuses(smtpd.Behaviour):
    def rcpt(self, s, address, args):
        return "550 go away"


def test_what_a_rule_may_ask_of_the_mail(relay, sink):
    """All of it at once: what is not known when the reply comes would never match."""
    when = {"text": "go away", "sender": "a@client.test", "sender_domain": "client.test",
            "recipient": "b@dest.test", "recipient_domain": "dest.test", "size": "<1MiB",
            "client": "127.0.0.0/8", "time": "00:00-24:00", "priority": "normal"}
    here = relay(to=sink(Refuses()), policies={"replies": [{"when": when, "class": "temp"}]})
    here.send(mail.message(), sender="x@other.test", to="b@dest.test")
    assert here.wait_log("bounced", 1, sender="x@other.test")[0]["class"] == "mailbox"
    here.send(mail.message(), sender="a@client.test", to="b@dest.test")
    assert here.wait_log("deferred", 1, sender="a@client.test")[0]["class"] == "temp"


class NamesSomebody(smtpd.Behaviour):
    """Each recipient is refused in the name of whom its local part says."""
    def rcpt(self, s, address, args):
        named = address.split("@")[0].strip("<")
        if named == "himself":
            return "550 5.7.1 access denied for " + address
        if named == "another":
            return "550 5.7.1 access denied for <nobody@dest.test>"
        return f"550 {named} is blacklisted"


def test_whom_a_reply_names_in_a_delivery(relay, sink):
    """Of several recipients each reply is about its own."""
    here = relay(to=sink(NamesSomebody()))
    here.send(mail.message(), sender="x@other.test",
              to=["himself@dest.test", "other.test@dest.test"])
    lines = here.wait_log("bounced", 2, sender="x@other.test")
    here.send(mail.message(), sender="y@third.test",
              to=["another@dest.test", "other.test@dest.test", "himself@dest.test"])
    lines += here.wait_log("bounced", 3, sender="y@third.test")
    found = {(line["sender"], line["recipient"].split("@")[0]): line["class"] for line in lines}
    assert found == {("x@other.test", "himself"): "mailbox",
                     ("x@other.test", "other.test"): "domain-blocked",
                     ("y@third.test", "himself"): "mailbox",
                     ("y@third.test", "another"): "ip-blocked",
                     ("y@third.test", "other.test"): "ip-blocked"}


def test_for_people(relay):
    here = relay(start=False)
    text = here.cli("explain-reply", "--mx", "mx.example.net", "--ip", "203.0.113.42",
                    LISTED).stdout
    for words in ("ip-blocked", "zen.spamhaus.org", "30 points", "another egress", "our address"):
        assert words in text


@pytest.mark.parametrize("args,words", [
    (["--mx", "mx.example.net"], "needed"),
    (["550 no"], "needed"),
    (["--mx", "mx.example.net", "no such user"], "begin with its code"),
    (["--mx", "mx.example.net", "5500 no"], "begin with its code"),
    (["--mx", "mx.example.net", "--ip", "nowhere", "550 no"], "nowhere"),
    (["--mx", "mx.example.net", "--at", "noon", "550 no"], "noon"),
    (["--mx", "mx.example.net", "--from", "nobody", "550 no"], "nobody"),
])
def test_wrong_usage(ask, args, words):
    done = ask(*args, check=False)
    assert done.returncode == 2 and words in done.stderr


def test_a_wrong_class_is_named(relay):
    here = relay(start=False)
    here.write_conf(policies={"replies": [{"when": {"text": "*x*"}, "class": "ip-block"}]})
    done = here.cli("explain-reply", "--mx", "mx.example.net", "550 no", check=False)
    assert done.returncode == 78 and "ip-blocked" in done.stderr
