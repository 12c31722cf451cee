"""
test_explain — what an operator is told about one mail, and about what happened so far
"""
import http.client
import threading

from wp import net, waypost

RULES = {"priorities": [{"when": {"sender": "ceo@corp.test"}, "priority": "urgent"}],
         "routes": [{"name": "partner", "when": {"recipient_domain": "partner.test"},
                     "hosts": ["127.0.0.1:1"], "tls": "none", "egress": ["two"]},
                    {"name": "rest", "hosts": ["127.0.0.1:2"], "tls": "none"}]}
EGRESS = [{"name": "one", "address": "127.0.0.11"}, {"name": "two", "address": "127.0.0.12"}]


def explain(here, sender, to):
    return here.cli("explain", "--from", sender, "--to", to).stdout


def test_explain_names_rule_route_and_egress(relay):
    here = relay(policies=RULES, conf={"egress": EGRESS})
    urgent = explain(here, "ceo@corp.test", "x@partner.test")
    assert "urgent" in urgent and "partner" in urgent and "two" in urgent
    plain = explain(here, "joe@corp.test", "x@else.test")
    assert "urgent" not in plain and "rest" in plain and "one" in plain
    as_json = here.json("explain", "--from", "ceo@corp.test", "--to", "x@partner.test")
    assert "partner" in str(as_json) and "urgent" in str(as_json)


def test_explain_wants_an_address(relay):
    here = relay(conf={"egress": EGRESS})
    for wrong in ("@b.test", "a@", "a b@c.test", "a@b@c.test", "<a@b.test>"):
        for option, sender, to in (("--to", "a@b.test", wrong), ("--from", wrong, "a@b.test")):
            done = here.cli("explain", "--from", sender, "--to", to, check=False)
            assert done.returncode == 1 and f"{option} {wrong} is no address" in done.stderr, done
    for right in ("a@b.test", '"a b"@c.test', "jürgen@b.test", "a@[192.0.2.1]"):
        assert here.cli("explain", "--from", "", "--to", right).returncode == 0, right


def test_report_deliveries_counts_and_gives_reasons(relay, sink):
    out = sink()
    here = relay(to=["127.0.0.1:1"], policies=waypost.LATER)
    here.send(b"Subject: x\r\n\r\nx\r\n")
    here.wait_log("deferred")
    text = here.cli("report", "deliveries").stdout
    assert "deferred" in text and "4.4.1" in text
    here.write_conf(policies={"routes": [{"name": "all", "hosts": [out.host], "tls": "none"}]})
    here.reload()
    here.retry()
    out.wait(1)
    here.wait_log("delivered")
    assert "delivered" in here.cli("report", "deliveries").stdout


def test_explain_while_the_configuration_changes(relay, sink):
    """A worker that is ahead of the question, or behind it, says so; nothing ends by it."""
    port, reloads, threads, statuses = net.free_port("127.0.0.1"), 8, 4, []
    here = relay(to=sink(), conf={"egress": EGRESS, "report": {"listen": f"127.0.0.1:{port}"}})
    done = threading.Event()

    def ask():
        while not done.is_set():
            line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            line.request("GET", "/api/v1/explain?from=a%40client.test&to=b%40dest.test")
            statuses.append(line.getresponse().status)
            line.close()
    asking = [threading.Thread(target=ask) for _ in range(threads)]
    for thread in asking:
        thread.start()
    try:
        for n in range(reloads):
            here.write_conf({"egress": EGRESS[n % 2:]})
            here.reload()
    finally:
        done.set()
        for thread in asking:
            thread.join()
    assert set(statuses) == {200} and len(statuses) > reloads
    assert here.stderr().count('"child_started"') == 2
