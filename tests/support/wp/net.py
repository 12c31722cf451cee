"""
net — loopback addresses of our own, and waiting with a bound

Each process takes addresses from its own part of 127.0.0.0/8, so suites that run at the same time
do not meet; a server can then use the real port (25, 53) of an address nobody else has.
"""
import ctypes
import itertools
import os
import socket
import struct
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


def swallow(listener, source):
    """From now on no packet of this IPv4 address reaches the listening socket or what it accepts:
    no RST, no ICMP, as on a path that is cut. Other sources are served as before. None: the
    listening socket hears all again."""
    detach = 27                                             # SO_DETACH_FILTER
    if source is None:
        listener.setsockopt(socket.SOL_SOCKET, detach, 0)
        return
    attach, word, equal, give = 26, 0x20, 0x15, 0x06        # SO_ATTACH_FILTER; classic BPF
    source_at = 0x100000000 - 0x100000 + 12                 # SKF_NET_OFF: of the IP header
    address, = struct.unpack("!I", socket.inet_aton(source))
    program = b"".join(struct.pack("HBBI", *step) for step in (
        (word, 0, 0, source_at), (equal, 0, 1, address), (give, 0, 0, 0),
        (give, 0, 0, 0xffffffff)))
    kept = ctypes.create_string_buffer(program)
    listener.setsockopt(socket.SOL_SOCKET, attach,
                        struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(kept)))


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
