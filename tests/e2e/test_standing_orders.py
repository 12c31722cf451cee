"""
test_standing_orders — orders and reloads in every state, with kills between word and deed
"""
import os
import signal
import threading
import time

from test_operator import TakesItsTime, feed_of, known, standing
from wp import mail, net, waypost

# Each state has an egress of its own; what it takes to get there is in world(). Soft evidence put
# the first one out, so it is disabled before the others are, and enabled after them: a pool that is
# short of addresses would have it back.
STATES = ("quarantined", "clean", "suspect", "probation", "listed", "draining")
POINTS = {"hard": 100, "doubt": 30, "some": 15}


def feed(name, here, *addresses):
    path = here.write(f"{name}.new", feed_of(addresses))
    os.replace(path, here.path(f"{name}.netset"))


def states(here):
    """name → (state, reason) of the first address of each."""
    return {r["egress"]: (r["standing"][0]["state"], r["standing"][0].get("reason", ""))
            for r in here.rows("egress", "list") if r.get("standing")}


def wait_states(here, **expected):
    net.wait_for(f"{expected}", lambda: {n: s for n, (s, _) in states(here).items()
                                         if n in expected} == expected, 60, 0.1)


def world(relay, server, ours):
    """One egress in each of STATES; in `draining` a transaction is under way."""
    egress = [{"name": n, "address": a} for n, a in ours.items()]
    for e in egress:
        if e["name"] in ("probation", "quarantined"):
            e["warmup"] = {"start": time.strftime("%Y-%m-%d", time.gmtime())}
    feeds = [{"file": f"{n}.netset", "format": "netset", "points": p} for n, p in POINTS.items()]
    routes = [{"name": "one", "when": {"recipient": "*@draining.test"}, "hosts": [server.host],
               "tls": "none", "egress": ["draining"]},
              {"name": "all", "hosts": [server.host], "tls": "none"}]
    here = relay(conf={"egress": egress, "reputation": {"feeds": feeds}},
                 policies={**waypost.LATER, "routes": routes},
                 files={f"{n}.netset": feed_of([]) for n in POINTS})
    known(here)
    here.send(mail.message(), to="u@draining.test")
    assert server.behaviour.has.wait(30)
    feed("some", here, ours["quarantined"])
    feed("doubt", here, ours["suspect"])
    feed("hard", here, ours["listed"], ours["draining"])
    wait_states(here, **{n: n for n in STATES})
    return here


def again(here, *names):
    """Kills these processes at once and waits until there are others."""
    old = {name: here.pid(name) for name in names}
    for pid in old.values():
        os.kill(pid, signal.SIGKILL)
    for name, pid in old.items():
        here.pid(name, pid)
    net.wait_for("an answer", lambda: here.cli("egress", "list", check=False).returncode == 0)


def test_orders_in_every_state_and_kills_right_after(relay, sink):
    """What was answered is in force when control and relay are killed at that moment, and taking it
    back leads to where the address was."""
    ours = {name: net.loopback() for name in (*STATES, "spare")}
    server = sink(TakesItsTime(ours["draining"]))
    here = world(relay, server, ours)
    before = states(here)
    for name in STATES:
        here.cli("egress", "disable", name)
    again(here, "control")
    assert {states(here)[n] for n in STATES} == {("disabled", "disabled by the operator")}
    for name in reversed(STATES):
        here.cli("egress", "enable", name)
    again(here, "control")
    assert {n: s for n, (s, _) in states(here).items()} == {n: s for n, (s, _) in before.items()}
    for name in STATES:                         # what carries nothing has nothing to drain
        here.cli("egress", "drain", name)
    again(here, "control", "relay")             # and with that no transaction is under way
    server.behaviour.may_go.set()
    wait_states(here, **{n: "disabled" for n in STATES})
    net.wait_for("the greeting", lambda: net.greets(here.address, here.port), 30)
    for i in range(6):
        here.send(mail.message(), sender=f"u@s{i}.test")
    got = server.wait(7, 60)                    # one of them was on its way when it was killed
    assert {m.peer for m in got if not m.rcpts[0][0].endswith("@draining.test")} == {ours["spare"]}
    for name in reversed(STATES):
        here.cli("egress", "resume", name)
    again(here, "control")
    wait_states(here, **{n: "listed" if n == "draining" else n for n in STATES})


def test_an_order_that_is_killed_is_in_force_or_not(relay, sink):
    """Control dies while it is at it: whatever it answered is true afterwards."""
    a, b = net.loopback(), net.loopback()
    server = sink()
    here = relay(to=server, conf={"egress": [{"name": "a", "address": a},
                                             {"name": "b", "address": b}]},
                 policies=waypost.LATER)
    known(here)
    for n in range(4):
        verb, state = (("disable", "disabled"), ("enable", "clean"))[n % 2]
        pid, answered = here.pid("control"), []
        asker = threaded(lambda v=verb, out=answered: out.append(
            here.cli("egress", v, "a", check=False).returncode))
        time.sleep(0.02 * n)
        os.kill(pid, signal.SIGKILL)
        asker.join()
        here.pid("control", pid)
        net.wait_for("an answer", lambda: here.cli("egress", "list", check=False).returncode == 0)
        now = standing(here, "a")["state"]
        assert now == state if answered[0] == 0 else now in ("clean", "disabled")
        if now != state:
            here.cli("egress", verb, "a")
        assert standing(here, "a")["state"] == state
    here.send(mail.message())
    server.wait(1)


def threaded(fn):
    t = threading.Thread(target=fn)
    t.start()
    return t


def test_reloads_that_rename_remove_and_add_while_mail_waits(relay, sink):
    """a is listed with a transaction under way, b is disabled, mail waits for either. Under other
    names they are what they were; a new one has all of the mail, and each once."""
    a, b, c = (net.loopback() for _ in range(3))
    server = sink(TakesItsTime(a))
    feeds = [{"file": "hard.netset", "format": "netset", "points": 100}]
    here = relay(to=server, policies=waypost.LATER, files={"hard.netset": feed_of([])},
                 conf={"reputation": {"feeds": feeds}, "egress": [
                     {"name": "a", "address": a}, {"name": "b", "address": b, "weight": 0}]})
    known(here)
    here.send(mail.message(), sender="first@s.test")
    assert server.behaviour.has.wait(30)
    here.cli("egress", "disable", "b")
    feed("hard", here, a)
    wait_states(here, a="draining")

    def reload(**egress):
        here.write_conf({"egress": [{"name": n, "address": x} for n, x in egress.items()]})
        here.reload()
        return {n: s for n, (s, _) in states(here).items()}
    net.wait_for("the relay to know", lambda: here.cli(
        "explain", "--from", "a@s.test", "--to", "b@dest.test").stdout.count("barred") == 2, 30)
    texts = [mail.message() for _ in range(5)]
    for text in texts:
        here.send(text)
    assert reload(a2=a, b=b) == {"a2": "draining", "b": "disabled"}
    assert net.stays(lambda: standing(here, "a2")["state"] == "draining", 2)
    server.behaviour.may_go.set()               # begun by an egress that is no more: it ends
    here.wait_log("delivered", 1, 30, sender="first@s.test")
    wait_states(here, a2="listed")
    assert reload(b2=b) == {"b2": "disabled"}
    assert reload(b2=b, a3=a) == {"b2": "disabled", "a3": "listed"}
    assert len(server.messages) == 1 and len(here.queue()) == 5
    assert reload(c=c, a3=a) == {"c": "clean", "a3": "listed"}
    got = server.wait(6, 60)[1:]
    assert {m.peer for m in got} == {c}
    assert sorted(mail.message_id(m.data) for m in got) == sorted(map(mail.message_id, texts))
    assert not here.log("bounced") and not here.queue()
