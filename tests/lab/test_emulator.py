"""
test_emulator — the laboratory tells the truth: delay, loss, rate and blackholes as asked for
"""
import os
import socket
import subprocess
import threading
import time

import pytest
from wp import netns

A, B, C = "10.98.0.1", "10.98.0.2", "10.98.2.1"


@pytest.fixture
def lab():
    with netns.Lab({"near": [A, B], "far": [C]}) as made:
        yield made


def connect_ms(lab, source=A, target=(C, 25)):
    """The time of a TCP handshake."""
    with lab.inside("near"):
        started = time.monotonic()
        socket.create_connection(target, 10, (source, 0)).close()
        return (time.monotonic() - started) * 1000


@pytest.fixture
def listener(lab):
    with lab.inside("far"):
        server = socket.create_server((C, 25), backlog=100)
    yield server
    server.close()


def median(values):
    return sorted(values)[len(values) // 2]


@pytest.mark.parametrize("rtt", [0, 10, 60, 200])
@pytest.mark.figures
def test_delay(lab, listener, rtt):
    lab.both(A, C, delay=rtt / 2)
    took = median([connect_ms(lab) for _ in range(11)])
    assert abs(took - rtt) <= max(1, 0.02 * rtt), took


@pytest.mark.figures
def test_paths_are_told_apart_by_source(lab, listener):
    lab.both(A, C, delay=5)
    lab.both(B, C, delay=40)
    assert median([connect_ms(lab, A) for _ in range(5)]) < 14
    assert median([connect_ms(lab, B) for _ in range(5)]) > 79


def ping(lab, count, interval=0.002):
    with lab.inside("near"):
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sender.bind((A, 0))
    for i in range(count):
        sender.sendto(i.to_bytes(4, "big"), (C, 9))
        time.sleep(interval)
    sender.close()


def test_loss(lab):
    lab.link(A, C, loss=10)
    ping(lab, 3000, 0)
    time.sleep(0.2)
    seen = lab.counters(A, C)
    assert seen["sent"] + seen["lost"] == 3000
    assert 240 <= seen["lost"] <= 360, seen     # 300 expected, sigma 16


def bulk_mbit(lab, size):
    """The rate of one TCP transfer to the far side, as its reader sees it."""
    with lab.inside("far"):
        server = socket.create_server((C, 2000))
    took = []

    def read():
        got, peer = 0, server.accept()[0]
        started = None
        while data := peer.recv(1 << 18):
            started = started or time.monotonic()
            got += len(data)
        took.append(got * 8e-6 / (time.monotonic() - started))
        peer.close()

    reader = threading.Thread(target=read)
    reader.start()
    with lab.inside("near"):
        s = socket.create_connection((C, 2000), 10, (A, 0))
    s.sendall(bytes(size))
    s.close()
    reader.join()
    server.close()
    return took[0]


@pytest.mark.figures
def test_rate(lab):
    lab.link(A, C, delay=5, rate=40, limit=256)
    lab.link(C, A, delay=5)
    assert 34 <= bulk_mbit(lab, 8_000_000) <= 40.5


@pytest.mark.figures
def test_speed_without_limits(lab):
    assert bulk_mbit(lab, 50_000_000) > 200


def test_blackhole_comes_and_goes(lab, listener):
    lab.both(A, C, delay=5)
    assert connect_ms(lab) >= 10
    lab.link(A, C, down=True)
    with pytest.raises(TimeoutError), lab.inside("near"):
        socket.create_connection((C, 25), 0.5, (A, 0))
    connect_ms(lab, B)                          # the other path stands
    lab.link(A, C, delay=5)
    assert connect_ms(lab) >= 10


def test_nothing_is_left_behind():
    with netns.Lab({"near": [A], "far": [C]}) as made:
        names, pid = list(made.names.values()), made.emulator.pid
        assert set(names) <= set(os.listdir("/run/netns"))
    assert not set(names) & set(os.listdir("/run/netns"))
    assert not os.path.exists(f"/proc/{pid}")


def test_a_killed_laboratory_is_cleaned_up_by_the_next():
    script = ("import os, signal, sys; sys.path.insert(0, sys.argv[1]); from wp import netns;"
              "netns.Lab({'near': ['10.98.0.1']}).__enter__();"
              "os.kill(os.getpid(), signal.SIGKILL)")
    support = os.path.join(os.path.dirname(__file__), "../support")
    dead = subprocess.Popen(["/usr/bin/python3", "-c", script, support])
    dead.wait()
    name = f"{netns.PREFIX}{dead.pid}-near"
    assert name in os.listdir("/run/netns")
    netns.remove_stale()
    assert name not in os.listdir("/run/netns")
