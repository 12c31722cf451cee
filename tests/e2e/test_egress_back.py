"""
test_egress_back — an egress that was out is used again, whatever has happened meanwhile

Who found it out may be gone, its name may be another address, it may be another kind of egress.
"""
import os
import signal

import pytest
from egress_help import LOCAL, returns, through, told    # noqa: F401
from wp import mail, net, proxies


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
