"""
test_standing_pools — what a pool can spare, and what happens when none of it may carry mail
"""
import os

import pytest
from egress_help import states
from test_operator import feed_of, known, standing, wait_allowed
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
    net.wait_for("control to know", lambda: "proxy" in standing(here, "far")["todo"], 30)
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
