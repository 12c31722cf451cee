"""
egress_help — what the tests of egresses share: one under test, a reserve, and what became of it
"""
import itertools
import json

import pytest
from wp import mail, net

LOCAL = {"name": "local", "weight": 0}              # only when the one under test is out


@pytest.fixture
def through(world, sink):
    """A Waypost with this `via` (and `local` as a reserve), its zone and a sink for dest.test."""
    def make(via, reserve=True, files=None, conf=None, **how):
        s = sink(**how)
        egress = [{"name": "far", "via": via}] + ([LOCAL] if reserve else [])
        here, zone = world(conf={"egress": egress, "delivery": {"messages_per_connection": 1},
                                 **(conf or {})}, files=files)
        zone.mail("dest.test", s.address)
        return here, s, zone
    return make


def assert_by(here, egress, count):
    rows = here.wait_log("delivered", count)
    assert [r["egress"] for r in rows] == [egress] * count
    assert not here.log("deferred")


def lines(here, name):
    """down and up, as the relay logged it of the egress, in order: each worker that noticed."""
    return [word for line in here.stderr().splitlines() if f'"egress":"{name}"' in line
            for word in ("down", "up") if f'"event":"egress_{word}"' in line]


def states(here, name):
    """The same, with what more than one worker said told once."""
    return [word for word, _ in itertools.groupby(lines(here, name))]


def wait_state(here, name, state):
    net.wait_for(f"{name} to be {state}", lambda: states(here, name)[-1:] == [state])


def told(here, name):
    """down and up, as the control says it of the egress: its own look or the relay's, whichever
    came first (a relay that is told does not look for itself)."""
    words = {"egress_fault": "down", "egress_fine": "up"}
    events = (json.loads(line) for line in here.stderr().splitlines() if '"link_event"' in line)
    return [words[e["kind"]] for e in events if e["from"] == name and e["kind"] in words]


def returns(here, s, source):
    """Mail comes by this address again; control may need a moment to know that it is back."""
    def comes():
        count = len(s.messages)
        here.send(mail.message())
        return s.wait(count + 1)[-1].peer == source
    net.wait_for("mail by the egress that is back", comes, step=0.2)
