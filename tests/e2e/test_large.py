"""
test_large — large messages and many of them: memory stays flat, bytes stay the same
"""
import hashlib
import os
import threading

import pytest
from wp import mail, net, process, smtpd, waypost


class Hashing(smtpd.Behaviour):
    """Keeps a digest instead of the text; offers BDAT so that the text needs no search."""
    extensions = ("PIPELINING", "SIZE 0", "8BITMIME", "CHUNKING")

    def received(self, s, message):
        rest = mail.split_trace(message.data)[1]
        message.data = hashlib.sha256(rest).hexdigest().encode()
        return "250 ok"


def chunks(size):
    """A message of this size in pieces, and its digest."""
    block = (b"0123456789abcdef" * 4 + b"\r\n") * 16000            # about 1 MiB
    head = b"Subject: large\r\n\r\n"
    digest = hashlib.sha256(head)
    parts = [head]
    total = len(head)
    while total < size:
        parts.append(block)
        digest.update(block)
        total += len(block)
    return parts, digest.hexdigest().encode()


def send_large(here, parts, bdat):
    with here.connect(timeout=120) as c:
        c.ehlo()
        c.envelope()
        if not bdat:
            assert c.cmd("DATA")[0] == 354
        for part in parts:
            if bdat:
                c.write(b"BDAT %d\r\n" % len(part) + part)
                assert c.reply()[0] == 250
            else:
                c.write(part)
        c.write(b"BDAT 0 LAST\r\n" if bdat else b".\r\n")
        assert c.reply()[0] == 250


# Sanitizers keep what is freed for a while and shadow an eighth of it: they get more room.
ROOM = (64 << 10) * (1 if "release" in os.environ.get("WAYPOST_BIN", "") else 6)


@pytest.mark.release
@pytest.mark.parametrize("bdat", [False, True], ids=["data", "bdat"])
def test_large_message_streams_in_flat_memory(relay, sink, bdat):
    out = sink(Hashing())
    here = relay(to=out)
    here.send(mail.message())                       # warm: a session each way
    out.wait(1)
    parts, digest = chunks(200 << 20)
    with process.Peak(here.rss) as peak:
        send_large(here, parts, bdat)
        got = out.wait(2, 120)[1]
    assert got.data == digest
    assert peak.grown < ROOM, f"{peak.grown >> 10} MiB above idle"
    here.wait_empty()


@pytest.mark.release
def test_large_message_to_a_slow_next_hop(relay, sink):
    """The next hop reads at its own pace; the text waits in the spool, not in memory."""
    class Slow(Hashing):
        def mail(self, s, address, args):
            threading.Event().wait(1)
            return "250 ok"
    out = sink(Slow())
    here = relay(to=out)
    parts, digest = chunks(100 << 20)
    with process.Peak(here.rss) as peak:
        send_large(here, parts, False)
        assert out.wait(1, 120)[0].data == digest
    assert peak.grown < ROOM


def test_large_message_is_not_kept_when_the_client_goes_away(relay, sink):
    out = sink()
    here = relay(to=out)
    parts, _ = chunks(50 << 20)
    with here.connect() as c:
        c.ehlo()
        c.envelope()
        c.cmd("DATA")
        for part in parts:
            c.write(part)
    assert net.stays(lambda: not out.messages and not here.queue(), 2)


def test_large_message_is_tried_again_from_its_start(relay, sink):
    class Dropping(Hashing):
        drops = 2

        def received(self, s, message):
            if self.drops:
                self.drops -= 1
                raise smtpd.Hangup(reset=True)
            return super().received(s, message)
    out = sink(Dropping())
    here = relay(to=out)
    parts, digest = chunks(20 << 20)
    send_large(here, parts, False)
    net.wait_for("it", lambda: out.messages or here.retry() and None, 60, 1)
    assert out.messages[0].data == digest


@pytest.mark.release
def test_thousands_of_waiting_messages_cost_little_each(relay, sink):
    here = relay(to=["127.0.0.1:1"], policies=waypost.LATER,
                 conf={"limits": {"memory": "8MiB"}})

    def fill(count):
        with here.connect(timeout=120) as c:
            c.ehlo()
            for i in range(count):
                c.write(b"MAIL FROM:<a@client.test>\r\nRCPT TO:<u%d@dest.test>\r\nDATA\r\n" % i)
                assert c.replies(3)[2][0] == 354
                c.write(mail.message() + b".\r\n")
                assert c.reply()[0] == 250
    threads = [threading.Thread(target=fill, args=(1000,)) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    before = here.rss()
    threads = [threading.Thread(target=fill, args=(2500,)) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    each = (here.rss() - before) * 1024 / 10000
    limit = 1500 if "release" in os.environ.get("WAYPOST_BIN", "") else 8000
    assert each < limit, f"{each:.0f} bytes for a waiting message, spool buffers included"
