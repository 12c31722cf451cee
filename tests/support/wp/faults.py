"""
faults — destinations that misbehave, one small class each

FAULTS is the table: name → Fault(behaviour, verdict, may_duplicate, …). The verdict is what
becomes of the first attempt: delivered, deferred or bounced. may_duplicate marks the only faults
after which SMTP itself cannot know: the text was taken and its final reply did not arrive.
"""
import time
from dataclasses import dataclass

from .smtpd import Behaviour, Hangup

FOREVER = 60                                # longer than any timeout a test sets


@dataclass
class Fault:
    behaviour: object
    verdict: str
    may_duplicate: bool = False
    size: int = 0                           # of the message, when it matters
    code: int = 0                           # expected in the log, 0: none


def says(moment, reply, **extensions):
    """A server that answers so at this moment; the connection stays."""
    def answer(self, s, *args):
        s.send(reply if isinstance(reply, bytes) else reply + "\r\n")
    return type("Says", (Behaviour,), {moment: answer, **extensions})()


def hangs_up(moment, first=b"", reset=False):
    """Ends the connection at this moment, after these bytes."""
    def answer(self, s, *args):
        if first:
            s.send(first)
        raise Hangup(reset)
    return type("HangsUp", (Behaviour,), {moment: answer})()


def silent(moment):
    """Says nothing at this moment, and waits."""
    def answer(self, s, *args):
        time.sleep(FOREVER)
    return type("Silent", (Behaviour,), {moment: answer})()


def drips(moment, text, pause):
    """Answers byte by byte."""
    def answer(self, s, *args):
        s.drip(text, pause)
    return type("Drips", (Behaviour,), {moment: answer})()


def endless(moment, line):
    """A reply that never comes to its last line."""
    def answer(self, s, *args):
        while True:
            s.send(line * 1000)
    return type("Endless", (Behaviour,), {moment: answer})()


def keeps(then):
    """Takes the message, and then does this instead of a plain 250: the duplicate-makers."""
    def received(self, s, message):
        with s.server.lock:
            s.server.messages.append(message)
        return then(s)
    return type("Keeps", (Behaviour,), {"received": received})()


class Restyled(Behaviour):
    """Every reply goes through a function first."""

    def __init__(self, change):
        self.change = change

    def __getattribute__(self, name):
        value = object.__getattribute__(self, name)
        if name in ("connected", "ehlo", "mail", "rcpt", "data", "received"):
            change = object.__getattribute__(self, "change")
            return lambda s, *args: change(s, value(s, *args))
        return value


class InBody(Behaviour):
    """Does something while the text comes."""

    def __init__(self, act):
        self.act = act

    def data(self, s):
        s.send("354 go on\r\n")
        self.act(s)
        return None


class NoChunking(Behaviour):
    """DATA only, for faults of the 354."""
    extensions = ("PIPELINING", "8BITMIME")


def no_chunking(fault):
    fault.extensions = NoChunking.extensions
    return fault


def hang(s, reset=False):
    raise Hangup(reset)


def read_slowly(s):
    """Reads steadily, but never much; then answers as it should."""
    tail = b""
    while not tail.endswith(b"\r\n.\r\n"):
        got = s.sock.recv(4096)
        if not got:
            raise Hangup
        tail = (tail + got)[-5:]
        time.sleep(0.002)
    with s.server.lock:
        s.server.messages.append(None)
    s.reset()
    s.send("250 ok\r\n")


class DropsPipelined(Behaviour):
    """Offers PIPELINING and throws away what comes with a command."""
    extensions = ("PIPELINING",)

    def mail(self, s, address, args):
        time.sleep(0.1)
        s.sock.setblocking(False)
        try:
            s.more()
        except BlockingIOError:
            pass
        s.sock.settimeout(120)
        s.buffer = b""
        return "250 ok"


class Late421(Behaviour):
    """Ends every kept session with an unasked-for 421."""

    def received(self, s, message):
        s.send("250 ok\r\n421 4.4.2 idle too long\r\n")
        with s.server.lock:
            s.server.messages.append(message)
        raise Hangup


def slowly(s, reply):
    time.sleep(0.4)
    return reply


def one_line(line_end):
    return lambda s, reply: reply and reply.encode() + line_end


FAULTS = {
    # --- the greeting
    "greeting_close": Fault(hangs_up("connected"), "deferred"),
    "greeting_reset": Fault(hangs_up("connected", reset=True), "deferred"),
    "greeting_silent": Fault(silent("connected"), "deferred"),
    "greeting_drip": Fault(drips("connected", "220-" + "x" * 500, 0.2), "deferred"),
    "greeting_421": Fault(says("connected", "421 4.3.2 closing"), "deferred", code=421),
    "greeting_554": Fault(says("connected", "554 5.3.2 no service"), "deferred", code=554),
    "greeting_half": Fault(hangs_up("connected", b"22"), "deferred"),
    "greeting_mixed_codes": Fault(says("connected", "220-a\r\n550 b"), "deferred"),
    "greeting_endless": Fault(endless("connected", b"220-more\r\n"), "deferred"),
    "greeting_no_line_end": Fault(endless("connected", b"x"), "deferred"),
    "greeting_binary": Fault(says("connected", b"\x16\x03\x01\0\xff\xfe\r\n"), "deferred"),
    # --- EHLO
    "ehlo_silent": Fault(silent("ehlo"), "deferred"),
    "ehlo_close": Fault(hangs_up("ehlo"), "deferred"),
    "ehlo_421": Fault(says("ehlo", "421 4.3.2 closing"), "deferred", code=421),
    "ehlo_451": Fault(says("ehlo", "451 4.3.0 later"), "deferred"),
    "ehlo_garbage": Fault(says("ehlo", b"HTTP/1.1 400 Bad Request\r\n\r\n"), "deferred"),
    "ehlo_endless": Fault(endless("ehlo", b"250-WORD\r\n"), "deferred"),
    # --- the envelope
    "mail_421": Fault(hangs_up("mail", b"421 4.7.0 too much\r\n"), "deferred", code=421),
    "mail_451": Fault(says("mail", "451 4.3.0 later"), "deferred", code=451),
    "mail_550": Fault(says("mail", "550 5.7.1 not you"), "bounced", code=550),
    "mail_close": Fault(hangs_up("mail"), "deferred"),
    "mail_silent": Fault(silent("mail"), "deferred"),
    "rcpt_450": Fault(says("rcpt", "450 4.2.1 greylisted"), "deferred", code=450),
    "rcpt_452": Fault(says("rcpt", "452 4.2.2 full"), "deferred", code=452),
    "rcpt_550": Fault(says("rcpt", "550 5.1.1 unknown"), "bounced", code=550),
    "rcpt_550_4xx_inside": Fault(says("rcpt", "550 4.2.1 which is it"), "bounced", code=550),
    "rcpt_reset": Fault(hangs_up("rcpt", reset=True), "deferred"),
    "rcpt_silent": Fault(silent("rcpt"), "deferred"),
    "rcpt_half": Fault(hangs_up("rcpt", b"25"), "deferred"),
    "rcpt_nonsense_code": Fault(says("rcpt", "999 what"), "deferred"),
    "pipelined_input_dropped": Fault(DropsPipelined(), "deferred"),
    # --- DATA
    "data_421": Fault(no_chunking(hangs_up("data", b"421 4.3.2 bye\r\n")), "deferred", code=421),
    "data_451": Fault(no_chunking(says("data", "451 4.3.0 later")), "deferred", code=451),
    "data_554": Fault(no_chunking(says("data", "554 5.7.1 no")), "bounced", code=554),
    "data_close": Fault(no_chunking(hangs_up("data")), "deferred"),
    "data_250": Fault(no_chunking(says("data", "250 ok")), "deferred"),
    "final_before_the_text": Fault(no_chunking(says("data", "354 go\r\n250 ok")), "deferred"),
    "text_close": Fault(no_chunking(InBody(hang)), "deferred", size=4 << 20),
    "text_reset": Fault(no_chunking(InBody(lambda s: hang(s, True))), "deferred", size=4 << 20),
    "text_not_read": Fault(no_chunking(InBody(lambda s: time.sleep(FOREVER))), "deferred",
                           size=24 << 20),
    "text_read_slowly": Fault(no_chunking(InBody(read_slowly)), "delivered", size=1 << 20),
    # --- after the last byte of the text: only here may a message come twice
    "final_close": Fault(keeps(hang), "deferred", True),
    "final_reset": Fault(keeps(lambda s: hang(s, True)), "deferred", True),
    "final_silent": Fault(keeps(lambda s: time.sleep(FOREVER)), "deferred", True),
    "final_half": Fault(keeps(lambda s: s.send("25") or hang(s)), "deferred", True),
    "final_garbage": Fault(keeps(lambda s: s.send("thanks\r\n")), "deferred", True),
    "final_354": Fault(keeps(lambda s: s.send("354 more?\r\n")), "deferred", True),
    "final_421": Fault(says("received", "421 4.3.2 closing"), "deferred", code=421),
    "final_451": Fault(says("received", "451 4.3.0 later"), "deferred", code=451),
    "final_554": Fault(says("received", "554 5.6.0 spam"), "bounced", code=554),
    "final_drip": Fault(keeps(lambda s: s.drip("250 2.0.0 taken, id 1234\r\n", 0.05)), "delivered"),
    # --- odd, but correct enough
    "bare_line_feeds": Fault(Restyled(one_line(b"\n")), "delivered"),
    "codes_without_text": Fault(Restyled(
        lambda s, reply: reply if "\n" in reply else reply[:3]), "delivered"),
    "binary_text": Fault(Restyled(lambda s, reply: reply if "\n" in reply else
                                  reply.encode() + b" \xff\xfe\x01\r\n"), "delivered"),
    "long_replies": Fault(Restyled(lambda s, reply: reply if "\n" in reply else "\r\n".join(
        [reply[:3] + "-" + "x" * 400] * 20 + [reply])), "delivered"),
    "slow_replies": Fault(Restyled(slowly), "delivered"),
    "quit_close": Fault(hangs_up("quit"), "delivered"),
    "late_421": Fault(Late421(), "delivered"),
    "size_too_small": Fault(says("ehlo", "250-x\r\n250 SIZE 100"), "bounced", size=5000),
}
