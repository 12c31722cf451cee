"""
test_egress_source — addresses that come and go, interfaces, marks, congestion control
"""
import os
import subprocess
import time

import pytest
from egress_help import LOCAL, assert_by, lines, returns, states, told, wait_state
from wp import mail, net


@pytest.fixture
def address():
    """An address of ours outside of 127/8, with a function that plumbs or removes it."""
    text = f"203.0.113.{os.getpid() % 250 + 1}"

    def set_it(on):
        subprocess.run(["ip", "address", "replace" if on else "del", text + "/32", "dev", "lo"],
                       check=True, capture_output=True)
    set_it(True)
    yield text, set_it
    subprocess.run(["ip", "address", "del", text + "/32", "dev", "lo"], check=False,
                   capture_output=True)


def test_address_removed_while_its_session_rests(world, sink, address):
    text, plumb = address
    s = sink()
    here, zone = world(conf={"egress": [{"name": "far", "address": text}, LOCAL],
                             "delivery": {"idle": "60s"}})
    zone.mail("dest.test", s.address)
    here.send(mail.message())
    assert s.wait(1)[0].peer == text
    plumb(False)
    time.sleep(1.1)                                 # addresses are looked at once a second
    here.send(mail.message())
    assert s.wait(2)[1].peer != text
    assert here.wait_log("delivered", 2)[1]["attempt"] == 1 and not here.log("deferred")
    plumb(True)
    wait_state(here, "far", "up")
    returns(here, s, text)


def test_one_address_of_two_removed(world, sink, address):
    """Also between two looks at it: a connection that finds it gone is no fault of the egress."""
    text, plumb = address
    s, other = sink(), net.loopback()
    here, zone = world(conf={"egress": [{"name": "far", "address": [text, other]}, LOCAL],
                             "delivery": {"messages_per_connection": 1}, "workers": 1})
    zone.mail("dest.test", s.address)
    for _ in range(2):
        here.send(mail.message())
    s.wait(2)
    plumb(False)
    for _ in range(6):
        here.send(mail.message())
    assert text not in {m.peer for m in s.wait(8)[2:]}
    assert not states(here, "far") and not here.log("deferred")
    assert "egress_address_gone" in here.stderr()
    net.wait_for("far to be fine", lambda: told(here, "far")[-1:] != ["down"])
    returns(here, s, other)


def test_interface_and_mark(world, sink):
    s = sink()
    here, zone = world(conf={"egress": [{"name": "far", "interface": "lo", "mark": 77,
                                         "congestion": "reno"}]})
    zone.mail("dest.test", s.address)
    here.send(mail.message())
    s.wait(1)
    assert_by(here, "far", 1)
    assert not states(here, "far")


def test_interface_that_is_not_there(world, sink):
    s = sink()
    here, zone = world(conf={"egress": [{"name": "far", "interface": "nosuchdev0"}, LOCAL]})
    zone.mail("dest.test", s.address)
    here.send(mail.message())
    s.wait(1)
    assert_by(here, "local", 1)
    assert states(here, "far") == ["down"]


@pytest.fixture
def interface():
    """The name of an interface, with a function that makes or removes it."""
    name = f"wpt{os.getpid()}"

    def set_it(on):
        pair = ["add", name, "type", "veth", "peer", "name", name + "p"] if on else ["del", name]
        subprocess.run(["ip", "link", *pair], check=on, capture_output=True)
        if on:
            subprocess.run(["ip", "link", "set", name, "up"], check=True, capture_output=True)
    yield name, set_it
    set_it(False)


def test_interface_that_disappears_and_returns(world, sink, interface):
    """Mail or a probe of control notices, as chance has it; then each looks until it is back."""
    name, make = interface
    s = sink()
    make(True)
    here, zone = world(conf={"egress": [{"name": "far", "interface": name}, LOCAL]})
    zone.mail("dest.test", s.address)

    def is_down():                                  # the first may still go by the other
        here.send(mail.message())
        return told(here, "far")[-1:] == ["down"]

    def is_back():
        of_relay = lines(here, "far")
        return told(here, "far")[-1:] == ["up"] and of_relay.count("up") == of_relay.count("down")
    for _ in range(4):
        make(False)
        net.wait_for("far to be down", is_down, step=0.2)
        make(True)
        net.wait_for("far to be up", is_back)
    here.wait_empty()
    assert {r["egress"] for r in here.log("delivered")} == {"local"}
    assert not here.log("deferred")


def test_unknown_congestion_control_is_told(world, sink):
    s = sink()
    here, zone = world(conf={"egress": [{"name": "far", "congestion": "nosuchcc"}]})
    zone.mail("dest.test", s.address)
    here.send(mail.message())
    s.wait(1)
    assert here.stderr().count("congestion_not_allowed") == 1
    assert 'no congestion control "nosuchcc"' in here.cli("check").stderr
