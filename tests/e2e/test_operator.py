"""
test_operator — the operator's side of reputation: orders, reports, alarms
"""
import http.server
import json
import os
import threading

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
    conf = egresses(a, b)
    conf["egress"][1]["weight"] = 0             # a reserve: all mail tries a first
    here = relay(to=server, conf=conf, policies=waypost.LATER)
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
    net.wait_for("mail by it again", lambda: a in peers(server, here, 8), 60)


class TakesItsTime(smtpd.Behaviour):
    """Says what it makes of a mail from this address when it is told to."""
    def __init__(self, address):
        self.address, self.has, self.may_go = address, threading.Event(), threading.Event()

    def received(self, s, message):
        if s.peer == self.address:
            self.has.set()
            self.may_go.wait(60)
        return super().received(s, message)


def test_a_drain_ends_with_the_last_transaction(relay, sink):
    a, b = net.loopback(), net.loopback()
    server = sink(TakesItsTime(a))
    conf = egresses(a, b)
    conf["egress"][1]["weight"] = 0
    here = relay(to=server, conf=conf, policies=waypost.LATER)
    known(here)
    here.send(mail.message(), sender="u@s.test")
    assert server.behaviour.has.wait(30)
    assert here.json("egress", "drain", "a")["state"] == "draining"
    wait_allowed(here, "b")
    assert net.stays(lambda: standing(here, "a")["state"] == "draining", 1.5)
    server.behaviour.may_go.set()
    here.wait_log("delivered")
    net.wait_for("the end of the drain", lambda: standing(here, "a")["state"] == "disabled", 60)
    assert "no sessions are left" in here.log("egress_state", state="disabled")[0]["reason"]
    assert peers(server, here, 2) == {b}


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
    lines = [line for line in table[1:] if not line.startswith(" ")]
    assert [line.split()[3] for line in lines] == ["clean", "disabled", "clean"]
    below = table[table.index(lines[1]) + 1:table.index(lines[2])]
    assert below == ["    Why: disabled by the operator",
                     "    What Waypost does: no mail leaves by it, as ordered",
                     "    What to do: enable the egress when it shall carry mail again"]


# ---- reports

def report(here, **fields):
    return [r for r in here.json("report", "reputation") if fields.items() <= r.items()]


def test_the_report_tells_evidence_lists_and_what_happened(relay, sink):
    a, b = net.loopback(), net.loopback()
    here = watched(relay, sink(), [a, b], {})
    listed_by(here, "bad.netset", [a])
    net.wait_for("the state", lambda: not standing(here, "a")["eligible"], 30)
    evidence = standing(here, "a")["evidence"][0]
    assert evidence["kind"] == "listed" and evidence["standing"] and evidence["points"] == 100
    assert evidence["source"].endswith("bad.netset") and "gone" not in evidence
    assert report(here, kind="address", egress="a")[0]["evidence"][0] == evidence
    assert report(here, kind="address", egress="b")[0]["evidence"] == []
    assert report(here, kind="feed", egress="a")[0]["state"] == "listed"
    past = net.wait_for("the history", lambda: report(here, event="listing", egress="a"), 30)
    assert (past[0]["from"], past[0]["to"], past[0]["points"]) == ("clear", "listed", 100)
    assert report(here, event="egress_state", egress="a")[-1]["from"] == "clean"
    assert not report(here, event="egress_state", egress="b")
    text = here.cli("report", "reputation").stdout
    for words in ("Evidence\n", "stands", "What happened\n", "clear -> listed", "egress_state"):
        assert words in text, text
    net.wait_for("the end of its sessions", lambda: standing(here, "a")["state"] == "listed", 30)
    for table in (here.cli("report", "reputation").stdout, here.cli("egress", "list").stdout):
        assert max(map(len, table.splitlines())) <= 120, table
        said = " ".join(table.split())
        for words in ("Why: ", f"What Waypost does: {standing(here, 'a')['does']} ",
                      f"What to do: {standing(here, 'a')['todo']} "):
            assert words in said, table
    assert "Nothing in this time" in here.cli("report", "reputation", "--since", "1ms").stdout
    assert here.cli("report", "reputation", "--since", "soon", check=False).returncode == 2
    assert {r["egress"] for r in here.json("report", "reputation", "--egress", "b")} == {"b"}


# ---- alarms

class Hook:
    """A webhook: what is posted to it; answers 500 so many times first."""

    def __init__(self, failures=0):
        self.posts, self.heads, self.left = [], [], failures
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.heads.append((self.path, dict(self.headers)))
                fails = hook.left > 0
                hook.left -= fails
                if not fails:
                    hook.posts.append(json.loads(body))
                self.send_response(500 if fails else 204)
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer((net.loopback(), 0), Handler)
        self.url = "http://%s:%d/hook?key=secret" % self.server.server_address
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def hook(keep):
    return lambda **how: keep(Hook(**how))


def to(messages, recipient):
    return [m for m in messages if m.rcpts[0][0] == recipient]


def feed_of(addresses):
    """A netset of the world, and these."""
    return "".join(f"198.51.{i}.0/24\n" for i in range(20)) + "".join(a + "\n" for a in addresses)


def listed_by(here, name, addresses):
    """Swaps the content of the feed file."""
    path = os.path.join(here.dir, name)
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write(feed_of(addresses))
    os.replace(path + ".new", path)


def watched(relay, server, addresses, notify, **more):
    feeds = [{"file": "bad.netset", "format": "netset", "points": 100}]
    here = relay(to=server, conf={**egresses(*addresses),
                                  "reputation": {"feeds": feeds,
                                                 **({"notify": notify} if notify else {})},
                                  **more},
                 files={"bad.netset": feed_of([])})
    known(here)
    return here


def test_a_listing_is_told_once_by_webhook_and_by_mail_through_the_other_egress(relay, sink, hook):
    a, b = net.loopback(), net.loopback()
    server, told = sink(), hook(failures=1)             # tried again ten seconds later
    here = watched(relay, server, [a, b],
                   {"webhook": told.url, "mail": "postmaster@dest.test"})
    listed_by(here, "bad.netset", [a])
    net.wait_for("the mail", lambda: to(server.messages, "postmaster@dest.test"), 60)
    net.wait_for("the webhook", lambda: told.posts, 60)
    got, = to(server.messages, "postmaster@dest.test")
    assert got.peer == b and got.sender == ""
    m = mail.parse(got.data)
    assert m["Auto-Submitted"] == "auto-generated" and m["To"] == "postmaster@dest.test"
    assert m["Date"] and m["Message-ID"] and a in m["Subject"]
    assert m["Subject"].startswith(f"Waypost {here.conf['hostname']}: ")
    text = m.get_payload()
    assert a in text and "bad.netset" in text and "What to do: find out" in text
    post, = told.posts
    assert post["hostname"] == here.conf["hostname"] and a in post["text"]
    alarm = post["alarms"][0]
    assert (alarm["kind"], alarm["egress"], alarm["address"]) == ("address", "a", a)
    assert alarm["state"] in ("draining", "listed") and alarm["todo"] and alarm["reason"]
    path, head = told.heads[0]
    assert path == "/hook?key=secret" and head["Content-Type"] == "application/json"
    assert "secret" not in here.stderr()                # its host alone is told
    assert net.stays(lambda: len(told.posts) == 1 and
                     len(to(server.messages, "postmaster@dest.test")) == 1, 3)


def test_what_has_not_arrived_outlives_a_kill(relay, sink, hook):
    """The webhook is down when it happens, and everything is killed before it is back."""
    a, b = net.loopback(), net.loopback()
    told = hook(failures=1)
    here = watched(relay, sink(), [a, b], {"webhook": told.url})
    listed_by(here, "bad.netset", [a])
    kept = here.path("state/reputation/unsent.bin")

    def waits():
        with open(kept, "rb") as f:
            return a.encode() in f.read()
    net.wait_for("the failure", lambda: '"webhook_failed"' in here.stderr(), 30)
    net.wait_for("it to be kept", lambda: os.path.exists(kept) and waits(), 30)
    here.kill_tree()
    here.start()
    post, = net.wait_for("the webhook", lambda: told.posts, 60)
    assert post["alarms"][0]["address"] == a
    net.wait_for("it to be forgotten", lambda: not waits(), 30)


@pytest.mark.timeout(240)
def test_a_storm_gives_no_more_than_the_limit(relay, sink, hook):
    """Fourteen addresses are listed one after the other, each when the one before was told."""
    ours = [net.loopback() for _ in range(14)]
    server, told = sink(), hook()
    here = watched(relay, server, ours, {"webhook": told.url, "mail": "postmaster@dest.test"})
    for n in range(1, len(ours) + 1):
        listed_by(here, "bad.netset", ours[:n])
        name = chr(ord("a") + n - 1)
        net.wait_for(f"{name} to be out", lambda: any(
            r["state"] in ("draining", "listed")
            for r in here.log("egress_state", egress=name)), 30)
        net.wait_for("its alarm", lambda: len(told.posts) >= min(n, 10), 30)
    assert net.stays(lambda: len(told.posts) == 10, 3)  # the others are told within the hour
    assert len(here.log("egress_state", state="listed")) + \
        len(here.log("egress_state", state="draining")) >= 14
    # The postmaster's mail waits with all other mail when no address is left.
    assert len(to(server.messages, "postmaster@dest.test")) <= 10
    assert here.stderr().count('"event":"alarm"') == 10


@pytest.mark.parametrize("notify,words", [
    ({"webhook": "ftp://x.test/"}, "https://"), ({"mail": "nobody"}, "mailbox"),
    ({}, "neither webhook nor mail"), ({"webhok": "http://x/"}, "webhook")])
def test_wrong_notify_is_an_error(relay, sink, notify, words):
    here = relay(to=sink(), start=False)
    here.write_conf({"reputation": {"notify": notify}})
    got = here.cli("check", check=False)
    assert got.returncode == 78 and words in got.stdout + got.stderr, got
