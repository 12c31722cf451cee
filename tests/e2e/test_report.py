"""
test_report — the HTTP side of a running gateway: page, metrics, API, who may ask, what it survives
"""
import contextlib
import csv
import http.client
import io
import json
import os
import re
import signal
import socket
import sqlite3
import time

import pytest
from wp import mail, net, waypost

TOKEN = "0123456789abcdef0123"


@pytest.fixture
def web(relay, sink):
    """web(conf=…): a running gateway with report.listen; its port is at made.web."""
    def make(conf=None, out=None, **how):
        port = net.free_port("127.0.0.1")
        base = {"report": {"listen": f"127.0.0.1:{port}", "token_file": "token",
                           "names": ["status.test"]}}
        out = out or sink()
        made = relay(to=out, conf=waypost.merged(base, conf or {}), files={"token": TOKEN + "\n"},
                     **how)
        made.web, made.out = port, out
        return made
    return make


def ask(here, path, method="GET", host=None, **fields):
    """(status, headers, text)"""
    line = http.client.HTTPConnection("127.0.0.1", here.web, timeout=30)
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    if host is not None:
        headers["Host"] = host
    line.request(method, path, headers=headers)
    answer = line.getresponse()
    text = answer.read().decode()
    line.close()
    return answer.status, answer.headers, text


def api(here, path):
    status, headers, text = ask(here, "/api/v1/" + path)
    assert status == 200, text
    assert headers["Content-Type"] == "application/json"
    return json.loads(text)


def metric(here, name):
    text = ask(here, "/metrics")[2]
    return next((float(line.split()[-1]) for line in text.splitlines()
                 if line.startswith(name + " ")), None)


def test_page_health_and_metrics(web):
    here = web({"egress": [{"name": "here"}, {"name": "gone", "address": "203.0.113.9"}]})
    status, headers, text = ask(here, "/")
    assert status == 200 and "<title>Waypost</title>" in text
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Origin" not in headers
    assert ask(here, "/", If_None_Match=headers["ETag"])[0] == 304
    for path in ("/page.js", "/page.css", "/dygraph.min.js", "/icon.svg"):
        assert ask(here, path)[0] == 200
    assert ask(here, "/healthz")[0] == 200
    net.wait_for("a ready gateway", lambda: ask(here, "/readyz")[0] == 200)
    here.send(b"Subject: x\r\n\r\nx\r\n")
    here.out.wait(1)
    net.wait_for("the delivery to be counted",
                 lambda: metric(here, "waypost_delivered_total") == 1)
    assert metric(here, "waypost_received_total") == 1
    assert metric(here, "waypost_relay_up") == 1
    waits = {lane: metric(here, f'waypost_queue_seconds_count{{lane="{lane}"}}')
             for lane in ("urgent", "high", "normal", "bulk")}
    assert waits == {"urgent": 0, "high": 0, "normal": 1, "bulk": 0}
    assert metric(here, 'waypost_queue_seconds_bucket{lane="normal",le="+Inf"}') == 1
    net.wait_for("the egress that is out to be counted",
                 lambda: metric(here, "waypost_egress_changes_total"))
    assert ask(here, "/nothing")[0] == 404
    status, headers, text = ask(here, "/api/v1/events", "HEAD")     # ends, as others do
    assert (status, text) == (200, "") and headers["Content-Type"] == "text/event-stream"
    for method in ("POST", "DELETE"):
        status, headers, _ = ask(here, "/", method, Authorization="Bearer " + TOKEN)
        assert (status, headers["Allow"]) == (405, "GET, HEAD")


def shape(value):
    """The same without figures, which differ from moment to moment."""
    if isinstance(value, dict):
        return {key: shape(v) for key, v in value.items()}
    if isinstance(value, list):
        return [shape(v) for v in value]
    return 0 if isinstance(value, float) or (isinstance(value, int) and not isinstance(
        value, bool)) else value


def test_the_api_has_the_shapes_of_the_command_line(web):
    here = web(conf={"egress": [{"name": "one", "address": "127.0.0.11"},
                                {"name": "two", "address": "127.0.0.12", "weight": 0}]})
    here.send(b"Subject: x\r\n\r\nx\r\n")
    here.wait_log("delivered")
    assert api(here, "deliveries")[0]["delivered"] == 1
    assert api(here, "deliveries")[0].keys() == here.json("report", "deliveries").keys()
    assert api(here, "queues") == []
    assert [e["egress"] for e in api(here, "egress")] == ["one", "two"]
    net.wait_for("the same answer, ages aside", lambda:
                 shape(api(here, "explain?from=a%40client.test&to=b%40dest.test")) ==
                 shape(here.json("explain", "--from", "a@client.test", "--to", "b@dest.test")))
    mine = {k: v for k, v in api(here, "egress")[0].items() if k not in ("paths", "standing")}
    assert mine.items() <= here.json("egress", "list", "one").items()
    row, = api(here, "egress")[0]["standing"]
    assert row.keys() == here.json("egress", "list", "one")["standing"][0].keys()
    assert (row["address"], row["state"], row["eligible"]) == ("127.0.0.11", "clean", True)
    kinds = [r.get("kind") for r in api(here, "reputation?egress=one")]
    assert kinds == [r.get("kind") for r in here.json("report", "reputation", "--egress", "one")]
    assert "address" in kinds and api(here, "points?egress=one&address=127.0.0.11") == []
    assert ask(here, "/api/v1/points")[0] == 400
    assert ask(here, "/api/v1/reputation?since=soon")[0] == 400
    assert api(here, "totals")["queue"]["waiting"] == 0
    status, _, text = ask(here, "/api/v1/explain")
    assert status == 400 and "--to" in json.loads(text)["error"]
    assert ask(here, "/api/v1/links?since=soon")[0] == 400
    assert ask(here, "/api/v1/links?frob=1")[0] == 400


def test_a_name_that_nothing_has_is_told(web):
    """An empty answer would be believed. What is configured and not measured yet is no mistake."""
    here = web(conf={"geo": {"networks": [{"network": "127.0.0.0/8", "carrier": "ct",
                                           "region": "north"}]}})
    for name, wrong, right in (("egress", "nosuch", "def*"), ("carrier", "tc", "ct"),
                               ("region", "nroth", "n*h")):
        said = f'there is no {name} "{wrong}"; there are: '
        for verb in ("links", "switches"):
            done = here.cli("report", verb, f"--{name}", wrong, check=False)
            assert done.returncode == 1 and said in done.stderr, (verb, done)
            status, headers, text = ask(here, f"/api/v1/{verb}?{name}={wrong}")
            assert status == 404 and json.loads(text)["error"].startswith(said)
            assert headers["Content-Type"] == "application/json"
            assert api(here, f"{verb}?{name}={right}") == []
            assert here.cli("report", verb, f"--{name}", right).returncode == 0
    for path in ("reputation?egress=nosuch", "points?egress=nosuch",
                 "series?egress=default&carrier=ct&region=nroth"):
        assert ask(here, "/api/v1/" + path)[0] == 404, path
    assert api(here, "series?egress=default&carrier=ct&region=other") == []


def egress_in(row, name):
    return next(e for e in row["egress"] if e["name"] == name)


def sheet(here, *filters):
    text = here.cli("report", "links", "--format", "csv", *filters).stdout
    return list(csv.DictReader(io.StringIO(text)))


def the_first_leg_is_told_apart(here, row):
    """What went to a relay is no group's: the way to it is what was measured."""
    leg = {"egress": "far", "carrier": "(relay)", "region": "(first leg)", "state": "up"}
    assert leg.items() <= row.items() and row["mails"] >= 1 and row["connect_p50_ms"] > 0
    assert leg.items() <= here.json("report", "links", "--egress", "far").items()
    assert leg.items() <= sheet(here, "--egress", "far")[0].items()
    table = here.cli("report", "links", "--egress", "far").stdout
    assert "(relay)" in table and "(first leg)" in table
    assert "(first leg)" in here.cli("report", "links", "--format", "html").stdout


def the_dashboard_draws_what_is_there(here):
    """Here with the figures of control, which tests/web has not."""
    with open(os.path.join(waypost.ROOT, "docs/grafana.json"), encoding="utf-8") as f:
        drawn = {n for p in json.load(f)["panels"] for t in p.get("targets", [])
                 for n in re.findall(r"waypost_\w+", t["expr"])}
    there = set(re.findall(r"^(waypost_\w+)[ {]", ask(here, "/metrics")[2], re.M))
    assert drawn - there == {"waypost_address_provider_state"}      # all are fine with us


DAY = 24 * 3600


def remember(here, *days):
    """Starts it with switches in its history, so many days ago: each to an egress `of-N`."""
    assert remembered(here) == set()                # now there is a database
    here.stop()
    path = here.path("state", "history", "links.db")
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.executemany("INSERT INTO event(at, kind, came_from, went_to, large, fault) "
                       "VALUES(?, 0, 'default', ?, 0, 0)",
                       [((time.time() - n * DAY) * 1000, f"of-{n}") for n in days])
    here.start()


def remembered(here):
    return {row["to"] for row in api(here, "switches?since=30d") if
            row.get("to", "").startswith("of-")}


def a_wrong_name_is_told(here):
    """Not "nothing was measured": that would be believed."""
    for report in ("links", "switches", "reputation"):
        for form in [[], ["--json"]] + [["--format", "html"]] * (report == "links"):
            done = here.cli("report", report, "--egress", "defualt", *form, check=False)
            assert (done.returncode, done.stdout) == (1, ""), (report, form, done.stdout)
            assert 'no egress "defualt"; there are: default, far' in done.stderr
    assert here.cli("report", "links", "--egress", "def*").returncode == 0
    long = here.cli("report", "links", "--egress", "x" * 100000, check=False)
    assert long.returncode == 2 and "too long to ask" in long.stderr


@pytest.mark.timeout(240)
def test_links_are_kept_and_reported(web, relay, sink, zone):
    """The figures of a minute are written when it ends. One egress is a relay, another Waypost."""
    (names, server), gw2, out = zone, relay(to=sink()), sink()
    names.mail("dest.test", net.loopback())
    here = web(out=out, conf={
        "dns": {"servers": [server.host]}, "report": {"history": "2d"},
        "egress": [{"name": "default"},
                   {"name": "far", "via": {"relay": f"{gw2.address}:2525"}, "weight": 0}]},
        policies={"routes": [{"name": "far", "when": {"recipient": "far@*"}, "egress": ["far"]},
                             {"name": "all", "hosts": [out.host], "tls": "none"}]})
    remember(here, 1, 3)
    for to in ("near@dest.test", "far@dest.test") * 3:
        here.send(mail.message(), to=to)
    here.out.wait(3)
    gw2.wait_log("delivered", 3)
    rows = {r["egress"]: r for r in net.wait_for(
        "the figures of a minute", lambda: len(api(here, "links")) == 2 and api(here, "links"), 80)}
    net.wait_for("an end of what is too old", lambda: remembered(here) == {"of-1"})
    the_dashboard_draws_what_is_there(here)
    the_first_leg_is_told_apart(here, rows["far"])
    path = next(p for p in api(here, "paths") if p["egress"] == "far")
    assert path["measured"] == "to the relay only"
    mail_by_it = ("explain", "--from", "a@client.test", "--to", "far@dest.test")
    far = egress_in(here.json(*mail_by_it), "far")
    assert far["measured"] == "to the relay only" and far["chosen"] and far["state"] == "up"
    assert far["cost_ms"] > 0 and far["terms_ms"]["think"] >= 0
    assert re.search(r"measured +to the relay only", here.cli(*mail_by_it).stdout)
    near = rows["default"]
    assert near["state"] == "up" and near["mails"] >= 1 and near["connect_p50_ms"] > 0
    assert here.json("report", "links", "--egress", "default")["egress"] == "default"
    table = here.cli("report", "links").stdout
    assert table.startswith("CARRIER") and max(map(len, table.splitlines())) <= 100
    assert float(sheet(here, "--egress", "default")[0]["cost_ms"]) > 0
    page = here.cli("report", "links", "--format", "html").stdout
    assert page.startswith("<!DOCTYPE html>") and "<td>default</td>" in page
    assert "src=" not in page and "href=" not in page       # needs nothing else
    a_wrong_name_is_told(here)
    place = "egress=default&carrier={carrier}&region={region}".format(**near)
    assert api(here, "series?since=1h&" + place)[0]["samples"] >= 1
    here.restart()
    assert {r["egress"] for r in api(here, "links")} == {"default", "far"}  # it survives


def test_who_may_ask(web):
    here = web()
    for host in ("localhost", "127.0.0.1", "[::1]:99", "relay.test", "status.test:8025"):
        assert ask(here, "/api/v1/egress", host=host)[0] == 200, host
    for host in ("evil.example", "relay.test.evil.example", "127.0.0.1.evil.example"):
        assert ask(here, "/api/v1/egress", host=host)[0] == 421, host
    assert ask(here, "/api/v1/egress", Sec_Fetch_Site="cross-site")[0] == 403
    assert ask(here, "/api/v1/egress", Sec_Fetch_Site="same-origin")[0] == 200
    assert ask(here, "/api/v1/egress", Authorization="Bearer wrong")[0] == 401
    assert ask(here, "/api/v1/egress", Authorization="Bearer " + TOKEN)[0] == 200


def test_changes_need_the_token(web):
    here = web(policies=waypost.LATER)
    here.write_conf(policies={"routes": [{"name": "all", "hosts": ["127.0.0.1:1"], "tls": "none"}]})
    here.reload()
    here.send(b"Subject: x\r\n\r\nx\r\n")
    here.wait_log("deferred")
    hold = "/api/v1/queue/hold?to=%2A%40dest.test"
    status, headers, _ = ask(here, hold)
    assert (status, headers["Allow"]) == (405, "POST")
    assert ask(here, hold, "POST")[0] == 401
    assert ask(here, hold, "POST", Authorization="Bearer " + TOKEN + "x")[0] == 401
    assert ask(here, hold, "POST", Authorization="Bearer " + TOKEN,
               Sec_Fetch_Site="cross-site")[0] == 403
    status, _, text = ask(here, hold, "POST", Authorization="Bearer " + TOKEN)
    assert status == 200 and json.loads(text)["ok"]
    assert here.queue()[0]["state"] == "held"
    assert api(here, "queues")[0]["held"] == 1


def test_rude_clients_hold_nothing_up(web):
    here = web()
    idle = [socket.create_connection(("127.0.0.1", here.web)) for _ in range(80)]
    assert ask(here, "/healthz")[0] == 200                  # the oldest idle one made room
    half = socket.create_connection(("127.0.0.1", here.web))
    half.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
    half.settimeout(20)
    began = time.monotonic()
    assert half.recv(100).startswith(b"HTTP/1.1 408 ")      # also if it drips a byte at a time
    assert time.monotonic() - began > 5
    for line in (*idle, half):
        line.close()
    with socket.create_connection(("127.0.0.1", here.web)) as line:
        line.sendall(b"GET /x HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 9000)
        assert line.recv(100).startswith(b"HTTP/1.1 431 ")


def test_it_outlives_control_and_follows_a_reload(web):
    here = web()
    assert ask(here, "/healthz")[0] == 200
    os.kill(here.pid("control"), signal.SIGKILL)
    net.wait_for("the page again", lambda: served(here))
    here.send(b"Subject: x\r\n\r\nx\r\n")
    here.out.wait(1)
    before, here.web = here.web, net.free_port("127.0.0.1")
    here.write_conf({"report": {"listen": f"127.0.0.1:{here.web}"}})
    here.reload()
    net.wait_for("the page at another port", lambda: served(here))
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", before)).close()
    here.write_conf({"report": {"listen": None}})
    here.reload()
    net.wait_for("no page", lambda: not served(here))


def test_a_reload_keeps_the_connections(web):
    here = web()
    line = http.client.HTTPConnection("127.0.0.1", here.web, timeout=20)
    line.request("GET", "/healthz")
    assert line.getresponse().read()
    port = line.sock.getsockname()[1]
    here.write_conf({"report": {"history": "2d"}})
    here.reload()
    line.request("GET", "/healthz")                         # on the same connection
    assert line.getresponse().read() and line.sock.getsockname()[1] == port
    line.close()


def served(here):
    try:
        return ask(here, "/healthz")[0] == 200
    except OSError:
        return False


def read_until(line, wanted):
    got = b""
    while not re.search(wanted, got):
        piece = line.recv(65536)
        assert piece, got
        got += piece
    return got


def test_events_come_by_themselves(web):
    here = web({"egress": [{"name": "before"}]})
    here.send(mail.message())                               # to a group
    net.wait_for("a path", lambda: api(here, "paths"))
    with socket.create_connection(("127.0.0.1", here.web), timeout=net.PATIENCE) as line:
        line.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        got = read_until(line, b"event: totals")
        head, body = got.decode().split("\r\n\r\n", 1)
        assert "text/event-stream" in head
        assert body.index("event: all_paths\ndata: [") < body.index("event: egress\ndata: [")
        here.write_conf({"egress": [{"name": "after"}]})    # as many, so no row more
        here.reload()
        read_until(line, rb'event: all_paths\ndata: \[\{"egress":"after"')


def test_a_port_in_use_stops_the_start_and_refuses_the_reload(web, relay):
    here = web()
    other = relay(conf={"report": {"listen": f"127.0.0.1:{here.web}"}}, start=False)
    other.start(wait=False)
    net.wait_for("its end", lambda: not other.child.running())
    assert "in use" in other.stderr()
