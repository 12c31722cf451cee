"""
test_smtp_limits — every limit, loops, and clients that are slow, idle, flooding or babbling
"""
import contextlib
import os
import random
import select
import socket
import time

import pytest
from wp import client, mail, net, process, waypost


@pytest.fixture
def out(sink):
    return sink()


def admitted(here, **how):
    """A session with its greeting. The place of one that has just ended may be free a moment later:
    the one that asked whether Waypost is up, for example."""
    def attempt():
        c = here.connect(**how)
        if c.greeting[0] == 220:
            return c
        c.close()
        return None
    return net.wait_for("a place", attempt)


def test_size_is_refused_early_and_late(relay, out):
    here = relay(to=out, conf={"limits": {"message_size": "64KiB"}})
    with here.connect() as c:
        assert c.ehlo()["SIZE"] == "65536"
        assert c.cmd("MAIL FROM:<a@b.test> SIZE=65537")[0] == 552
        c.envelope()
        assert c.data(mail.message(size=66000))[0] == 552
        c.envelope()
        assert c.data(mail.message(size=60000))[0] == 250
    assert len(out.wait(1)) == 1


def test_recipients(relay, out):
    here = relay(to=out, conf={"limits": {"recipients": 10}})
    with here.connect() as c:
        assert "RCPTMAX=10" in c.ehlo()["LIMITS"]
        c.envelope(to=[f"u{i}@dest.test" for i in range(10)])
        code, text = c.cmd("RCPT TO:<u10@dest.test>")
        assert code == 452 and "4.5.3" in text
        assert c.data(mail.message())[0] == 250
    assert len(out.wait(1)[0].rcpts) == 10


def test_connections_per_client(relay, out):
    here = relay(to=out, conf={"limits": {"connections_per_client": 3},
                               "clients": [{"network": "127.0.0.0/8"}]})
    with contextlib.ExitStack() as stack:
        kept = [stack.enter_context(admitted(here)) for _ in range(3)]
        with here.connect(greeting=False) as fourth:
            assert fourth.reply()[0] == 421
        with here.connect(source="127.200.0.1") as other:       # another client is not affected
            other.ehlo()
        kept.pop().cmd("QUIT")
        net.wait_for("a free place", lambda: greets(here))


def test_connections_of_a_listed_client(relay, out):
    here = relay(to=out, conf={"clients": [{"network": "127.0.0.0/8", "connections": 2}]})
    with admitted(here), admitted(here), here.connect(greeting=False) as third:
        assert third.reply()[0] == 421


def test_connections_in_all(relay, out):
    here = relay(to=out, conf={"limits": {"connections": 4}})
    with contextlib.ExitStack() as stack:
        codes = []
        for i in range(8):
            c = stack.enter_context(here.connect(source=f"127.200.0.{i + 1}", greeting=False))
            with contextlib.suppress(client.Closed):
                codes.append(c.reply()[0])
        # The session of the start may have held one of the four places for a moment.
        assert codes.count(220) in (3, 4) and codes.count(421) >= 1, codes
    net.wait_for("a free place", lambda: greets(here))


def test_strangers_leave_places_for_the_listed(relay, out):
    here = relay(to=out, conf={"limits": {"connections": 20},
                               "clients": [{"network": "127.200.0.0/16"},
                                           {"network": "0.0.0.0/0", "recipients": ["*@l.test"]}]})

    def code(c):
        with contextlib.suppress(client.Closed):
            return c.reply()[0]
        return None
    with contextlib.ExitStack() as stack:
        strangers = [code(stack.enter_context(
            here.connect(source=f"127.201.0.{i + 1}", greeting=False))) for i in range(20)]
        assert strangers.count(220) == 18 and strangers.count(421) >= 1, strangers
        with here.connect(source="127.200.0.1") as listed:
            listed.ehlo()
            listed.envelope()
            assert listed.data(mail.message())[0] == 250


@pytest.mark.parametrize("begin", ["DATA", "BDAT 100000 LAST", "refused"])
def test_a_message_that_trickles_in_is_ended(relay, out, begin):
    here = relay(to=out, conf={"limits": {"idle": "1s"}})
    with here.connect() as c:
        c.ehlo()
        if begin == "refused":                      # a chunk nobody wants is read all the same
            c.write(b"BDAT 100000\r\n")
        else:
            c.envelope()
            c.write(begin.encode() + b"\r\n")
        if begin == "DATA":
            assert c.reply()[0] == 354
        for _ in range(100):
            if select.select([c.sock], [], [], 0.2)[0]:
                break
            c.write(b"x\r\n")                       # never idle
        assert c.reply() == (421, "4.4.2 The message comes too slowly, closing")


def test_a_slow_message_that_keeps_its_pace_is_taken(relay, out):
    here = relay(to=out, conf={"limits": {"idle": "1s"}})
    with here.connect() as c:
        c.ehlo()
        c.envelope()
        assert c.cmd("DATA")[0] == 354
        for _ in range(30):
            c.write(b"x" * 98 + b"\r\n")
            time.sleep(0.1)
        assert c.cmd(".")[0] == 250


def test_rate_of_a_client(relay, out):
    here = relay(to=out, conf={"clients": [{"network": "127.0.0.0/8", "rate": "5/min"}]})
    codes = []
    with here.connect() as c:
        c.ehlo()
        for _ in range(8):
            code, _ = c.cmd("MAIL FROM:<a@b.test>")
            if code == 250:
                code = c.cmd("RCPT TO:<b@dest.test>")[0]
            codes.append(c.data(mail.message())[0] if code == 250 else code)
            c.cmd("RSET")
    assert codes[:5] == [250] * 5 and set(codes[5:]) <= {421, 450, 451, 452}, codes


def test_idle_clients_are_ended(relay, out):
    here = relay(to=out, conf={"limits": {"idle": "1s"}})
    with here.connect() as c:
        c.ehlo()
        assert c.reply()[0] == 421 and c.closed()
    with here.connect() as c:                       # also within the text of a message
        c.ehlo()
        c.envelope()
        c.cmd("DATA")
        c.write(b"Subject: slow\r\n")
        with contextlib.suppress(client.Closed):
            assert c.reply()[0] in (421, 451)
        assert c.closed()
    assert not out.messages


def test_loops_are_found(relay, out):
    here = relay(to=out, conf={"limits": {"hops": 5}})
    hop = b"Received: from a by b; Sun, 22 Nov 2026 12:00:00 +0000\r\n"
    with here.connect() as c:
        c.ehlo()
        c.envelope()
        assert c.data(hop * 4 + mail.message())[0] == 250
        c.envelope()
        code, text = c.data(hop * 6 + mail.message())
        assert code == 554 and "5.4.6" in text
        c.envelope()                                # fields in the body are none
        assert c.data(mail.message(extra=hop * 9))[0] == 250
    out.wait(2)


def test_mail_to_itself_ends(relay, sink):
    """The next hop is Waypost itself: the message comes to an end, the machine does not."""
    here = relay(conf={"limits": {"hops": 4}}, start=False)
    here.write_conf(policies={"routes": [{"name": "me", "hosts": [f"{here.address}:2525"],
                                          "tls": "none"}]})
    here.start()
    here.send(mail.message(), sender="")
    here.wait_log("bounced")
    here.wait_empty()


def test_long_lines(relay, out):
    here = relay(to=out)
    with here.connect() as c:
        c.ehlo()
        assert c.cmd("NOOP " + "x" * 400)[0] == 250
        assert c.cmd("MAIL FROM:<a@b.test> " + "x" * 20000)[0] == 500
        assert c.cmd("NOOP")[0] == 250
        c.envelope()
        assert c.data(b"Subject: x\r\n\r\n" + b"y" * 200000 + b"\r\n")[0] in (250, 500, 554, 552)


def test_headers_have_a_limit(relay, out):
    here = relay(to=out)
    with here.connect() as c:
        c.ehlo()
        c.envelope()
        assert c.data(b"X: y\r\n" * 2000000)[0] in (250, 552, 554)
        assert c.cmd("NOOP")[0] == 250


def test_unending_errors_end_the_session(relay, out):
    here = relay(to=out)
    with here.connect() as c:
        codes = []
        with contextlib.suppress(client.Closed):
            for _ in range(500):
                codes.append(c.cmd("FROB")[0])
                if codes[-1] == 421:
                    break
        assert len(codes) < 500


@pytest.mark.parametrize("seed", range(6))
def test_garbage(relay, out, seed):
    here = relay(to=out)
    random.seed(seed)
    junk = [b"\0" * 5000, b"\r\n" * 3000, os.urandom(20000), b"\xff\xf4\xff\xfd\x06",
            b"EHLO " + os.urandom(200) + b"\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"MAIL FROM:<" + b"a" * 5000 + b">\r\n", b"\x16\x03\x01\x02\x00\x01\x00"]
    for _ in range(10):
        with here.connect() as c, contextlib.suppress(client.Closed, AssertionError, TimeoutError):
            c.sock.settimeout(1)
            c.write(b"".join(random.sample(junk, random.randint(1, len(junk)))))
            while c.reply():
                pass
    with here.connect() as c:
        c.ehlo()
        c.envelope()
        assert c.data(mail.message())[0] == 250
    assert len(out.wait(1)) == 1


def test_flood_of_commands_without_reading_is_held_back(relay, out):
    """A client that never reads its replies fills no memory and disturbs nobody."""
    here = relay(to=out)
    with here.connect() as c, here.connect() as other:
        other.ehlo()
        before = here.rss()
        c.sock.settimeout(3)
        sent = 0
        with contextlib.suppress(OSError, client.Closed):
            for _ in range(2000):
                c.write(b"NOOP\r\n" * 10000)
                sent += 60000
        assert here.rss() - before < 32 << 10, sent
        assert other.cmd("NOOP")[0] == 250


def test_hundreds_of_slow_clients_cost_little(relay, out):
    here = relay(to=out, conf={"limits": {"idle": "1m"}})
    with contextlib.ExitStack() as stack:
        before = here.rss()
        for _ in range(500):
            c = stack.enter_context(here.connect())
            c.write(b"EHL")
        each = (here.rss() - before) / 500
        assert each < 64, f"{each} KiB for an idle session"
        relayed = process.status(here.child.pid, "Threads")
        with here.connect() as c:
            c.ehlo()
            c.envelope()
            assert c.data(mail.message())[0] == 250
        assert process.status(here.child.pid, "Threads") == relayed
    out.wait(1)


def test_reset_connections_leave_nothing(relay, out):
    here = relay(to=out, conf={"limits": {"connections_per_client": 20}})
    for _ in range(100):
        with here.connect() as c:
            c.write(b"EHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nhalf")
            c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    net.wait_for("the places to be free", lambda: greets(here))
    assert not here.queue() and not out.messages


def test_low_disk_is_said_before_anything_is_promised(relay, out):
    here = relay(to=out, conf={"spool": {"min_free": "1TiB"}})
    with here.connect() as c:
        c.ehlo()
        code, text = c.cmd("MAIL FROM:<a@b.test>")
        assert code == 452 and "4.3.1" in text
        assert c.cmd("NOOP")[0] == 250


def test_messages_in_memory_are_bounded(relay, sink):
    """With a dead next hop, accepted mail stays in the spool and not in memory."""
    here = relay(to=["127.0.0.1:1"], conf={"limits": {"memory": "4MiB"}}, policies=waypost.LATER,
                 env={"ASAN_OPTIONS": "detect_leaks=0:quarantine_size_mb=8"})   # else 256 MiB
    before = here.rss()
    text = mail.message(size=200 << 10)
    with here.connect() as c:
        c.ehlo()
        for _ in range(300):                        # 60 MiB
            c.envelope()
            assert c.data(text)[0] == 250
    net.wait_for("memory to be given back", lambda: here.rss() - before < 45 << 10)
    assert len(here.queue()) == 300


def greets(here):
    try:
        with here.connect() as c:
            return c.greeting[0] == 220
    except (client.Closed, AssertionError):
        time.sleep(0.1)
        return False
