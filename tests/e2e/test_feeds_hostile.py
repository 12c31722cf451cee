"""
test_feeds_hostile — feed files and servers that go bad: what was known stays, and it is said why
"""
import http.server
import os
import threading
import time

import pytest
from test_lists import events, rows, wait_event, wait_states, watch
from wp import mail, net

OTHERS = "".join(f"192.0.2.{i}\n" for i in range(10))


@pytest.fixture
def feeds(relay):
    """A relay with so many feeds that list its one address: (relay, paths, content)."""
    def make(count=1):
        ours = net.loopback()
        names = [f"feed{n}.netset" for n in range(count)]
        here, _ = watch(relay, [], [{"file": name, "format": "netset", "points": 100}
                                    for name in names], addresses=[ours], start=False)
        good = OTHERS + ours + "\n"
        paths = [here.write(name, good) for name in names]
        here.start()
        wait_states(here, ["listed"] * count, kind="feed")
        return here, paths, good
    return make


def gone(path):
    if os.path.isdir(path):
        os.rmdir(path)
    else:
        os.unlink(path)


def written(data):
    def make(path):
        with open(path + ".new", "wb") as f:
            f.write(data)
        if os.path.isdir(path):
            gone(path)
        os.replace(path + ".new", path)
    return make


def instead(make):
    def swap(path):
        gone(path)
        make(path)
    return swap


def huge(path):
    with open(path + ".new", "wb") as f:
        f.truncate((64 << 20) + 1)
    os.replace(path + ".new", path)


BAD = [(written(b""), ""), (written(b"\n# nobody\n"), ""), (written(b"\x7fELF\0\1\2" * 500), ""),
       (written(b"<html>We moved</html>\n"), "found"), (huge, "larger than 64 MiB"),
       (instead(os.mkdir), "not a regular file"), (instead(os.mkfifo), "not a regular file"),
       (instead(lambda path: os.symlink("/dev/zero", path)), "not a regular file"),
       (instead(lambda path: os.symlink(path, path)), "symbolic links")]


def test_what_takes_the_place_of_the_file(feeds):
    """Each is told, and what the last good one said stands until there is another."""
    here, paths, good = feeds(len(BAD))
    for path, (swap, _) in zip(paths, BAD):
        swap(path)
    for path, (_, why) in zip(paths, BAD):
        assert why in wait_event(here, "reputation_alarm", 30, source=path)["text"], path
    assert all(r["state"] == "listed" and r["problem"] for r in rows(here, kind="feed"))
    for path in paths:
        written(good.encode())(path)
    net.wait_for("the good ones", lambda: not any(r.get("problem")
                                                  for r in rows(here, kind="feed")), 30)
    assert {r["state"] for r in rows(here, kind="feed")} == {"listed"}
    assert not events(here, "listing", state="clear")


def test_a_file_that_is_replaced_all_the_time(feeds):
    """Whole files in quick succession: none is taken for a part of another, and the last counts."""
    here, (path,), good = feeds()
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        for text in (OTHERS, good, OTHERS * 50, good):
            written(text.encode())(path)
    written((OTHERS + "192.0.2.200\n").encode())(path)
    wait_states(here, ["clear"], 30, kind="feed")
    assert not events(here, "reputation_alarm")


@pytest.mark.release
def test_a_large_file(feeds):
    """A million entries and none of ours."""
    here, (path,), _ = feeds()
    many = "".join(f"10.{a}.{b}.{c}\n" for a in range(16) for b in range(250) for c in range(250))
    written(many.encode())(path)
    wait_states(here, ["clear"], 60, kind="feed")
    assert not events(here, "reputation_alarm")


class Endless(http.server.BaseHTTPRequestHandler):
    """Sends lines for as long as anybody reads; on /hang the header and nothing more."""

    def do_GET(self):                           # pylint: disable=invalid-name
        self.send_response(200)
        self.end_headers()
        try:
            while self.path != "/hang":
                self.wfile.write(b"192.0.2.1\n" * 65536)
            self.rfile.read(1)
        except OSError:
            pass

    def log_message(self, *_):
        pass


def test_servers_that_send_forever_or_nothing(relay, sink):
    """The first is cut off at 64 MiB; nobody waits for the other: mail and feeds go on."""
    web = http.server.ThreadingHTTPServer((net.loopback(), 0), Endless)
    web.daemon_threads = True
    threading.Thread(target=web.serve_forever, daemon=True).start()
    base = "http://%s:%d" % web.server_address
    ours, server = net.loopback(), sink()
    feeds = [{"url": base + "/hang", "format": "netset"},
             {"url": base + "/endless", "format": "netset"},
             {"file": "drop.netset", "format": "netset", "points": 100}]
    here, _ = watch(relay, [], feeds, addresses=[ours, net.loopback()], start=False, to=server)
    here.write("drop.netset", OTHERS + ours + "\n")
    here.start()
    try:
        wait_event(here, "listing", 30, state="listed", egress="e1")
        event = wait_event(here, "reputation_alarm", 60, source=base + "/endless")
        assert "too large" in event["text"]
        here.send(mail.message())
        server.wait(1)
        assert {r["state"] for r in rows(here, kind="feed", source=base + "/hang")} == {"unknown"}
    finally:
        web.shutdown()
        web.server_close()
