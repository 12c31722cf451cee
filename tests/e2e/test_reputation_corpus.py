"""
test_reputation_corpus — receivers that answer from the shipped corpus, at each step of a session

Each reply is that of a receiver of its own, with a host name of the provider's, to an egress of its
own, so that none bears upon another; one message to all of them, and what came of each recipient is
in the delivery log. Behind them all is a reserve that everybody takes mail from.
"""
import csv
import os

import pytest
from test_reputation import Refuses
from wp import mail, net, waypost

HERE = os.path.dirname(__file__)
IP, SENDER = ("ip-blocked", "ip-throttled"), ("domain-blocked", "auth")
# What receivers say when.
SAID = {"connected": (*IP, "temp"),
        "mail": (*IP, *SENDER, "tls", "temp"),
        "rcpt": (*IP, *SENDER, "content", "mailbox", "greylist", "tls", "temp"),
        "received": (*IP, *SENDER, "content", "mailbox", "greylist", "temp")}


def corpus(kinds):
    with open(os.path.join(HERE, "../corpus/replies.tsv"), encoding="utf-8") as f:
        return [r for r in csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE)
                if r["class"] in kinds]


def domains():
    """provider → how its hosts' names end."""
    with open(os.path.join(HERE, "../../reputation/data/providers.rules"), encoding="utf-8") as f:
        lines = [line.split() for line in f if line.strip() and line[0] != "#"]
    return {words[0]: words[1] for words in lines}


def text_of(row, address):
    status = "" if row["enhanced"] == "-" else row["enhanced"] + " "
    return f"{row['code']} {status}{row['text']}".replace("203.0.113.42", address)


class Gateway:
    """One message to all receivers; `log[n]` is what the log says of row n, events in order."""

    def __init__(self, world, sink, rows, moment):
        self.reserve, self.own = net.loopback(), [net.loopback() for _ in rows]
        egress = [{"name": f"e{n}", "address": a} for n, a in enumerate(self.own)]
        egress.append({"name": "reserve", "address": self.reserve, "weight": 0})
        suffix, routes, hosts = domains(), [], {}
        for n, row in enumerate(rows):
            says = text_of(row, self.own[n]).replace("{", "{{").replace("}", "}}")
            name = f"mx{n}.{suffix.get(row['provider'], f'r{n}.example')}"
            hosts[name] = sink(Refuses(says, self.own[n], moment=moment), port=25)
            routes.append({"name": f"r{n}", "when": {"recipient": f"r{n}@dest.test"},
                           "hosts": [name + ":25"], "egress": [f"e{n}", "reserve"], "tls": "none"})
        back = sink()
        routes.append({"name": "back", "hosts": [back.host], "egress": ["reserve"], "tls": "none"})
        self.here, zone = world(conf={"egress": egress},
                                policies={**waypost.LATER, "routes": routes}, start=False)
        for name, server in hosts.items():
            zone.host(name, server.address)
        self.servers = list(hosts.values())
        self.here.start()
        self.here.send(mail.message(), to=[f"r{n}@dest.test" for n in range(len(rows))])
        net.wait_for("what comes of each", lambda: len({
            r["recipient"] for kind in ("delivered", "deferred", "bounced")
            for r in self.here.log(kind) if r["recipient"].endswith("@dest.test")}) == len(rows),
            60)
        self.log = [self.here.log(recipient=f"r{n}@dest.test") for n in range(len(rows))]


def outcome(row, moment):
    """What is to become of the mail."""
    if row["class"] == "ip-blocked":
        return "delivered"
    ends_by_itself = "frequency limited" in row["text"]     # within a day, though QQ says 550
    about_session = moment == "connected"                   # not about this mail
    return "deferred" if row["code"][0] == "4" or ends_by_itself or about_session else "bounced"


@pytest.mark.parametrize("moment", SAID)
def test_the_outcome_is_as_the_class_says(world, sink, moment):
    """About the address: by another egress at once. Else it stays with its egress: it waits when
    the receiver says so or means the session, and goes back when the mail is refused for good."""
    rows = corpus(SAID[moment])
    assert len(rows) >= 25 and {r["class"] for r in rows} == set(SAID[moment])
    gw = Gateway(world, sink, rows, moment)
    for n, row in enumerate(rows):
        events = [r for r in gw.log[n] if r["event"] != "received"]
        said, last = events[0], events[-1]
        told = f"{moment}: {row['class']} {text_of(row, '…')}\n{events}"
        assert last["event"] == outcome(row, moment), told
        assert said["class"] == row["class"], told
        assert said["code"] == int(row["code"]) and said["egress"] == f"e{n}", told
        taken = [m.peer for m in gw.servers[n].messages]
        if row["class"] == "ip-blocked":
            assert [r["event"] for r in events] == ["rerouted", "delivered"], told
            assert (last["egress"], last["previous"]) == ("reserve", f"e{n}"), told
            assert taken == [gw.reserve], told
        else:
            assert len(events) == 1 and not taken, told
            assert said["attempt"] == 1 and ("next_attempt" in said) == (
                said["event"] == "deferred"), told
