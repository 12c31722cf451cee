"""
test_explain_reply — what an operator is told about a reply of the other side, without a daemon
"""
import pytest

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
])
def test_wrong_usage(ask, args, words):
    done = ask(*args, check=False)
    assert done.returncode == 2 and words in done.stderr


def test_a_wrong_class_is_named(relay):
    here = relay(start=False)
    here.write_conf(policies={"replies": [{"when": {"text": "*x*"}, "class": "ip-block"}]})
    done = here.cli("explain-reply", "--mx", "mx.example.net", "550 no", check=False)
    assert done.returncode == 78 and "ip-blocked" in done.stderr
