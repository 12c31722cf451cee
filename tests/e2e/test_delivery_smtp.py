"""
test_delivery_smtp — the client's dialogue: pipelining, reuse, recipients, what the next hop lacks
"""
import threading
import time

import pytest
from wp import mail, net, proxy, smtpd


def without(*names):
    """A correct server that does not offer these extensions."""
    class Lacking(smtpd.Behaviour):
        extensions = tuple(e for e in smtpd.EXTENSIONS if e.split()[0] not in names)
    return Lacking()


def with_also(*names):
    class Offering(smtpd.Behaviour):
        extensions = smtpd.EXTENSIONS + names
    return Offering()


def one_session(**more):
    return {"delivery": {"connections": 1, "messages_per_connection": 1000, "idle": "10s", **more}}


@pytest.mark.parametrize("lacks", [("CHUNKING",), ()], ids=["data", "bdat"])
def test_one_round_trip_per_message_on_a_warm_session(relay, sink, keep, lacks):
    """The next MAIL travels behind the previous text: N messages, about N flights."""
    s = sink(without(*lacks))
    slow = keep(proxy.Proxy((s.address, s.port)))
    here = relay(to=slow, conf=one_session())
    senders = [threading.Thread(target=lambda: [here.send(mail.message()) for _ in range(10)])
               for _ in range(4)]
    for t in senders:
        t.start()
    s.wait(40)
    for t in senders:
        t.join()
    assert len({m.session for m in s.messages}) == 1
    # The text and the MAIL, RCPT, DATA of the next message are one group: RFC 2920 section 3.1.
    assert slow.flights <= 40 + 8, slow.flights


def test_without_pipelining_each_command_waits(relay, sink):
    ahead = []

    class Strict(smtpd.Behaviour):
        extensions = ("8BITMIME",)

        def mail(self, s, address, args):
            ahead.append(s.buffer)
            time.sleep(0.05)
            ahead.append(s.buffer)
            return "250 ok"

        def rcpt(self, s, address, args):
            ahead.append(s.buffer)
            return "250 ok"
    s = sink(Strict())
    here = relay(to=s)
    here.send(mail.message(), to=["a@dest.test", "b@dest.test"])
    s.wait(1)
    assert not any(ahead)


def test_bdat_when_offered(relay, sink):
    s = sink()
    text = b"Subject: x\r\n\r\n" + b".\r\n..\r\n" * 100000
    relay(to=s).send(text)
    got = s.wait(1)[0]
    assert got.bdat and mail.split_trace(got.data)[1] == text


def test_dots_are_stuffed_without_bdat(relay, sink):
    s = sink(without("CHUNKING"))
    text = b"Subject: x\r\n\r\n.\r\n..\r\n.end"
    relay(to=s).send(text)
    got = s.wait(1)[0]
    assert not got.bdat and mail.split_trace(got.data)[1] == text + b"\r\n"


def test_session_is_reused_and_bounded_by_count(relay, sink):
    s = sink()
    here = relay(to=s, conf=one_session(messages_per_connection=3))
    for n in range(1, 10):
        here.send(mail.message())
        s.wait(n)
    per = [sum(m.session == i for m in s.messages) for i in range(len(s.sessions))]
    assert max(per) == 3 and len(per) <= 4, per
    assert here.log("delivered")[1]["reused"] is True


def test_idle_session_says_quit(relay, sink):
    s = sink()
    here = relay(to=s, conf=one_session(idle="1s"))
    here.send(mail.message())
    s.wait(1)
    net.wait_for("QUIT", lambda: s.commands("QUIT"))


def test_session_time_is_bounded(relay, sink):
    s = sink()
    here = relay(to=s, conf=one_session(session_time="1s"))
    for n in range(1, 9):
        here.send(mail.message())
        s.wait(n)
        time.sleep(0.3)
    assert len({m.session for m in s.messages}) >= 2


def test_session_closed_while_idle_is_no_failure(relay, sink):
    """The next hop ends kept sessions at once: mail goes on with new ones, none is deferred."""
    class Impatient(smtpd.Behaviour):
        def received(self, s, message):
            s.send("250 ok\r\n")
            with s.server.lock:
                s.server.messages.append(message)
            raise smtpd.Hangup
    s = sink(Impatient())
    here = relay(to=s, conf=one_session())
    for n in range(1, 11):
        here.send(mail.message())
        s.wait(n)
    assert not here.log("deferred") and len(s.messages) == 10


def test_one_transaction_for_recipients_of_a_domain(relay, sink):
    s = sink()
    relay(to=s).send(mail.message(), to=[f"u{i}@dest.test" for i in range(30)])
    assert len(s.wait(1)[0].rcpts) == 30


def test_recipients_of_a_transaction_are_bounded(relay, sink):
    s = sink()
    here = relay(to=s, conf={"delivery": {"recipients_per_message": 10}})
    here.send(mail.message(), to=[f"u{i}@dest.test" for i in range(35)])
    net.wait_for("all recipients", lambda: sum(len(m.rcpts) for m in s.messages) == 35)
    assert all(len(m.rcpts) <= 10 for m in s.messages)
    assert len({r for m in s.messages for r in m.rcpts}) == 35


def test_recipients_have_each_their_own_outcome(relay, sink):
    class Mixed(smtpd.Behaviour):
        tries = {}

        def rcpt(self, s, address, args):
            self.tries[address] = self.tries.get(address, 0) + 1
            if address.startswith("bad"):
                return "550 5.1.1 unknown"
            if address.startswith("later") and self.tries[address] == 1:
                return "450 4.2.0 later"
            return "250 ok"
    s = sink(Mixed())
    here = relay(to=s)
    here.send(mail.message(), sender="", to=["good@dest.test", "bad@dest.test", "later@dest.test"])
    s.wait(2)
    assert [[r[0] for r in m.rcpts] for m in s.messages] == [["good@dest.test"],
                                                            ["later@dest.test"]]
    assert here.wait_log("bounced")[0]["recipient"] == "bad@dest.test"
    assert here.wait_log("deferred")[0]["recipient"] == "later@dest.test"
    assert {r["recipient"] for r in here.wait_log("delivered", 2)} == {"good@dest.test",
                                                                      "later@dest.test"}
    assert Mixed.tries["bad@dest.test"] == 1


def test_all_recipients_refused_sends_no_text(relay, sink):
    class Nobody(smtpd.Behaviour):
        def rcpt(self, s, address, args):
            return "550 5.1.1 unknown"
    s = sink(Nobody())
    here = relay(to=s)
    here.send(mail.message(), sender="")
    here.wait_log("bounced")
    here.send(mail.message(), sender="")
    here.wait_log("bounced", 2)
    assert not s.messages


def test_helo_when_ehlo_is_refused(relay, sink):
    class Old(smtpd.Behaviour):
        def ehlo(self, s, name):
            return "502 5.5.1 not implemented"
    s = sink(Old())
    relay(to=s).send(mail.message())
    got = s.wait(1)[0]
    assert s.commands("HELO") == ["HELO relay.test"] and got.mail_args == "" and not got.bdat


# --- what the next hop lacks
def submit(here, text, mail_args, rcpt_args="", sender="a@client.test", to="b@dest.test"):
    with here.connect() as c:
        c.ehlo()
        assert c.cmd(f"MAIL FROM:<{sender}>{mail_args}")[0] == 250
        assert c.cmd(f"RCPT TO:<{to}>{rcpt_args}")[0] == 250
        c.write(b"BDAT %d LAST\r\n" % len(text) + text)
        assert c.reply()[0] == 250


SEVEN = b"Subject: x\r\n\r\nplain\r\n"
EIGHT = "Subject: x\r\n\r\ngrüß\r\n".encode()
NUL = b"Subject: x\r\n\r\na\0b\r\n"
RAW = b"Subject: x\r\n\r\na\nb\r\n" + b"z" * 5000 + b"\0\r\n"


@pytest.mark.parametrize("text,args,lacks,sent", [
    (SEVEN, " BODY=8BITMIME", "8BITMIME", ""),              # nothing in it needs the extension
    (SEVEN, " BODY=BINARYMIME", "", "8BITMIME|"),           # our sink offers no BINARYMIME
    (EIGHT, " BODY=8BITMIME", "", "8BITMIME"),
    (SEVEN, " SMTPUTF8", "SMTPUTF8", ""),                   # 7-bit addresses and headers
    (SEVEN, " SIZE=500", "SIZE", ""),
    (SEVEN, " RET=HDRS ENVID=x", "DSN", ""),
])
def test_extensions_that_are_not_needed_are_left_out(relay, sink, text, args, lacks, sent):
    s = sink(without(lacks))
    submit(relay(to=s), text, args)
    got = s.wait(1)[0]
    assert mail.split_trace(got.data)[1] == text
    body = [a for a in got.mail_args.split() if a.startswith("BODY=")]
    assert not body or body[0][5:] in sent.split("|") + ["7BIT"]
    assert not lacks or lacks not in got.mail_args and "ENVID" not in got.mail_args


@pytest.mark.parametrize("text,args,sender,lacks,status", [
    (EIGHT, " BODY=8BITMIME", "a@client.test", "8BITMIME", "5.6.3"),
    (RAW, " BODY=BINARYMIME", "a@client.test", "BINARYMIME", "5.6.3"),
    (NUL, " BODY=BINARYMIME", "a@client.test", "BINARYMIME", "5.6.3"),
    (EIGHT, " SMTPUTF8 BODY=8BITMIME", "jörg@client.test", "SMTPUTF8", "5.6.7"),
    (b"Subject: gr\xc3\xbc\xc3\x9f\r\n\r\nx\r\n", " SMTPUTF8 BODY=8BITMIME", "a@client.test",
     "SMTPUTF8", "5.6.7"),
])
def test_what_the_next_hop_cannot_take_is_returned(relay, sink, text, args, sender, lacks, status):
    s = sink(without(lacks))
    here = relay(to=s)
    submit(here, text, args, sender=sender)
    row = here.wait_log("bounced")[0]
    assert row["enhanced"] == status
    assert not [m for m in s.messages if m.sender]


def test_binarymime_goes_as_it_is_when_offered(relay, sink):
    s = sink(with_also("BINARYMIME"))
    submit(relay(to=s), RAW, " BODY=BINARYMIME")
    got = s.wait(1)[0]
    assert got.bdat and "BINARYMIME" in got.mail_args and mail.split_trace(got.data)[1] == RAW


def test_size_is_declared_and_believed(relay, sink):
    class Small(smtpd.Behaviour):
        extensions = ("PIPELINING", "SIZE 20000")
    s = sink(Small())
    here = relay(to=s)
    here.send(mail.message(size=10000))
    assert "SIZE=" in s.wait(1)[0].mail_args
    here.send(mail.message(size=30000), sender="")
    assert here.wait_log("bounced")[0]["enhanced"] == "5.3.4"
    assert len(s.commands("MAIL")) == 1                     # it was not even tried


def test_idn_domain_is_downgraded_for_an_old_next_hop(relay, sink):
    s = sink(without("SMTPUTF8"))
    submit(relay(to=s), SEVEN, " SMTPUTF8", to="b@grüße.test")
    assert s.wait(1)[0].rcpts[0][0] == "b@xn--gre-6ka8l.test"


def test_dsn_parameters_are_passed_on(relay, sink):
    s = sink()
    submit(relay(to=s), SEVEN, " RET=HDRS ENVID=QQ+2B1",
           " NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Bob@dest.test")
    got = s.wait(1)[0]
    assert "RET=HDRS" in got.mail_args and "ENVID=QQ+2B1" in got.mail_args
    assert "NOTIFY=SUCCESS,FAILURE" in got.rcpts[0][1]
    assert "ORCPT=rfc822;Bob@dest.test" in got.rcpts[0][1]


def test_mt_priority_is_forwarded_where_offered(relay, sink):
    s = sink(with_also("MT-PRIORITY"))
    here = relay(to=s, conf={"clients": [{"network": "127.0.0.0/8", "may_set_priority": True}]})
    submit(here, SEVEN, " MT-PRIORITY=3")
    assert "MT-PRIORITY=3" in s.wait(1)[0].mail_args


def test_mt_priority_of_others_is_lowered(relay, sink):
    s = sink(with_also("MT-PRIORITY"))
    submit(relay(to=s), SEVEN, " MT-PRIORITY=6")
    args = s.wait(1)[0].mail_args
    assert "MT-PRIORITY=6" not in args


def test_rcptmax_of_the_next_hop_is_kept(relay, sink):
    s = sink(with_also("LIMITS RCPTMAX=4 MAILMAX=100"))
    relay(to=s).send(mail.message(), to=[f"u{i}@dest.test" for i in range(10)])
    net.wait_for("all recipients", lambda: sum(len(m.rcpts) for m in s.messages) == 10)
    assert max(len(m.rcpts) for m in s.messages) <= 4


def test_mailmax_of_the_next_hop_is_kept(relay, sink):
    s = sink(with_also("LIMITS MAILMAX=3"))
    here = relay(to=s)
    for _ in range(10):
        here.send(mail.message())
    s.wait(10)
    per_session = [sum(line.upper().startswith("MAIL") for _, line in x.commands)
                   for x in s.sessions]
    assert sum(per_session) == 10 and max(per_session) <= 3
    here.wait_empty()


def test_rcptdomainmax_of_the_next_hop_is_kept(relay, sink):
    """Many domains in one message and in many: no session names more than two of them."""
    s = sink(with_also("LIMITS RCPTDOMAINMAX=2"))
    here = relay(to=s)
    here.send(mail.message("many"), to=[f"u{i}@d{i // 2}.test" for i in range(10)])
    for i in range(6):
        here.send(mail.message(), to=[f"v@D{i}.test"])
    net.wait_for("all recipients", lambda: sum(len(m.rcpts) for m in s.messages) == 16)
    named = {}
    for m in s.messages:
        named.setdefault(m.session, set()).update(a.rsplit("@")[1].lower() for a, _ in m.rcpts)
    assert max(len(domains) for domains in named.values()) <= 2
    many = sorted(a for m in s.messages if b"Subject: many" in m.data for a, _ in m.rcpts)
    assert many == sorted(f"u{i}@d{i // 2}.test" for i in range(10))    # each once
    here.wait_empty()
    assert not here.log("deferred")


def test_rcptdomainmax_and_a_domain_that_defers(relay, sink):
    """What has to go by another session is not held up by what is deferred, and is not lost."""
    class Picky(smtpd.Behaviour):
        extensions = (*smtpd.EXTENSIONS, "LIMITS RCPTDOMAINMAX=1")

        def rcpt(self, s, address, args):
            return "450 4.2.1 not now" if address.endswith("@d0.test") else "250 2.1.5 ok"

    s = sink(Picky())
    here = relay(to=s)
    here.send(mail.message(), to=["u@d0.test", "u@d1.test", "u@d2.test"])
    s.wait(2, 60)
    assert sorted(a for m in s.messages for a, _ in m.rcpts) == ["u@d1.test", "u@d2.test"]
