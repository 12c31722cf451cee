"""
test_links — mail leaves by the path that works: observations, advice, probes, explain

On loopback no path is slow, but one can be broken for one source address only: the sink resets what
comes from it before the greeting, which looks like a middlebox on that path.
"""
import os
import signal
import socket
import time

import pytest
from wp import mail, net, smtpd


class Paths(smtpd.Behaviour):
    """Resets connections from some addresses before the greeting."""

    def __init__(self):
        self.broken, self.times = set(), []

    def connected(self, s):
        self.times.append((time.monotonic(), s.peer))
        if s.peer in self.broken:
            raise smtpd.Hangup(reset=True)
        return super().connected(s)


@pytest.fixture
def two(relay, sink):
    """
    A gateway with two egresses towards one sink: (gateway, sink, behaviour, addresses). The
    second has a price, so that the first is preferred once it is measured: two that are as good
    share the mail, and the one that this sender's leaves by need not be the preferred one. A
    beacon behind the same paths lets control judge them soon: the sink may hardly be probed.
    """
    def make(conf=None, **more):
        behaviour, beacon = Paths(), Paths()
        beacon.broken = behaviour.broken
        s, away, a, b = sink(behaviour), sink(beacon), net.loopback(), net.loopback()
        base = {"egress": [{"name": "one", "address": a},
                           {"name": "two", "address": b, "cost": "500ms"}],
                "geo": {"networks": [{"network": "127.0.0.0/8", "carrier": "lab",
                                      "region": "here"}]},
                "probes": {"beacons": [{"address": away.host, "carrier": "lab",
                                        "region": "here"}]},
                "delivery": {"messages_per_connection": 1}, **(conf or {})}
        return relay(to=s, conf=base, **more), s, behaviour, {"one": a, "two": b}
    return make


def send(here, count, pause=0.1):
    for _ in range(count):
        here.send(mail.message())
        time.sleep(pause)


def egresses(here):
    row = here.json("explain", "--from", "a@client.test", "--to", "b@dest.test")
    return {e["name"]: e for e in row["egress"]}


def chosen(here):
    return next((n for n, e in egresses(here).items() if e["chosen"]), None)


def is_measured(here):
    """Does explain show a measured choice, and is that the preferred egress by now?"""
    row = next((e for e in egresses(here).values() if e["chosen"]), {})
    preferred = [r["egress"] for r in here.log("path_switch")][-1:]     # none: before the log
    return "cost_ms" in row and preferred in ([], [row["name"]])


def measured(here):
    net.wait_for("a measured choice", lambda: is_measured(here), 30)


def switched(here, used, other):
    """Control's own verdict."""
    net.wait_for("the switch", lambda: [
        e for e in here.log("path_switch")
        if e["egress"] == other and e.get("previous") == used], 60)


def test_a_broken_path_is_left_and_explained(two):
    here, s, paths, addresses = two()
    send(here, 12)
    s.wait(12)
    measured(here)
    used = chosen(here)
    other = "two" if used == "one" else "one"
    paths.broken.add(addresses[used])
    send(here, 20)
    later = s.wait(32)[12:]
    assert {m.peer for m in later} == {addresses[other]} and not here.log("deferred")
    net.wait_for("the switch", lambda: chosen(here) == other, 30)
    row = egresses(here)
    assert row[used]["state"] in ("suspect", "down") and not row[used]["chosen"]
    assert row[other]["state"] == "up" and row[other]["reason"].startswith("chosen")
    assert row[other]["terms_ms"].keys() >= {"setup", "dialogue", "loss", "think", "transfer"}
    switched(here, used, other)


def test_new_mail_makes_no_try_on_a_path_that_is_known_to_be_down(two):
    here, s, paths, addresses = two()
    send(here, 12)
    measured(here)
    used = chosen(here)
    paths.broken.add(addresses[used])
    send(here, 10)
    net.wait_for("another choice", lambda: chosen(here) != used, 30)
    before = time.monotonic()
    send(here, 20, 0)
    s.wait(42)
    tries = [t for t, peer in paths.times if peer == addresses[used] and t > before + 0.2]
    assert len(tries) <= 2, tries                    # probes, if any


@pytest.mark.timeout(120)
def test_probes_are_polite(two):
    """Connect, greeting, QUIT; never EHLO; an address sees at most one in ten seconds, also when
    control is killed after the very first and mail names the address anew."""
    egress = [{"name": f"e{n}", "address": net.loopback(), "weight": int(n == 0)}
              for n in range(5)]                    # each may ask once a minute
    here, s, _, _ = two({"probes": {"interval": "1s"}, "egress": egress})       # no beacon

    def probes():
        return sorted(x.commands[0][0] for x in list(s.sessions)
                      if [c[1].upper() for c in list(x.commands)] == ["QUIT"])
    send(here, 3)
    net.wait_for("the first probe", probes)
    opened = here.stderr().count("relay_line_open")
    os.kill(here.pid("control"), signal.SIGKILL)
    net.wait_for("another control", lambda: here.stderr().count("relay_line_open") > opened)
    send(here, 3)
    time.sleep(22)
    times = probes()
    assert len(times) > 1, "no probe in all that time"
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert all(g > 9.5 for g in gaps), gaps
    assert len(s.commands("EHLO")) == len(s.wait(6)) == 6       # of mail only
    assert not here.log("deferred")


def test_control_may_die_at_any_time(two):
    """Killed again and again under load: no mail waits, and advice comes back."""
    here, s, _, _ = two()
    send(here, 5)
    measured(here)
    for _ in range(3):
        os.kill(here.pid("control"), signal.SIGKILL)
        send(here, 10, 0.05)
    s.wait(35)
    rows = here.wait_log("delivered", 35)
    assert max(r["queue_ms"] for r in rows) < 2000 and len({r["id"] for r in rows}) == 35
    here.pid("control")
    net.wait_for("advice again", lambda: send(here, 1) or is_measured(here), 30, 0.2)


def test_a_reload_keeps_what_is_known(two):
    here, s, paths, addresses = two()
    send(here, 12)
    measured(here)
    used = chosen(here)
    other = "two" if used == "one" else "one"
    paths.broken.add(addresses[used])
    send(here, 6)
    net.wait_for("another choice", lambda: chosen(here) == other, 30)
    here.conf["egress"].append({"name": "three", "address": net.loopback(), "weight": 0})
    here.write_conf()
    here.reload()
    assert chosen(here) == other and set(egresses(here)) == {"one", "two", "three"}
    send(here, 5)
    assert {m.peer for m in s.wait(23)[18:]} == {addresses[other]}


NONSENSE = (b"\xff" * 64, b"\x05\x00\x00\x00\x02hello", b"\0" * 4096, b"\xff\xff\xff\x7f\x02",
            b"\x01\x00\x00\x00\x03\x01", b"")


def test_nonsense_on_the_line_harms_nobody(two):
    here, s, _, _ = two()
    for n, nonsense in enumerate(NONSENSE):
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(here.path("state", "run", "relay.sock"))
            line.sendall(b'{"verb":"links"}\n')
            line.recv(64)
            line.sendall(nonsense)
            line.shutdown(socket.SHUT_WR)
            line.settimeout(10)
            while line.recv(4096):
                pass
        send(here, 1)
        s.wait(n + 1)
    opened = here.stderr().count("relay_line_open")
    net.wait_for("control on the line", lambda: here.stderr().count("relay_line_open") > opened or
                 here.stderr().rfind("line_open") > here.stderr().rfind("line_lost"))
    send(here, 3)
    measured(here)
    assert here.stderr().count('"child_started"') == 2


def test_beacons_are_probed(relay, sink):
    """They tell of the group they are said to be in, whatever is known of their address."""
    paths = Paths()
    beacon = sink(paths)
    here = relay(to=sink(), conf={"probes": {"interval": "1s", "beacons": [
        {"address": beacon.host, "carrier": "c1", "region": "r1"}]}})
    net.wait_for("a visit", lambda: paths.times, 60)
    net.wait_for("figures of its group", lambda: [
        line for line in here.stderr().splitlines()
        if '"link_event"' in line and '"switch"' in line and '"carrier":"c1"' in line])
    assert "destination_suspect" not in here.stderr()


def test_egress_list_shows_who_is_out(relay, sink):
    here = relay(to=sink(), conf={"egress": [
        {"name": "here", "address": net.loopback(), "carrier": "lab", "weight": 3},
        {"name": "gone", "address": "203.0.113.9"}]})
    send(here, 6)
    rows = net.wait_for("the fault", lambda: {
        r["egress"]: r for r in here.json("egress", "list") if r["state"] == "unplumbed"} and
        {r["egress"]: r for r in here.json("egress")}, 30)
    assert rows["gone"]["state"] == "unplumbed" and rows["gone"]["evidence"]
    assert rows["here"]["state"] == "fine" and rows["here"]["carrier"] == "lab"
    table = here.cli("egress", "list").stdout
    assert "gone" in table and "unplumbed" in table
    assert here.cli("egress", "explode", check=False).returncode == 2
    assert here.wait_log("egress_state", 1)[0]["egress"] == "gone"


def test_what_was_known_is_known_after_control_was_killed(two):
    """The same egress is preferred, without a switch and without a storm of probes."""
    here, s, paths, addresses = two()
    send(here, 12)
    measured(here)
    used = chosen(here)
    other = "two" if used == "one" else "one"
    paths.broken.add(addresses[used])
    send(here, 20)
    switched(here, used, other)
    kept = here.path("state", "history", "links.bin")
    since = time.time()
    net.wait_for("a state written since", lambda: os.path.exists(kept) and
                 os.stat(kept).st_mtime > since, 30)
    switches, before, tries = here.log("path_switch"), here.pid("control"), len(paths.times)
    opened = here.stderr().count("relay_line_open")
    os.kill(before, signal.SIGKILL)
    here.pid("control", before)
    net.wait_for("its line", lambda: here.stderr().count("relay_line_open") > opened, 30)
    for _ in range(8):
        row = egresses(here)
        assert chosen(here) == other and row[used]["state"] != "up", row
        time.sleep(0.5)
    assert here.log("path_switch") == switches
    assert len(paths.times) - tries <= 4, paths.times[tries:]
    assert "state_damaged" not in here.stderr()


def test_a_damaged_state_is_set_aside(two):
    here, s, _, _ = two()
    send(here, 3)
    s.wait(3)
    kept = here.path("state", "history", "links.bin")
    net.wait_for("the state", lambda: os.path.exists(kept), 30)
    here.stop()
    with open(kept, "r+b") as f:
        f.seek(20)
        f.write(b"\xff" * 20)
    here.start()
    net.wait_for("word of it", lambda: "state_damaged" in here.stderr(), 30)
    assert os.path.exists(kept + ".damaged")
    send(here, 6)
    measured(here)
