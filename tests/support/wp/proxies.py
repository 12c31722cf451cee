"""
proxies — ways out that begin elsewhere: microsocks, HAProxy, and proxies that misbehave

Each real proxy leaves from an address of its own (`source`), which is how a test sees who carried
the mail. kill() ends it at once and start() brings it back on the same port.
"""
import socket
import threading

from . import net, process


class Proxy:
    """A proxy from Debian; subclasses say how it is started."""

    def __init__(self, address=None, source=None):
        self.address, self.source = address or net.loopback(), source or net.loopback()
        self.child = None

    @property
    def host(self):
        return net.host(self.address, self.port)

    def start(self):
        self.child = process.Child(self.argv(), self.log)
        net.wait_for("the proxy", lambda: net.listens(self.address, self.port))
        return self

    def kill(self):
        process.kill([self.child.pid, *process.descendants(self.child.pid)])
        self.child.popen.wait()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.child.stop()


class Microsocks(Proxy):
    port = 1080

    def __init__(self, folder, user=None, password=None, **where):
        super().__init__(**where)
        self.log, self.login = f"{folder}/microsocks.{self.address}", (user, password)

    def argv(self):
        user, password = self.login
        login = ["-u", user, "-P", password] if user else []
        return ["microsocks", "-i", self.address, "-p", str(self.port), "-b", self.source, *login]


class Haproxy(Proxy):
    """Connects to the address the PROXY header names, from its own source."""
    port = 2500

    def __init__(self, folder, **where):
        super().__init__(**where)
        self.log = f"{folder}/haproxy.{self.address}"
        self.conf = self.log + ".cfg"
        with open(self.conf, "w") as f:
            f.write(f"global\n maxconn 500\ndefaults\n mode tcp\n timeout connect 3s\n"
                    f" timeout client 60s\n timeout server 60s\n retries 0\n"
                    f"listen out\n bind {self.host} accept-proxy\n"
                    f" server any 0.0.0.0 source {net.host(self.source, 0)}\n")

    def argv(self):
        return ["haproxy", "-db", "-f", self.conf]


class Script:
    """Accepts and does what the moves say: bytes are sent, numbers are bytes to read first,
    "close" hangs up; at the end it stays silent."""

    def __init__(self, *moves, address=None):
        self.moves, self.address = moves, address or net.loopback()
        self.connections, self.kept = 0, []
        self.sock = socket.create_server((self.address, 1080))
        self.port = 1080
        self.open = True
        self.thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def host(self):
        return f"{self.address}:{self.port}"

    def _serve(self):
        while self.open:
            try:
                peer, _ = self.sock.accept()
            except OSError:
                return
            self.connections += 1
            peer.settimeout(5)
            try:
                self._play(peer)
            except OSError:
                peer.close()

    def _play(self, peer):
        for move in self.moves:
            if move == "close":
                peer.close()
                return
            if isinstance(move, int):
                while move > 0:
                    got = peer.recv(move)
                    if not got:
                        return
                    move -= len(got)
            else:
                peer.sendall(move)
        self.kept.append(peer)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.open = False
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        for peer in self.kept:
            peer.close()
        self.thread.join(10)
