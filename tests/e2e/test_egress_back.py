"""
test_egress_back — an egress that was out is used again, whatever has happened meanwhile

Who found it out may be gone, its name may be another address, it may be another kind of egress. One
that could not be tried for want of our own was never out.
"""
import contextlib
import os
import signal
import socket

import pytest
from egress_help import LOCAL, returns, states, through, told    # noqa: F401
from wp import mail, net, proxies, waypost


@pytest.fixture
def proxy(keep, tmp_path):
    return keep(proxies.Microsocks(tmp_path))


def goes_out(here, s):
    """Its mail goes by the other, and control knows."""
    count = len(s.messages)
    here.send(mail.message())
    s.wait(count + 1)
    net.wait_for("far to be down", lambda: told(here, "far")[-1:] == ["down"])


def test_the_relay_was_started_anew(through, proxy):
    here, s, _ = through({"socks5": proxy.host})
    proxy.kill()
    goes_out(here, s)
    old = here.pid("relay")
    os.kill(old, signal.SIGKILL)
    here.pid("relay", old)
    here.wait_ready()
    proxy.start()
    returns(here, s, proxy.source)


def test_it_is_another_kind_now(through, proxy):
    here, s, _ = through({"socks5": proxy.host})
    proxy.kill()
    goes_out(here, s)
    address = net.loopback()
    here.write_conf({"egress": [{"name": "far", "address": address}, LOCAL]})
    here.reload()
    returns(here, s, address)


def test_its_name_was_missing(through, proxy):
    here, s, zone = through({"socks5": "proxy.test:1080"})
    goes_out(here, s)
    zone.host("proxy.test", proxy.address)
    returns(here, s, proxy.source)


def test_its_name_is_another_address(through, proxy):
    """However long the one before may be kept."""
    here, s, zone = through({"socks5": "proxy.test:1080"})
    zone.add("proxy.test", "A " + net.loopback(), ttl=3600)
    goes_out(here, s)
    zone.remove("proxy.test")
    zone.host("proxy.test", proxy.address)
    returns(here, s, proxy.source)


@pytest.mark.parametrize("named", [False, True], ids=["address", "name"])
def test_no_descriptor_left_is_no_fault_of_the_relay(world, sink, named):
    """Ours, whether it lacks for the connection or to look the name up: the mail waits, the egress
    is fine all the time, and the mail leaves when there are some again. It goes to an address, so
    nothing else is looked up."""
    gw2, most = sink(port=2526), 400
    here, zone = world(conf={
        "egress": [{"name": "far",
                    "via": {"relay": f"{'gw2.test' if named else gw2.address}:2526"}}],
        "probes": {"interval": "1h"}, "delivery": {"messages_per_connection": 1}},
                       policies=waypost.QUICK, start=False)
    zone.host("gw2.test", gw2.address)
    here.start(under=("prlimit", f"--nofile={most}"))
    with here.connect() as c, contextlib.ExitStack() as others:
        c.ehlo()
        c.envelope(sender="a@client.test", to=[f"b@[{net.loopback()}]"])
        for _ in range(most):                   # those that are not let in take what becomes free
            others.enter_context(socket.create_connection((here.address, here.port)))
        net.wait_for("the lack", lambda: '"accept_paused"' in here.stderr())
        c.data(mail.message())
        row, = here.wait_log("deferred")
        assert (row["egress"], row["attempt"]) == ("far", 1), row
    gw2.wait(1)
    assert here.wait_log("delivered")[0]["egress"] == "far"
    assert not states(here, "far") and not told(here, "far")
