"""
test_lists — blocklists, feeds and own names: what is believed of our egress addresses

rbldnsd serves the lists, as it does in the world; hostile ones are in test_lists_hostile.
"""
import http.server
import json
import os
import ssl
import threading
import time

import pytest
from wp import certs, net, servers

TESTS = "127.0.0.2\n"                       # what a list must list (RFC 5782)
TESTS6 = "::ffff:7f00:2\n"
HEAD = "$TTL 5\n:127.0.0.2:Spam from $\n"


def events(here, name, **fields):
    """Lines of the daemon's log."""
    out = []
    for line in here.stderr().split("\n"):
        if line.startswith("{") and f'"{name}"' in line:
            row = json.loads(line)
            if row.get("event") == name and fields.items() <= row.items():
                out.append(row)
    return out


def wait_event(here, name, timeout=None, **fields):
    return net.wait_for(f"the event {name} {fields}", lambda: events(here, name, **fields),
                        timeout, 0.1)[0]


def rows(here, **fields):
    out = here.cli("report", "reputation", "--json").stdout
    found = [json.loads(line) for line in out.split("\n") if line]
    return [r for r in found if fields.items() <= r.items()]


def wait_states(here, expected, timeout=None, **fields):
    def seen():
        return [r["state"] for r in rows(here, **fields)] == expected
    net.wait_for(f"states {expected} of {fields}", seen, timeout, 0.3)


def egress(*addresses, name="e"):
    return [{"name": f"{name}{i}", "address": a} for i, a in enumerate(addresses, 1)]


def blocklist(zone, *resolvers, **more):
    return {"zone": zone, "codes": {"127.0.0.2": 100}, "interval": "10s",
            "resolvers": [r.host for r in resolvers], **more}


def watch(relay, lists=(), feeds=(), addresses=None, conf=None, **how):
    ours = addresses or [net.loopback()]
    reputation = {"blocklists": list(lists), "feeds": list(feeds)}
    here = relay(conf={"egress": egress(*ours), "reputation": reputation,
                       "dns": {"servers": [net.loopback() + ":53"]}, **(conf or {})}, **how)
    return here, ours


# ---- blocklists

@pytest.mark.timeout(300)
def test_listing_appears_and_goes(relay, keep):
    """Two rbldnsd agree about IPv4 and IPv6; the way back needs three looks."""
    zones = {"bl.test": ("ip4set", HEAD + TESTS), "six.test": ("ip6trie", HEAD + TESTS6)}
    one, two = keep(servers.Rbldnsd(zones)), keep(servers.Rbldnsd(zones))
    ours = [net.loopback(), net.loopback(), "::1"]
    here, _ = watch(relay, [blocklist("bl.test", one, two), blocklist("six.test", one, two)],
                    addresses=ours)
    wait_states(here, ["clear"], source="bl.test", egress="e2")
    wait_states(here, ["clear"], source="six.test", egress="e3")
    assert not events(here, "listing", state="listed")
    for server in (one, two):
        server.write("bl.test", HEAD + TESTS + ours[1] + "\n")
        server.write("six.test", HEAD + TESTS6 + "::1\n")
    event = wait_event(here, "listing", 60, state="listed", source="bl.test")
    assert (event["egress"], event["address"], event["points"]) == ("e2", ours[1], "100")
    assert event["text"] == "Spam from " + ours[1]
    wait_event(here, "listing", 60, state="listed", source="six.test", address="::1")
    row, = rows(here, source="bl.test", state="listed")
    assert row["egress"] == "e2" and row["answer"] == "127.0.0.2" and row["weight"] == "hard"
    assert "Spam from" in " ".join(here.cli("report", "reputation").stdout.split())
    for server in (one, two):
        server.write("bl.test", HEAD + TESTS)
    wait_event(here, "listing", 120, state="clear", source="bl.test", egress="e2")
    assert not events(here, "listing", state="listed", egress="e1")


def test_listing_by_the_only_resolver_waits_for_a_second_look(relay, keep):
    ours = net.loopback()
    only = keep(servers.Rbldnsd({"bl.test": ("ip4set", HEAD + TESTS + ours + "\n")}))
    began = time.monotonic()
    here, _ = watch(relay, [blocklist("bl.test", only)], addresses=[ours])
    wait_event(here, "listing", 120, state="listed")
    assert time.monotonic() - began >= 60


def test_everybody_at_once_is_held(relay, keep):
    """A list that lists all of us and still passes its tests: an alarm, and no listing."""
    ours = [net.loopback() for _ in range(3)]
    zones = {"bl.test": ("ip4set", HEAD + TESTS + "\n".join(ours) + "\n")}
    pair = keep(servers.Rbldnsd(zones)), keep(servers.Rbldnsd(zones))
    here, _ = watch(relay, [blocklist("bl.test", *pair)], addresses=ours)
    alarm = wait_event(here, "reputation_alarm", 60, source="bl.test")
    assert "3 of 3" in alarm["text"]
    assert not events(here, "listing", state="listed")


# ---- feeds

def test_feed_file_is_followed_and_a_bad_one_is_not(relay):
    ours = net.loopback()
    here, _ = watch(relay, [], [{"file": "drop.netset", "format": "netset", "points": 100}],
                    addresses=[ours], start=False)
    quiet = "".join(f"192.0.2.{i}\n" for i in range(10))
    path = here.write("drop.netset", "# nobody of ours\n" + quiet)
    here.start()
    wait_states(here, ["clear"], kind="feed")

    def replaced(text):
        here.write("drop.new", text)
        os.replace(here.path("drop.new"), path)

    replaced(quiet + ours + "/32\n")
    event = wait_event(here, "listing", 10, state="listed")
    assert event["source"] == path and ours in event["what"] and event["points"] == "100"
    for bad, why in [("0.0.0.0/0\n" + quiet, "whole /0"),
                     (quiet[:30], "shrank from 11 to"),
                     (quiet + ours + "/3\n", f"{path}:11: found"),
                     ("10.0.0.0/8\n11.0.0.0/8\n12.0.0.0/8\n" + quiet, "a hundredth of IPv4")]:
        replaced(bad)
        net.wait_for(why, lambda w=why: any(w in e["text"] for e in
                                            events(here, "reputation_alarm", source=path)), 20)
        row, = rows(here, kind="feed")
        assert row["state"] == "listed" and why in row["problem"]
    os.unlink(path)
    wait_event(here, "reputation_alarm", 20, source=path, text="No such file or directory")
    here.write("drop.netset", quiet)        # in place, not replaced
    wait_event(here, "listing", 20, state="clear", egress="e1")


def test_unreadable_feed_says_so(relay):
    here, _ = watch(relay, [], [{"file": "drop.netset", "format": "netset"}], start=False)
    os.mkdir(here.path("drop.netset"))
    here.start()
    wait_event(here, "reputation_alarm", 20, text="not a regular file")


def test_feed_of_another_reload_and_another_control(relay):
    """A file named by a reload, which control's sandbox has never heard of; and a new control."""
    ours = net.loopback()
    here, _ = watch(relay, [], [], addresses=[ours])
    here.write("late.data", f":127.0.0.2:text of it\n{ours}\n")
    here.write_conf({"reputation": {"feeds": [{"file": "late.data", "format": "rbldnsd",
                                               "points": 40}]}})
    here.reload()
    event = wait_event(here, "listing", 10, state="listed")
    assert event["text"] == "text of it" and event["kind"] == "soft"
    old = here.pid("control")
    os.kill(old, 9)
    net.wait_for("two listings", lambda: len(events(here, "listing", state="listed")) == 2, 30)


class Web:
    """HTTP on port 80 and HTTPS on 443 of an address; pages: {path: (status, fields, body)}."""

    def __init__(self, host):
        self.address, self.pages, self.asked, web = net.loopback(), {}, [], self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):                   # pylint: disable=invalid-name
                web.asked.append((self.server.server_port, self.path, dict(self.headers)))
                status, fields, body = web.pages[self.path]
                if fields.get("ETag") and self.headers["If-None-Match"] == fields["ETag"]:
                    status, body = 304, b""
                self.send_response(status)
                for key, value in fields.items():
                    self.send_header(key, value)
                if status != 304:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.servers = [http.server.ThreadingHTTPServer((self.address, p), Handler)
                        for p in (80, 443)]
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*certs.certificate(host))
        self.servers[1].socket = tls.wrap_socket(self.servers[1].socket, server_side=True)

    def __enter__(self):
        for s in self.servers:
            threading.Thread(target=s.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        for s in self.servers:
            s.shutdown()
            s.server_close()


def drop_json(*networks):
    lines = [json.dumps({"cidr": n, "sblid": "SBL7", "rir": "test"}) for n in networks]
    lines.append(json.dumps({"type": "metadata", "records": len(networks)}))
    return "\n".join(lines).encode() + b"\n"


@pytest.mark.timeout(240)
def test_feed_from_a_url(relay, keep, zone):
    """https with our own authority, a redirect, the second time only when it has changed."""
    z, server = zone
    web, ours = keep(Web("feeds.test")), net.loopback()
    z.host("feeds.test", web.address)
    web.pages["/old"] = (302, {"Location": "https://feeds.test/drop.json"}, b"")
    web.pages["/drop.json"] = (200, {"ETag": '"one"'}, drop_json(ours + "/32", "192.0.2.0/24"))
    url = "http://feeds.test/old"
    here, _ = watch(relay, [], [{"url": url, "format": "drop-json", "interval": "1m"}],
                    addresses=[ours], conf={"dns": {"servers": [server.host]},
                                            "delivery": {"ca_file": certs.authority()}})
    event = wait_event(here, "listing", 30, state="listed")
    assert event["source"] == url and event["text"] == "SBL7"
    assert [a[:2] for a in web.asked] == [(80, "/old"), (443, "/drop.json")]
    assert web.asked[1][2]["User-Agent"].startswith("waypost/")
    net.wait_for("the second fetch", lambda: len(web.asked) >= 4, 90, 0.2)
    assert web.asked[3][2]["If-None-Match"] == '"one"'
    assert rows(here, kind="feed")[0]["state"] == "listed"
    assert not events(here, "reputation_alarm")


def test_feed_from_a_stranger_is_not_taken(relay, keep, zone):
    """A certificate nobody vouches for, a page that is missing, a name that is not there."""
    z, server = zone
    web, ours = keep(Web("feeds.test")), net.loopback()
    z.host("feeds.test", web.address).host("other.test", web.address)
    web.pages["/drop.json"] = (200, {}, drop_json(ours + "/32"))
    web.pages["/gone"] = (404, {}, b"no")
    urls = {"https://other.test/drop.json": "cannot be fetched: SSL",
            "http://feeds.test/gone": "the server answers 404",
            "http://nowhere.test/x": "nowhere.test: no such host"}
    here, _ = watch(relay, [], [{"url": u, "format": "drop-json"} for u in urls],
                    addresses=[ours], conf={"dns": {"servers": [server.host]},
                                            "delivery": {"ca_file": certs.authority()}})
    for url, why in urls.items():
        assert why in wait_event(here, "reputation_alarm", 30, source=url)["text"]
    assert not events(here, "listing", state="listed")
    here.send(b"Subject: x\r\n\r\nx\r\n")   # mail minds none of it


# ---- own names

def test_own_names(relay, zone):
    z, server = zone
    good, bad = net.loopback(), net.loopback()
    for address, name in ((good, "mx1.ours.test"), (bad, "mx2.ours.test")):
        z.add(".".join(reversed(address.split("."))) + ".in-addr.arpa", f"PTR {name}.")
    z.host("mx1.ours.test", good).host("mx2.ours.test", "192.0.2.1")
    conf = {"dns": {"servers": [server.host]},
            "egress": [{"name": "good", "address": good, "ehlo": "mx1.ours.test"},
                       {"name": "bad", "address": bad, "ehlo": "no.ours.test"}]}
    here = relay(conf=conf)
    event = wait_event(here, "hygiene", egress="good")
    assert (event["reverse"], event["ehlo"], event["name"]) == ("ok", "ok", "mx1.ours.test")
    event = wait_event(here, "hygiene", egress="bad")
    assert (event["reverse"], event["ehlo"]) == ("broken", "broken")
    row, = rows(here, kind="hygiene", egress="bad")
    assert row["state"] == "broken" and "mx2.ours.test" in row["problem"]
    assert z.asked(".".join(reversed(good.split("."))) + ".in-addr.arpa", "PTR")
