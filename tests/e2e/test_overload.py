"""
test_overload — a queue that fills its memory: bulk is refused first, urgent is taken throughout
"""
import smtplib
import threading

from wp import mail, net, smtpd

LANES = {"priorities": [
    {"when": {"sender": "bulk@*"}, "priority": "bulk"},
    {"when": {"sender": "urgent@*"}, "priority": "urgent"},
    {"when": {"header": {"X-Lane": "bulk"}}, "priority": "bulk"}]}
RECIPIENTS, MAILS = 220, 60             # with such names some 55 KB of envelope a message
DOMAIN = ".".join(["a" * 60] * 3) + ".test"


class Holding(smtpd.Behaviour):
    """Answers nothing before it may."""

    def __init__(self):
        self.may = threading.Event()

    def connected(self, s):
        self.may.wait(150)
        return super().connected(s)


def offer(s, sender, header=b"", count=1):
    """The last reply to one more message: of MAIL, or of the end of its data."""
    s.rset()
    code, text = s.mail(f"{sender}@client.test")
    if code != 250:
        return code, text
    for i in range(count):
        s.rcpt(f"{i:040}@{DOMAIN}")
    return s.data(header + mail.message())


def test_bulk_is_refused_first_and_urgent_never(relay, sink):
    holding = Holding()
    server = sink(holding)
    here = relay(to=server, conf={"limits": {"queue_memory": "1MiB"}}, policies=LANES)
    kept, refused = 0, []
    with smtplib.SMTP(here.address, here.port, timeout=60) as s:
        s.ehlo("client.test")
        for _ in range(MAILS):          # normal mail, until that is refused
            code, text = offer(s, "bulk")
            if "bulk" not in refused and code != 250:
                assert code == 452 and b"4.3.1" in text and b"bulk mail" in text, text
                refused.append("bulk")
                code, text = offer(s, "a", b"X-Lane: bulk\r\n")
                assert code == 452 and b"bulk mail" in text, text   # known from the header only
            kept += code == 250
            code, text = offer(s, "normal", count=RECIPIENTS)
            kept += code == 250
            if code != 250:
                assert code == 452 and b"normal mail" in text, text
                refused.append("normal")
                break
        assert refused == ["bulk", "normal"]
        assert offer(s, "urgent")[0] == 250
        assert offer(s, "bulk")[0] == 452
        holding.may.set()
        server.wait(kept + 1, 60)
        here.wait_empty(60)             # all that was acknowledged is delivered: there is room
        assert offer(s, "bulk")[0] == 250


def hold(s, count=RECIPIENTS):
    s.rset()
    code, text = s.docmd("MAIL", "FROM:<a@client.test> HOLDFOR=3600")
    for i in range(count if code == 250 else 0):
        s.rcpt(f"{i:040}@{DOMAIN}")
    return s.data(mail.message()) if code == 250 else (code, text)


def test_one_client_does_not_fill_the_room_for_held_mail(relay, sink):
    """An eighth of it is three such messages; over a restart, too."""
    here = relay(to=sink(), conf={"limits": {"queue_memory": "1MiB"}})
    for start in range(2):
        with smtplib.SMTP(here.address, here.port, timeout=60,
                          source_address=("127.0.0.11", 0)) as s:
            s.ehlo("client.test")
            codes = [hold(s) for _ in range(1 if start else 6)]
            taken = [code for code, _ in codes].count(250)
            assert codes[-1][0] == 452 and b"Too much mail of yours is held" in codes[-1][1]
            assert taken in ((0,) if start else (2, 3))
            assert offer(s, "a")[0] == 250
        with smtplib.SMTP(here.address, here.port, timeout=60,
                          source_address=("127.0.0.12", 0)) as other:
            other.ehlo("client.test")
            assert hold(other, 1)[0] == 250
        if not start:
            held = [r["id"] for r in here.queue() if "held_until" in r]
            here.restart()
            net.wait_for("what it had", lambda: set(held) <= {r["id"] for r in here.queue()})
    here.cli("queue", "drop", "--to", "*")
    with smtplib.SMTP(here.address, here.port, timeout=60, source_address=("127.0.0.11", 0)) as s:
        s.ehlo("client.test")
        net.wait_for("room again", lambda: hold(s, 1)[0] == 250)
