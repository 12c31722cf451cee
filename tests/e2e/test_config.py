"""
test_config — check and reload: every error at once with its place, nothing dropped by a reload
"""
import json
import os
import signal
from concurrent import futures

import pytest
from wp import client, mail, net, waypost

SMALL = """hostname: relay.test
listen: [ { address: "127.0.0.1:2525", tls: none, auth: none } ]
clients: [ { network: 127.0.0.0/8 } ]
"""


@pytest.fixture
def check(relay):
    """Runs `waypost check` on this text of waypost.yaml; gives (exit status, all output)."""
    def run(text, *args, policies=None):
        made = relay(start=False)
        made.write("waypost.yaml", text)
        if policies is not None:
            made.write("policies.yaml", policies)
        done = made.cli("check", *args, check=False)
        return done.returncode, done.stdout + done.stderr
    return run


def test_smallest_file_is_enough(check):
    assert check(SMALL)[0] == 0


def test_starter_configuration_is_right():
    import subprocess
    path = os.path.join(waypost.ROOT, "gateway/starter/waypost.yaml")
    done = subprocess.run([waypost.binary(), "check", "-c", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("line,place,words", [
    ("hostnam: x", "4:1", ["hostnam", "hostname"]),
    ("limits: { idle: 5 parsecs }", "4:17", ["5 parsecs"]),
    ("limits: { idle: 300 }", "4:17", ["300"]),
    ("limits: { message_size: lots }", "4:25", ["lots"]),
    ("limits: { recipients: -1 }", "4:23", ["-1"]),
    ("limits: [ 1 ]", "4:9", []),
    ("workers: some", "4:10", ["some"]),
    ("log: { level: loud }", "4:15", ["loud", "info"]),
    ("egress: [ { name: a, address: 300.1.1.1 } ]", "4:31", ["300.1.1.1"]),
    ("egress: [ { name: a }, { name: a } ]", "4:", ["a"]),
    ("tls: { certificate: nowhere.pem, key: nowhere.key }", "4:", ["nowhere.pem"]),
    ("dns: { servers: [ \"127.0.0.1:99999\" ] }", "4:19", ["99999"]),
    ("delivery: { tls: sometimes }", "4:18", ["sometimes", "required"]),
    ("hostname: twice.test", "4:1", ["hostname"]),
    ("a: [ b", "", []),
    ("x: &a [ *a ]", "4:", []),
    ("policies: missing.yaml", "4:11", ["missing.yaml"]),
])
def test_errors_have_their_place(check, line, place, words):
    status, text = check(SMALL + line + "\n")
    assert status == 78
    assert f"waypost.yaml:{place}" in text, text
    for word in words:
        assert word in text, (word, text)


def test_every_error_is_told_at_once(check):
    status, text = check(SMALL + "bogus1: 1\nbogus2: 2\nlimits: { idle: x, hops: y }\n")
    assert status == 78
    for place in ("4:1", "5:1", "6:17", "6:26"):
        assert f"waypost.yaml:{place}" in text, text


@pytest.mark.parametrize("policies,place", [
    ("routes: [ { name: a, egress: [nosuch] } ]\n", "1:31"),
    ("routes:\n  - { name: a }\n  - { name: a }\n", "3:"),
    ("priorities: [ { when: { sendr: x }, priority: high } ]\n", "1:25"),
    ("priorities: [ { when: { sender: x }, priority: highest } ]\n", "1:48"),
    ("retry: { first: 5m, max: 1m }\n", "1:"),
])
def test_errors_of_the_policies(check, policies, place):
    status, text = check(SMALL + "policies: policies.yaml\n", policies=policies)
    assert status == 78 and f"policies.yaml:{place}" in text, text


def test_contradictions(check):
    for listen in ('{ address: "127.0.0.1:465", tls: implicit }', '{ address: "127.0.0.1:25", '
                   'tls: none, auth: required }', '{ address: "127.0.0.1:2525" }'):
        status, _ = check(SMALL.replace("} ]\nclients", "}, " + listen + " ]\nclients"))
        assert status == 78, listen
    assert check(SMALL.replace("clients: [ { network: 127.0.0.0/8 } ]", "clients: []"))[0] == 78


def test_json(check):
    _, text = check(SMALL + "bogus: 1\n", "--json")
    told = json.loads(text)
    row = (told["errors"] if isinstance(told, dict) else told)[0]
    assert row["line"] == 4 and row["column"] == 1 and row["file"].endswith("waypost.yaml")


def test_serve_refuses_what_check_refuses(relay):
    made = relay(start=False)
    made.write("waypost.yaml", SMALL + "bogus: 1\n")
    made.start(wait=False)
    assert made.child.popen.wait(30) == 78 and "waypost.yaml:4:1" in made.stderr()


def test_missing_file(relay):
    made = relay(start=False)
    os.unlink(made.path("waypost.yaml"))
    done = made.cli("check", check=False)
    assert done.returncode == 78 and "waypost.yaml" in done.stderr + done.stdout


def test_usage(relay):
    made = relay(start=False)
    assert made.cli("nonsense", check=False).returncode == 2
    assert made.cli("check", "--nonsense", check=False).returncode == 2
    assert "waypost" in made.cli("version").stdout
    for verb in ("serve", "check", "reload", "queue", "hash-password", "version"):
        assert verb in made.cli("help", verb).stdout


# --- reload
@pytest.fixture
def two(relay, sink):
    """A relay whose mail goes to the first of two sinks."""
    first, second = sink(), sink()
    return relay(to=first), first, second


def route(server):
    return {"routes": [{"name": "all", "hosts": [server.host], "tls": "none"}]}


@pytest.mark.parametrize("how", ["verb", "sighup"])
def test_reload_changes_routes_without_dropping_sessions(two, how):
    here, first, second = two
    with here.connect() as c:
        c.ehlo()
        c.envelope(to=["old@dest.test"])
        here.write_conf(policies=route(second))
        if how == "verb":
            assert "all" in here.reload().stdout            # it says what changes
        else:
            here.sighup()
        net.wait_for("the new route", lambda: here.send(mail.message()) or second.messages, step=.3)
        assert c.data(mail.message())[0] == 250             # the session of before goes on
    net.wait_for("both", lambda: any(m.rcpts[0][0] == "old@dest.test"
                                     for m in first.messages + second.messages))
    assert here.wait_log("reload")


def test_bad_reload_keeps_what_runs(two):
    here, first, _ = two
    pids = here.processes()
    here.write("policies.yaml", "routes: [ { name: x, frob: 1 } ]\n")
    done = here.reload(check=False)
    assert done.returncode == 78 and "policies.yaml:1:" in done.stdout + done.stderr
    here.sighup()
    here.send(mail.message())
    first.wait(1)
    assert here.processes() == pids
    here.write_conf()
    assert here.reload().returncode == 0


def test_reload_adds_and_removes_listeners(two):
    here, _, _ = two
    both = here.conf["listen"] + [{"address": f"{here.address}:2600", "tls": "none",
                                   "auth": "none"}]
    here.write_conf({"listen": both})
    here.reload()
    net.wait_for("the new listener", lambda: net.greets(here.address, 2600))
    with here.connect(port=2600) as kept:
        here.write_conf({"listen": both[:1]})
        here.reload()
        net.wait_for("the listener to go", lambda: not net.listens(here.address, 2600))
        kept.ehlo()                                         # its session is not ended
        kept.envelope()
        assert kept.data(mail.message())[0] == 250


def test_reload_changes_clients_and_limits(two):
    here, _, _ = two
    here.write_conf({"clients": [{"network": "10.0.0.0/8"}], "limits": {"message_size": "1MiB"}})
    here.reload()

    def refused():
        try:
            with here.connect() as c:
                size = c.ehlo()["SIZE"]
                c.cmd("MAIL FROM:<a@b.test>")
                return size == "1048576" and c.cmd("RCPT TO:<b@dest.test>")[0] in (550, 554)
        except (client.Closed, AssertionError):
            return True
    net.wait_for("the new clients", refused)


def test_reload_applies_to_waiting_mail(relay, sink):
    good = sink()
    here = relay(to=["127.0.0.1:1"])
    here.send(mail.message())
    here.wait_log("deferred")
    here.write_conf(policies=route(good))
    here.reload()
    here.retry()
    good.wait(1)


def test_reload_changes_egress(two):
    here, first, _ = two
    source = net.loopback()
    here.write_conf({"egress": [{"name": "e", "address": source}],
                     "delivery": {"messages_per_connection": 1}})
    here.reload()
    net.wait_for("the new source", lambda: here.send(mail.message()) or
                 any(m.peer == source for m in first.messages), step=0.3)


def test_many_reloads_under_load(two):
    here, first, _ = two
    for n in range(20):
        here.write_conf({"limits": {"recipients": 100 + n}})
        here.reload()
        here.send(mail.message())
    first.wait(20)
    assert len(first.messages) == 20


def test_reloads_at_the_same_moment_are_all_answered(two):
    """An operator's reload is not refused because files, a signal or somebody else asked too."""
    here, _, _ = two
    with futures.ThreadPoolExecutor(6) as pool:
        for n in range(3):
            here.write_conf({"limits": {"recipients": 200 + n}})
            here.sighup()
            asked = [pool.submit(here.cli, "reload", check=False) for _ in range(6)]
            results = [a.result() for a in asked]
            assert [r.returncode for r in results] == [0] * 6, [r.stderr for r in results]
    with here.connect() as c:
        assert c.ehlo()["LIMITS"] == "RCPTMAX=202"


def test_a_moved_state_folder_needs_a_restart(two):
    """The verb cannot find the daemon, SIGHUP keeps what runs, and both say what to do."""
    here, first, _ = two
    state = here.conf["state"]
    here.write_conf({"state": here.path("elsewhere")})
    done = here.reload(check=False)
    assert done.returncode == 69 and "state" in done.stderr and "restart" in done.stderr
    here.sighup()
    net.wait_for("the refusal", lambda: "state: cannot change" in here.stderr())
    here.write_conf({"state": state, "limits": {"recipients": 7}})
    os.kill(here.pid("control"), signal.SIGKILL)            # starts again and finds the relay
    net.wait_for("the reload", lambda: here.reload(check=False).returncode == 0)
    assert here.queue() == []
    with here.connect() as c:
        assert c.ehlo()["LIMITS"] == "RCPTMAX=7"


def test_changes_that_need_a_restart_are_named(two):
    here, first, _ = two
    here.write_conf({"workers": 5, "user": "daemon", "dns": {"timeout": "9s"},
                     "spool": {"min_free": "2MiB"}})
    told = here.reload().stdout
    for key in ("workers", "user", "dns", "spool.min_free"):
        assert f"{key}: takes effect with the next start" in told, told
    tiers = [{"path": here.path("a"), "size": "1GiB"}, {"path": here.path("b")}]
    here.write_conf({"spool": {"tiers": tiers}})
    done = here.reload(check=False)
    assert done.returncode == 1 and "spool.tiers: cannot change" in done.stderr
    pid = here.pid("relay")
    os.kill(pid, signal.SIGKILL)                            # and it starts with what it had
    here.pid("relay", pid)
    here.send(mail.message())
    first.wait(1)
