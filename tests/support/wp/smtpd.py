"""
smtpd — a scripted SMTP server that keeps exactly what it was sent

A Server accepts on one address; each connection runs in a thread of its own, so a script may block,
drip or wait as it likes. A Behaviour has one method per moment of a session; the base class is a
correct server, and a test overrides the moments it wants to be different. Methods that answer
return the reply as text (CRLF is added), as bytes (sent as they are), or None when they have said
all that was to be said themselves.

The server keeps: messages (bytes as sent, dots removed), every command line, and when each came.
"""
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass, field

from . import net

EXTENSIONS = ("PIPELINING", "SIZE 104857600", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN", "CHUNKING",
              "SMTPUTF8")


@dataclass
class Message:
    sender: str
    mail_args: str
    rcpts: list                     # (address, arguments) accepted by the behaviour
    data: bytes
    peer: str                       # the source address of the connection
    helo: str
    tls: str                        # protocol version, or "" for clear text
    auth: str
    session: int                    # counts the connections of the server
    bdat: bool
    time: float = field(default_factory=time.monotonic)


class Hangup(Exception):
    """Raised by a behaviour to end the connection; reset=True sends RST instead of FIN."""

    def __init__(self, reset=False):
        super().__init__()
        self.reset = reset


class Session:
    """One connection: what a behaviour may read and do."""

    def __init__(self, server, sock, peer, number):
        self.server, self.sock, self.peer, self.number = server, sock, peer, number
        self.buffer, self.commands, self.tls, self.auth = b"", [], "", ""
        self.helo, self.esmtp = "", False
        self.reset()

    def reset(self):
        self.sender, self.mail_args, self.rcpts, self.chunks = None, "", [], None

    def send(self, data):
        self.sock.sendall(data.encode() if isinstance(data, str) else data)

    def drip(self, data, pause):
        """Sends byte by byte."""
        for byte in data.encode() if isinstance(data, str) else data:
            self.send(bytes([byte]))
            time.sleep(pause)

    def more(self):
        got = self.sock.recv(1 << 18)
        if not got:
            raise Hangup
        self.buffer += got

    def line(self):
        while b"\n" not in self.buffer:
            self.more()
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.rstrip(b"\r").decode("utf-8", "surrogateescape")

    def exactly(self, count):
        """So many bytes; a chunk may be hundreds of megabytes, so none is copied twice."""
        parts, missing = [], count
        while len(self.buffer) < missing:
            parts.append(self.buffer)
            missing -= len(self.buffer)
            self.buffer = b""
            self.more()
        parts.append(self.buffer[:missing])
        self.buffer = self.buffer[missing:]
        return b"".join(parts)

    def body(self):
        """Reads up to the final dot; gives the text with the stuffed dots removed."""
        parts, tail = [], b"\r\n"           # the line end of the DATA command counts as one
        while True:
            joined = tail + self.buffer
            end = joined.find(b"\r\n.\r\n")
            if end >= 0:
                parts.append(joined[:end + 2])
                self.buffer = joined[end + 5:]
                break
            parts.append(joined[:-4])       # the end may be cut anywhere
            tail, self.buffer = joined[-4:], b""
            self.more()
        return b"".join(parts).replace(b"\r\n..", b"\r\n.")[2:]

    def start_tls(self, context):
        self.buffer = b""
        self.sock = context.wrap_socket(self.sock, server_side=True)
        self.tls = self.sock.version()

    def stands(self):
        """Does the kernel know of no end: neither side has closed it? Whatever our threads do."""
        try:
            state = self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        except OSError:
            return False
        return state == 1                   # TCP_ESTABLISHED

    def abort(self):
        """RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Behaviour:
    """A correct server, moment by moment."""
    extensions = EXTENSIONS

    def connected(self, s):
        return "220 sink.test ESMTP"

    def ehlo(self, s, name):
        offers = list(self.extensions)
        if s.server.tls and not s.tls:
            offers.append("STARTTLS")
        if s.server.users:
            offers.append("AUTH PLAIN LOGIN")
        lines = ["sink.test", *offers]
        return "\r\n".join("250" + ("-" if i + 1 < len(lines) else " ") + line
                           for i, line in enumerate(lines))

    def helo(self, s, name):
        return "250 sink.test"

    def mail(self, s, address, args):
        return "250 2.1.0 ok"

    def rcpt(self, s, address, args):
        return "250 2.1.5 ok"

    def data(self, s):
        return "354 go on" if s.rcpts else "554 5.5.1 no valid recipients"

    def received(self, s, message):
        """All of the text has come. The message is kept when the reply begins with 2."""
        return "250 2.0.0 taken"

    def starttls(self, s):
        s.send("220 2.0.0 go on\r\n")
        s.start_tls(s.server.tls)

    def unknown(self, s, verb, arg):
        return "502 5.5.1 what?"

    def quit(self, s):
        return "221 2.0.0 bye"


def path_of(arg):
    """'FROM:<a@b> SIZE=1' → ('a@b', 'SIZE=1')."""
    at = arg.index("<")
    end = arg.index(">", at) if arg[at + 1:at + 2] != '"' else arg.index(">", arg.rindex('"'))
    return arg[at + 1:end], arg[end + 1:].strip()


class Server:
    """A server on one address; users: name → password, for AUTH. Closes with `with`."""

    def __init__(self, behaviour=None, address=None, port=25, tls=None, implicit=False, users=None):
        self.behaviour, self.tls, self.implicit = behaviour or Behaviour(), tls, implicit
        self.users = users or {}
        self.address, self.port = address or net.loopback(), port
        self.lock, self.sessions, self.messages, self.open = threading.Lock(), [], [], True
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        self.listener = socket.create_server((self.address, port), family=family, backlog=512)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.open = False
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        for s in list(self.sessions):
            try:
                s.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    @property
    def host(self):
        """As a route's `hosts` wants it."""
        return net.host(self.address, self.port)

    def wait(self, count=1, timeout=None):
        """Waits for so many messages and gives them all."""
        net.wait_for(f"{count} messages at {self.host} (there are {len(self.messages)})",
                     lambda: len(self.messages) >= count, timeout)
        return list(self.messages)

    def commands(self, verb=""):
        """Every command line that begins so, in the order of arrival."""
        return [line for s in list(self.sessions) for _, line in list(s.commands)
                if line.upper().startswith(verb.upper())]

    def _accept(self):
        while self.open:
            try:
                sock, peer = self.listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(120)
            with self.lock:
                session = Session(self, sock, peer[0], len(self.sessions))
                self.sessions.append(session)
            threading.Thread(target=self._serve, args=(session,), daemon=True).start()

    def _serve(self, s):
        try:
            if self.implicit:
                s.start_tls(self.tls)
            Dialogue(self, s).run()
        except Hangup as h:
            if h.reset:
                s.abort()
        except (OSError, ssl.SSLError, ValueError):
            pass
        finally:
            s.sock.close()


class Dialogue:
    """The command loop of one session; one method per verb."""

    def __init__(self, server, session):
        self.server, self.s = server, session

    @property
    def do(self):                           # a test may change it while sessions live
        return self.server.behaviour

    def run(self):
        self.answer(self.do.connected(self.s))
        while True:
            line = self.s.line()
            self.s.commands.append((time.monotonic(), line))
            verb, _, arg = line.partition(" ")
            handler = getattr(self, "on_" + verb.lower(), None)
            if handler:
                handler(arg)
            else:
                self.answer(self.do.unknown(self.s, verb.upper(), arg))

    def answer(self, reply):
        """Sends the reply; gives it as text, "" when there is none."""
        if isinstance(reply, bytes):
            self.s.send(reply)
            return reply.decode("latin-1")
        if reply is not None:
            self.s.send(reply + "\r\n")
        return reply or ""

    def on_ehlo(self, arg):
        self.s.reset()
        self.s.helo, self.s.esmtp = arg, True
        self.answer(self.do.ehlo(self.s, arg))

    def on_helo(self, arg):
        self.s.reset()
        self.s.helo, self.s.esmtp = arg, False
        self.answer(self.do.helo(self.s, arg))

    def on_mail(self, arg):
        address, args = path_of(arg)
        if self.answer(self.do.mail(self.s, address, args)).startswith("2"):
            self.s.sender, self.s.mail_args, self.s.rcpts, self.s.chunks = address, args, [], None

    def on_rcpt(self, arg):
        address, args = path_of(arg)
        if self.s.sender is None:           # RFC 5321 4.1.4: no RCPT after a refused MAIL
            self.answer("503 5.5.1 MAIL first")
            return
        if self.answer(self.do.rcpt(self.s, address, args)).startswith("2"):
            self.s.rcpts.append((address, args))

    def on_data(self, arg):
        if self.answer(self.do.data(self.s)).startswith("354"):
            self.finish(self.s.body(), False)

    def on_bdat(self, arg):
        size, _, last = arg.partition(" ")
        chunk = self.s.exactly(int(size))
        if not self.s.rcpts:                # RFC 3030: the chunk is read and thrown away
            self.answer("503 5.5.1 no valid recipients")
            return
        self.s.chunks = (self.s.chunks or []) + [chunk]
        if last.strip().upper() == "LAST":
            self.finish(b"".join(self.s.chunks), True)
        else:
            self.answer("250 2.0.0 more")

    def finish(self, data, bdat):
        s = self.s
        message = Message(s.sender, s.mail_args, list(s.rcpts), data, s.peer, s.helo, s.tls, s.auth,
                          s.number, bdat)
        reply = self.do.received(s, message)
        if reply is not None and reply[:1] in ("2", b"2"):
            with self.server.lock:
                self.server.messages.append(message)
        s.reset()
        self.answer(reply)

    def on_rset(self, arg):
        self.s.reset()
        self.answer("250 2.0.0 ok")

    def on_noop(self, arg):
        self.answer("250 2.0.0 ok")

    def on_quit(self, arg):
        self.answer(self.do.quit(self.s))
        raise Hangup

    def on_starttls(self, arg):
        if not self.server.tls:
            self.answer("502 5.5.1 no")
        else:
            self.answer(self.do.starttls(self.s))

    def on_auth(self, arg):
        import base64
        mechanism, _, token = arg.partition(" ")

        def ask(prompt):
            self.answer("334 " + prompt)
            return self.s.line()
        if mechanism.upper() == "PLAIN":
            name, password = base64.b64decode(token or ask("")).decode().split("\0")[1:]
        else:
            name = base64.b64decode(token or ask("VXNlcm5hbWU6")).decode()
            password = base64.b64decode(ask("UGFzc3dvcmQ6")).decode()
        good = self.server.users.get(name) == password
        self.s.auth = name if good else ""
        self.answer("235 2.7.0 welcome" if good else "535 5.7.8 wrong")
