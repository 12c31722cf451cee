"""
test_logs — the delivery log is JSON lines with the promised fields; so is the daemon log
"""
import json
import os
import re
import signal

import pytest
from wp import mail, net, process, smtpd

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(Z|[+-]\d\d:\d\d)")
TIMES = ["queue_ms", "connect_ms", "greeting_ms", "ehlo_ms", "envelope_ms", "data_ms", "final_ms"]


def test_received_and_delivered(relay, sink):
    out = sink()
    here = relay(to=out)
    text = mail.message(size=5000)
    here.send(text)
    received = here.wait_log("received")[0]
    delivered = here.wait_log("delivered")[0]
    for row in (received, delivered):
        assert RFC3339.fullmatch(row["time"])
        assert row["sender"] == "a@client.test" and row["recipient"] == "b@dest.test"
        assert row["size"] >= len(text) and row["priority"] == "normal"
    assert received["id"] == delivered["id"] and received["client"].startswith("127.")
    assert delivered["route"] == "all" and delivered["address"].startswith(out.address)
    assert delivered["code"] == 250 and delivered["reply"] and delivered["attempt"] == 1
    assert delivered["source"].startswith("127.") and delivered["egress"]
    for name in TIMES:
        assert delivered[name] >= 0, name
    assert delivered["rtt_ms"] >= 0 and delivered["reused"] is False


def test_a_line_for_each_recipient(relay, sink):
    out = sink()
    here = relay(to=out)
    here.send(mail.message(), to=["b@dest.test", "c@dest.test", "d@other.test"])
    assert {r["recipient"] for r in here.wait_log("delivered", 3)} == {
        "b@dest.test", "c@dest.test", "d@other.test"}


def test_times_are_those_of_the_stages(relay, sink):
    class Slow(smtpd.Behaviour):
        def connected(self, s):
            import time
            time.sleep(0.3)
            return "220 ok"

        def received(self, s, message):
            import time
            time.sleep(0.5)
            return "250 ok"
    here = relay(to=sink(Slow()))
    here.send(mail.message())
    row = here.wait_log("delivered")[0]
    assert row["greeting_ms"] >= 290 and row["final_ms"] >= 490
    assert row["connect_ms"] < row["greeting_ms"]


def test_hostile_text_stays_within_its_line(relay, sink):
    class Rude(smtpd.Behaviour):
        def rcpt(self, s, address, args):
            s.send(b'550 5.1.1 "quoted" \\ \xff\xfe \x1b[31m {"event":"delivered"}\r\n')
    here = relay(to=sink(Rude()))
    here.send(mail.message(), sender="")
    row = here.wait_log("bounced")[0]
    assert "quoted" in row["reply"] and not here.log("delivered")


@pytest.mark.parametrize("told", [True, False], ids=["sighup", "noticed"])
@pytest.mark.parametrize("mode", [0o755, 0o777], ids=["root_folder", "own_folder"])
def test_reopened_after_rotation(relay, sink, mode, told):
    """Also in a folder like /var/log, where the gateway's user may not make a file."""
    here = relay(to=sink(), start=False)
    os.chmod(here.dir, mode)
    here.start()
    here.send(mail.message())
    here.wait_log("delivered")
    first = os.stat(here.deliveries)
    os.rename(here.deliveries, here.deliveries + ".1")
    if told:
        here.sighup()

    def written_anew():
        here.send(mail.message())
        return os.path.exists(here.deliveries) and here.log("received")
    net.wait_for("a new file", written_anew, step=0.3)
    again = os.stat(here.deliveries)
    assert (again.st_uid, again.st_mode) == (first.st_uid, first.st_mode)
    assert "log_not_opened_anew" not in here.stderr()


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives up root")
def test_the_process_that_opens_logs_ends_with_the_gateway(relay, sink):
    here = relay(to=sink())
    keeper, = [p for p in process.descendants(here.child.pid) if process.name(p) == "wp-log"]
    assert process.status(keeper, "Seccomp") == 2 and process.status(keeper, "NoNewPrivs") == 1
    os.kill(here.child.pid, signal.SIGKILL)
    net.wait_for("its end", lambda: not process.alive(keeper))


def test_daemon_log_is_json_lines(relay, sink):
    here = relay(to=sink())
    here.send(mail.message())
    here.wait_log("delivered")
    here.stop()
    lines = [line for line in here.stderr().split("\n") if line]
    assert lines
    for line in lines:
        row = json.loads(line)
        assert {"time", "level"} <= set(row), line
