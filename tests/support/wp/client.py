"""
client — an SMTP client that sends exactly the bytes it is told to

smtplib repairs what it is given; tests of the server must not. Replies come back as (code, text),
with the lines of a long reply joined by newlines.
"""
import base64
import re
import socket
import ssl

REPLY = re.compile(rb"(\d\d\d)([ -])(.*)\r\n")


class Closed(Exception):
    """The server has closed or reset the connection."""


class Smtp:
    """A session; the greeting is read unless greeting=False. prefix goes out first (PROXY)."""

    def __init__(self, address, port, source=None, tls=None, prefix=b"", greeting=True, timeout=30):
        self.sock = socket.create_connection((address, port), timeout=timeout,
                                             source_address=(source, 0) if source else None)
        self.pending, self.extensions = b"", {}
        if prefix:
            self.sock.sendall(prefix)
        if tls:
            self.sock = tls.wrap_socket(self.sock, server_hostname="relay.test")
        self.greeting = self.reply() if greeting else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def write(self, data):
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError) as e:
            raise Closed(str(e)) from e

    def line(self):
        while b"\n" not in self.pending:
            try:
                got = self.sock.recv(65536)
            except (ConnectionResetError, ssl.SSLError) as e:
                raise Closed(str(e)) from e
            if not got:
                raise Closed(f"end of connection after {self.pending!r}")
            self.pending += got
        line, self.pending = self.pending.split(b"\n", 1)
        return line + b"\n"

    def reply(self):
        """The next reply; its form is checked, since servers of ours wrote it."""
        text = []
        while True:
            line = self.line()
            m = REPLY.fullmatch(line)
            assert m, f"not a reply line: {line!r}"
            text.append(m[3].decode("utf-8", "replace"))
            if m[2] == b" ":
                return int(m[1]), "\n".join(text)

    def replies(self, count):
        return [self.reply() for _ in range(count)]

    def cmd(self, line):
        """Sends one command line and gives the reply."""
        self.write((line.encode() if isinstance(line, str) else line) + b"\r\n")
        return self.reply()

    def ehlo(self, name="client.test"):
        code, text = self.cmd("EHLO " + name)
        assert code == 250, (code, text)
        self.extensions = {}
        for row in text.split("\n")[1:]:
            word, _, args = row.partition(" ")
            self.extensions[word.upper()] = args
        return self.extensions

    def starttls(self, context=None, session=None):
        code, text = self.cmd("STARTTLS")
        assert code == 220, (code, text)
        context = context or trusting()
        self.sock = context.wrap_socket(self.sock, server_hostname="relay.test", session=session)
        self.extensions = {}

    def auth_plain(self, user, password):
        token = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        return self.cmd("AUTH PLAIN " + token)

    def envelope(self, sender="a@client.test", to=("b@dest.test",), mail="", rcpt=""):
        """MAIL and RCPT, all accepted."""
        for line in [f"MAIL FROM:<{sender}>{mail}", *[f"RCPT TO:<{r}>{rcpt}" for r in to]]:
            code, text = self.cmd(line)
            assert code == 250, (line, code, text)

    def data(self, text):
        """DATA with the text dot-stuffed as it must be; gives the final reply."""
        code, why = self.cmd("DATA")
        assert code == 354, (code, why)
        return self.text(text)

    def text(self, text):
        stuffed = (b"\r\n" + text).replace(b"\r\n.", b"\r\n..")[2:]
        if stuffed and not stuffed.endswith(b"\r\n"):
            stuffed += b"\r\n"
        self.write(stuffed + b".\r\n")
        return self.reply()

    def closed(self):
        """True once the server has ended the connection (waits for it)."""
        try:
            while self.sock.recv(65536):
                pass
        except (ConnectionResetError, ssl.SSLError):
            pass
        except TimeoutError:
            return False
        return True


def trusting():
    """A TLS context that takes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
