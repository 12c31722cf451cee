"""
proxy — a TCP proxy that delays both directions and counts flights

A flight is all that one side sends before the other side answers: the number of round trips a
dialogue needs, whatever the machine's speed. The delay makes the flights distinct.
"""
import queue
import socket
import threading
import time

from . import net


class Proxy:
    """Forwards connections on its own address to `target`; delay is one way, in seconds."""

    def __init__(self, target, port=25, delay=0.03):
        self.target, self.delay, self.open = target, delay, True
        self.address, self.port = net.loopback(), port
        self.flights, self.connections, self.bytes = 0, 0, 0
        self.listener = socket.create_server((self.address, port), backlog=256)
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.open = False
        self.listener.close()

    @property
    def host(self):
        return f"{self.address}:{self.port}"

    def _accept(self):
        while self.open:
            try:
                near, peer = self.listener.accept()
            except OSError:
                return
            far = socket.create_connection(self.target)
            self.connections += 1
            turn = {"last": far}            # who spoke last; the server greets first
            for a, b in ((near, far), (far, near)):
                a.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                line = queue.Queue()
                threading.Thread(target=self._read, args=(a, near, turn, line), daemon=True).start()
                threading.Thread(target=self._write, args=(b, line), daemon=True).start()

    def _read(self, source, near, turn, line):
        while True:
            try:
                data = source.recv(1 << 18)
            except OSError:
                data = b""
            line.put((time.monotonic() + self.delay, source is near, turn, data))
            if not data:
                return

    def _write(self, sink, line):
        while True:
            due, from_client, turn, data = line.get()
            time.sleep(max(0, due - time.monotonic()))
            speaker = "client" if from_client else "server"
            if data and turn["last"] != speaker:
                turn["last"] = speaker
                self.flights += from_client
            self.bytes += len(data)
            try:
                if data:
                    sink.sendall(data)
                else:
                    sink.shutdown(socket.SHUT_WR)
            except OSError:
                data = b""
            if not data:
                return
