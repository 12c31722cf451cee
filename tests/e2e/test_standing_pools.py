"""
test_standing_pools — what a pool can spare, and what happens when none of it may carry mail
"""
import os

import pytest
from egress_help import states
from test_operator import feed_of, hook, known, standing, to, wait_allowed   # noqa: F401
from wp import mail, net, proxies, waypost


def lists(here, *addresses):
    """Swaps the content of the feed."""
    path = here.write("bad.new", feed_of(addresses))
    os.replace(path, here.path("bad.netset"))


def pool(relay, server, egress, points=100, policies=None, **reputation):
    """A running relay with this egress table and a feed that lists none of it."""
    feed = {"file": "bad.netset", "format": "netset", "points": points}
    here = relay(to=server, conf={"egress": egress, "reputation": {"feeds": [feed], **reputation}},
                 policies=waypost.merged(waypost.LATER, policies or {}),
                 files={"bad.netset": feed_of([])})
    known(here)
    return here


def test_a_pool_does_not_rely_on_an_egress_at_fault(relay, sink, keep, tmp_path):
    """Soft evidence would take b out: not while the proxy of the other is down, and at once when it
    is back."""
    b, server = net.loopback(), sink()
    proxy = keep(proxies.Microsocks(tmp_path))
    here = pool(relay, server, [{"name": "far", "via": {"socks5": proxy.host}},
                                {"name": "b", "address": b, "weight": 0}], points=60)
    proxy.kill()
    here.send(mail.message())
    server.wait(1)
    net.wait_for("far to be down", lambda: states(here, "far")[-1:] == ["down"], 30)
    net.wait_for("control to know", lambda: "proxy" in standing(here, "far").get("todo", ""),
                 30)
    lists(here, b)
    net.wait_for("the evidence", lambda: standing(here, "b")["evidence"], 30)
    net.wait_for("b to be kept all the same", lambda: standing(here, "b")["capped"], 30)
    assert standing(here, "b")["state"] == "suspect"
    here.send(mail.message())
    assert server.wait(2)[1].peer == b
    proxy.start()
    net.wait_for("b to leave", lambda: not standing(here, "b")["eligible"], 60)
    wait_allowed(here, "far")
    here.send(mail.message())
    assert server.wait(3)[2].peer == proxy.source


def told(server, kind):
    """What people were told of this kind, in order."""
    return [a for post in server.posts for a in post["alarms"] if a["kind"] == kind]


def out(here, *names):
    """These may carry nothing, and the relay knows it."""
    for name in names:
        net.wait_for(f"{name} to be out", lambda n=name: not standing(here, n)["eligible"], 30)
    wait_allowed(here)


@pytest.fixture
def both(relay, sink, hook):                    # noqa: F811
    """Two egresses that are both listed; (relay, sink, webhook, their addresses)."""
    def make(policies=None, notify=None, **reputation):
        a, b, server, web = net.loopback(), net.loopback(), sink(), hook()
        here = pool(relay, server, [{"name": "a", "address": a}, {"name": "b", "address": b}],
                    policies=policies, notify={"webhook": web.url, **(notify or {})},
                    **reputation)
        lists(here, a, b)
        return here, server, web, (a, b)
    return make


def test_all_are_listed_and_mail_is_held_until_one_is_not(both):
    """An alarm, by webhook; its mail waits like all other. Nothing is returned or tried; senders
    hear of the delay. The urgent one is ahead when an operator vouches for one address."""
    here, server, web, (_, b) = both(
        {"priorities": [{"when": {"sender": "ceo@*"}, "priority": "urgent"}],
         "retry": {"delay_notice": "1s"}}, notify={"mail": "postmaster@dest.test"})
    out(here, "a", "b")
    net.wait_for("the alarm", lambda: told(web, "pool"), 30)
    assert told(web, "pool")[0]["state"] == "empty" and "waits" in told(web, "pool")[0]["reason"]
    assert told(web, "pool")[0]["with"] in told(web, "pool")[0]["what"]  # the route
    bulk = [mail.message() for _ in range(12)]
    for text in bulk:
        here.send(text, sender="u@s.test")
    urgent = mail.message()
    here.send(urgent, sender="ceo@s.test")

    def waiting(*filters):
        return len(here.queue(*filters))
    net.wait_for("a mail to the postmaster", lambda: waiting("--to", "postmaster@dest.test"), 30)
    net.wait_for("all of it, and a notice for each",
                 lambda: waiting() - waiting("--to", "postmaster@dest.test") == 26, 30)
    assert not server.messages and not here.log("bounced") and not here.log("expired")
    assert "barred" in str(here.queue("--from", "ceo@s.test"))
    old = here.pid("control")                   # whoever begins anew knows the same
    os.kill(old, 9)
    here.pid("control", old)
    known(here)
    out(here, "a", "b")
    assert not server.messages
    lists(here)
    net.wait_for("the feed to be clear",
                 lambda: all(r["state"] == "clear" for r in here.json("report", "reputation")
                             if r.get("kind") == "feed"), 30)
    here.cli("egress", "reset", "b")
    here.wait_empty(60)
    assert to(server.messages, "postmaster@dest.test")
    got = [m for m in server.messages if m not in to(server.messages, "postmaster@dest.test")]
    assert {m.peer for m in got} == {b} and len(got) == 26
    assert sorted(mail.message_id(m.data) for m in got if m.sender) == \
        sorted(mail.message_id(text) for text in [*bulk, urgent])
    # Four sessions may have begun with others before they knew of it.
    assert mail.message_id(urgent) in [mail.message_id(m.data) for m in got[:8]]
    assert sum(b"delayed" in m.data for m in got if not m.sender) == 13
    net.wait_for("that it is back", lambda: [a["state"] for a in told(web, "pool")] ==
                 ["empty", "back"], 30)
    assert not here.log("bounced")


def test_all_are_listed_and_the_least_bad_carries_it(both):
    here, server, web, (a, b) = both(last_resort="send")
    net.wait_for("the alarm", lambda: told(web, "pool"), 30)
    assert "least bad one does" in told(web, "pool")[0]["reason"]

    def resorts():
        return [n for n in "ab" if standing(here, n)["last_resort"]]
    net.wait_for("one of them to be chosen", lambda: len(resorts()) == 1, 30)
    chosen, = resorts()
    wait_allowed(here, chosen)
    for i in range(6):
        here.send(mail.message(), sender=f"u@s{i}.test")
    assert {m.peer for m in server.wait(6, 30)} == {{"a": a, "b": b}[chosen]}
    other = "b" if chosen == "a" else "a"       # vouched for: it is no last resort, and alone
    lists(here, {"a": a, "b": b}[chosen])
    net.wait_for("the feed to be clear of it",
                 lambda: [r["state"] for r in here.json("report", "reputation")
                          if r.get("kind") == "feed" and r["egress"] == other] == ["clear"], 30)
    here.cli("egress", "reset", other)
    wait_allowed(here, other)
    for i in range(6):
        here.send(mail.message(), sender=f"u@s{i}.test")
    assert {m.peer for m in server.wait(12, 30)[6:]} == {{"a": a, "b": b}[other]}
    assert not here.log("deferred") and not here.log("bounced")
