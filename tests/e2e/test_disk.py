"""
test_disk — a spool whose disk is full to the last byte: mail is refused, what waits goes out, kills
and starts change nothing, and freed space is used without being told
"""
import os
import random
import smtplib
import threading
import time

import pytest

from wp import disk, mail, net, process, waypost

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a file system takes root")


@pytest.fixture
def small(keep):
    return keep(disk.Disk())


def on(small, relay, to, policies=None):
    """A relay with its state there, and no free space asked for."""
    return relay(to=to, policies=policies, conf={"state": small.path("state"),
                                                 "spool": {"min_free": "0"}})


def kill_relay(here):
    pid = here.pid("relay")
    process.kill([pid])
    net.wait_for("the relay to end", lambda: not process.alive(pid), step=0.002)
    here.wait_ready()


def refusal(here):
    with here.connect() as s:
        s.ehlo()
        return s.cmd(b"MAIL FROM:<a@client.test>")[0]


def wait_for_all(out, texts):
    """One may have come twice: its end was not written when a kill came."""
    net.wait_for("all messages", lambda: set(texts) <= taken(out))


def taken(out):
    return {mail.split_trace(m.data)[1] for m in list(out.messages)}


def test_it_starts_on_a_full_disk_and_delivers(small, relay, sink):
    here = on(small, relay, ["127.0.0.1:1"], waypost.LATER)
    texts = [mail.message(subject=str(n), size=size) for n in range(10) for size in (0, 400000)]
    for text in texts:
        here.send(text)
    assert len(here.queue()) == len(texts)
    small.fill()
    kill_relay(here)
    begun = time.monotonic()
    assert len(here.queue()) == len(texts)
    assert time.monotonic() - begun < 5
    assert refusal(here) == 452
    out = sink()
    here.write_conf(policies={"routes": [{"name": "all", "hosts": [out.host], "tls": "none"}]})
    here.reload()
    kill_relay(here)
    here.retry()
    wait_for_all(out, texts)
    small.empty()
    net.wait_for("mail to be taken", lambda: refusal(here) == 250)
    texts.append(mail.message(subject="after"))
    here.send(texts[-1])
    wait_for_all(out, texts)
    here.wait_empty()


class Senders:
    """Clients that send until told to stop; remembers what was acknowledged."""

    def __init__(self, here, count=8):
        self.here, self.over, self.acked = here, False, []
        self.threads = [threading.Thread(target=self.run, args=(n,)) for n in range(count)]
        for thread in self.threads:
            thread.start()

    def run(self, number):
        rnd = random.Random(number)
        for n in range(1_000_000):
            if self.over:
                return
            text = mail.message(subject=f"{number}-{n}", size=rnd.choice([0, 0, 20000, 400000]))
            try:
                self.here.send(text)
                self.acked.append(text)
            except (smtplib.SMTPException, OSError):
                time.sleep(0.02)

    def stop(self):
        self.over = True
        for thread in self.threads:
            thread.join()
        return set(self.acked)


def test_nothing_acknowledged_is_lost_when_it_is_killed_on_a_full_disk(small, relay, sink):
    out = sink()
    here = on(small, relay, out)
    rnd = random.Random(3)
    senders = Senders(here)
    for _ in range(6):
        time.sleep(rnd.uniform(0.2, 0.8))
        small.fill(rnd.choice([0, 0, 100000, 9 << 20]))
        time.sleep(rnd.uniform(0, 0.6))
        kill_relay(here)
        time.sleep(rnd.uniform(0, 1))
        if rnd.random() < 0.5:
            small.fill()
            kill_relay(here)
        small.empty()
        net.wait_for("mail to be taken", lambda: refusal(here) == 250)
    acked = senders.stop()
    assert len(acked) > 50
    here.wait_empty(60)
    assert acked <= taken(out)
