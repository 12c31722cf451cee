"""
net — loopback addresses of our own, and waiting with a bound

Each process takes addresses from its own part of 127.0.0.0/8, so suites that run at the same time
do not meet; a server can then use the real port (25, 53) of an address nobody else has.
"""
import itertools
import os
import socket
import time

_counter = itertools.count(1)
# A sanitizer build on a busy machine is slow: bounds are generous, they only end what hangs.
PATIENCE = float(os.environ.get("WP_PATIENCE", "20"))


def loopback():
    """An address of 127/8 that nothing uses, as text."""
    while True:
        n, pid = next(_counter), os.getpid()
        address = f"127.{16 + pid % 200}.{(pid // 200 + n // 250) % 250}.{n % 250 + 1}"
        with socket.socket() as probe:
            try:
                probe.bind((address, 2525))
                return address
            except OSError:
                continue


def free_port(address="::1"):
    """A port that is free now on this address (IPv6 has one loopback address only)."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as s:
        s.bind((address, 0))
        return s.getsockname()[1]


def host(address, port):
    """As configurations have it."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def wait_for(what, condition, timeout=None, step=0.02):
    """Polls until condition() is true and gives its value; AssertionError names `what`."""
    end = time.monotonic() + (timeout or PATIENCE)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited in vain for {what}")
        time.sleep(step)


def stays(condition, seconds=1.0, step=0.05):
    """True when the condition holds now and all the time for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not condition():
            return False
        time.sleep(step)
    return True


def greets(address, port):
    """True when an SMTP server answers there."""
    try:
        with socket.create_connection((address, port), timeout=2) as s:
            s.settimeout(2)
            return s.recv(512).startswith(b"220")
    except OSError:
        return False


def listens(address, port):
    """True when something accepts connections there."""
    try:
        socket.create_connection((address, port), timeout=2).close()
        return True
    except OSError:
        return False
