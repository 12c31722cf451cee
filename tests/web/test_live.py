"""
test_live — server-sent events: what changes comes, to many, and who lags behind is let go
"""
import json
import socket
import time

import pytest

LISTENERS = 24


class Listener:
    """A raw client of /api/v1/events."""

    def __init__(self, world, buffer=None):
        self.line = socket.socket()
        if buffer:
            self.line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            # The server's buffer in the kernel goes by the size of segments: no 64 KB ones.
            self.line.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        self.line.settimeout(60)
        self.line.connect(("127.0.0.1", world.port))
        self.line.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.bytes = b""

    def next(self, wanted):
        """The data of the next event of this name."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            while b"\n\n" in self.bytes:
                block, self.bytes = self.bytes.split(b"\n\n", 1)
                lines = block.decode().split("\n")
                if f"event: {wanted}" in lines:
                    return json.loads("\n".join(x[6:] for x in lines if x.startswith("data: ")))
            piece = self.line.recv(65536)
            assert piece, "the end of the connection"
            self.bytes += piece
        raise AssertionError(f"no event {wanted}")

    def ends(self):
        """Reads to the end of the connection."""
        self.line.settimeout(60)
        try:
            while self.line.recv(1 << 20):
                pass
        except ConnectionResetError:
            pass
        self.line.close()


def test_a_newcomer_gets_everything_then_only_changes(world):
    one = Listener(world)
    rows = one.next("all_paths")
    assert len(rows) == 24 and len(one.next("egress")) == 4
    assert one.next("totals")["delivered"] == 1002
    world.do("brownout gz-ct-1 other americas")
    event = one.next("link")
    assert event["event"] == "switch" and event["from"] == "gz-ct-1"
    changed = one.next("paths")
    assert 1 <= len(changed) <= 2                   # the path itself, and the one preferred now
    assert any(p["egress"] == "gz-ct-1" and p["loss"] == 0.08 for p in changed)
    late = Listener(world)
    assert any(p.get("loss") == 0.08 for p in late.next("all_paths"))
    world.do("grow 2")
    assert len(one.next("all_paths")) == len(late.next("all_paths")) == 4 * 8
    one.line.close()
    late.line.close()


def test_who_does_not_read_is_let_go_and_holds_nobody_up(world):
    lazy = Listener(world, buffer=4096)
    eager = Listener(world)
    eager.next("all_paths")
    for n in range(40):
        world.do(f"grow {200 + n}")                 # a table of some 200 KB, each time whole
        assert len(eager.next("all_paths")) == 4 * (206 + n)
        if n > 4 and n % 3 == 0 and listeners_full(world) < 2:
            break
    lazy.ends()
    eager.line.close()


@pytest.mark.parametrize("world", [8], indirect=True)
def test_a_large_table_over_a_slow_line(world):
    """More than a second passes until all of it has come: that is no reason to let go, or nobody
    with such a line would ever see anything."""
    world.do("grow 200")
    slow = Listener(world, buffer=4096)
    for _ in range(14):                             # ticks pass, with something to tell each second
        slow.bytes += slow.line.recv(4096)
        time.sleep(0.15)
    assert len(slow.bytes) < 100_000
    assert len(slow.next("all_paths")) == 12 * 206
    slow.next("totals")
    world.do("brownout gz-ct-1 other americas")
    assert any(p["loss"] == 0.08 for p in slow.next("paths"))
    slow.line.close()


def listeners_full(world):
    """How many places are taken: fills the rest, and lets them go again."""
    more = []
    taken = LISTENERS
    for n in range(LISTENERS + 1):
        listener = Listener(world)
        more.append(listener)
        if b"503" in listener.line.recv(12):
            taken = LISTENERS - n
            break
    for listener in more:
        listener.line.close()
    time.sleep(0.3)
    return taken


def test_places_are_limited(world):
    assert listeners_full(world) == 0
    assert listeners_full(world) == 0               # those that went have left their places
