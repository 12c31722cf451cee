"""
netns — network namespaces joined by nothing but the link emulator (tests/lab/linkem.c)

    with Lab({"gw": ["10.98.0.1"], "far": ["10.98.2.1", "10.98.2.2"]}) as lab:
        lab.link("10.98.0.1", "10.98.2.1", delay=25, loss=1)        # one direction
        with lab.inside("gw"):
            socket.create_connection(("10.98.2.1", 25))

What a thread opens or starts inside() belongs to that namespace for good; so servers of this
package and Waypost itself are made there, and used from anywhere. Everything ends with the
laboratory, also when the test process is killed: the emulator ends with its stdin, and namespaces
of processes that are gone are removed by the next laboratory.
"""
import atexit
import contextlib
import ctypes
import os
import subprocess

from . import process

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
PREFIX = "wp-lab-"
DEVICE = "em0"
WIDTH = 16                                  # of the one network that all addresses are in
_libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000


def emulator():
    """Path of the emulator; None when it is not built."""
    named = os.environ.get("LINKEM_BIN")
    built = [os.path.join(ROOT, "build", p, "tests", "linkem") for p in ("asan", "release", "dev")]
    return next((p for p in ([named] if named else built) if os.path.exists(p)), None)


def ip(*args):
    done = subprocess.run(["ip", *args], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, f"ip {' '.join(args)}: {done.stderr}"


def remove_stale():
    """Namespaces of laboratories whose process is gone."""
    for name in os.listdir("/run/netns") if os.path.isdir("/run/netns") else []:
        owner = name[len(PREFIX):].split("-")[0]
        if name.startswith(PREFIX) and owner.isdigit() and not process.alive(int(owner)):
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


def _enter(path):
    with open(path) as f:
        if _libc.setns(f.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {path}")


class Lab:
    """nodes: name → addresses, the first one being the source where none is bound."""

    def __init__(self, nodes):
        self.nodes, self.names, self.emulator = nodes, {}, None

    def __enter__(self):
        assert emulator(), "no link emulator: build the target linkem or set LINKEM_BIN"
        remove_stale()
        atexit.register(self.close)
        try:
            self._build()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def _build(self):
        self.emulator = subprocess.Popen([emulator()], stdin=subprocess.PIPE, text=True, bufsize=1,
                                         stdout=subprocess.PIPE, start_new_session=True)
        for number, (node, addresses) in enumerate(self.nodes.items()):
            name = f"{PREFIX}{os.getpid()}-{node}"
            ip("netns", "add", name)
            self.names[node] = name
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "tuntap", "add", "mode", "tun", "name", DEVICE)
            for address in addresses:
                ip("-n", name, "addr", "add", f"{address}/{WIDTH}", "dev", DEVICE)
            ip("-n", name, "link", "set", DEVICE, "mtu", "1500", "txqueuelen", "5000", "up")
            self.order("node", f"/run/netns/{name}", DEVICE)
            for address in addresses:
                self.order("address", address, number)

    def close(self):
        """Ends the emulator, removes the namespaces. What was started in them is not ours."""
        if self.emulator:
            self.emulator.stdin.close()
            try:
                self.emulator.wait(5)
            except subprocess.TimeoutExpired:
                self.emulator.kill()
                self.emulator.wait()
            self.emulator.stdout.close()
            self.emulator = None
        for name in self.names.values():
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
        self.names = {}

    def order(self, *words):
        """One line to the emulator; gives the words of its answer."""
        self.emulator.stdin.write(" ".join(map(str, words)) + "\n")
        answer = self.emulator.stdout.readline().split()
        assert answer and answer[0] == "ok", (words, answer)
        return answer[1:]

    @contextlib.contextmanager
    def inside(self, node):
        """This thread is in the namespace of the node."""
        own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            _enter(f"/run/netns/{self.names[node]}")
            yield
        finally:
            _enter(f"/proc/self/fd/{own}")
            os.close(own)

    # --- links
    def link(self, a, b, down=False, **how):
        """All of the path from a to b anew: delay, jitter in ms, loss in percent, rate in Mbit/s,
        limit of its queue in kB."""
        words = [f"{name} {value}" for name, value in how.items()] + ["down"] * down
        self.order("link", a, b, *words)

    def both(self, a, b, **how):
        """The same in both directions."""
        self.link(a, b, **how)
        self.link(b, a, **how)

    def counters(self, a, b):
        """Packets and bytes that went from a to b, packets lost by chance, dropped by the queue."""
        names = ("sent", "bytes", "lost", "dropped")
        return dict(zip(names, map(int, self.order("counters", a, b))))
