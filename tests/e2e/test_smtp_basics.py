"""
test_smtp_basics — greeting, EHLO, HELO, the order of commands, and what is offered
"""
import smtplib
import socket

import pytest
from wp import client, mail


@pytest.fixture
def here(relay, sink):
    relay.sink = sink()
    return relay(to=relay.sink)


def test_greeting_names_the_host(here):
    with here.connect() as c:
        assert c.greeting[0] == 220 and c.greeting[1].startswith("relay.test")


def test_ehlo_offers_what_is_there(here):
    with here.connect() as c:
        offered = c.ehlo()
    for word in ("PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "CHUNKING",
                 "BINARYMIME", "DSN", "MT-PRIORITY", "LIMITS"):
        assert word in offered, offered
    assert int(offered["SIZE"]) == 2 << 30
    assert "RCPTMAX=" in offered["LIMITS"]
    assert "STARTTLS" not in offered and "AUTH" not in offered      # neither is configured


def test_helo_offers_nothing_and_works(here, relay):
    text = mail.message()
    with here.connect() as c:
        code, reply = c.cmd("HELO client.test")
        assert code == 250 and "\n" not in reply
        c.envelope()
        assert c.data(text)[0] == 250
    got = relay.sink.wait(1)[0]
    assert b" with SMTP\r\n\tid " in mail.split_trace(got.data)[0]


@pytest.mark.parametrize("lines,code", [
    (["MAIL FROM:<a@b.test>"], 503),                                # before EHLO
    (["EHLO c.test", "RCPT TO:<b@c.test>"], 503),
    (["EHLO c.test", "DATA"], 503),
    (["EHLO c.test", "BDAT 0 LAST"], 503),
    (["EHLO c.test", "MAIL FROM:<a@b.test>", "MAIL FROM:<a@b.test>"], 503),
    (["EHLO c.test", "MAIL FROM:<a@b.test>", "DATA"], (503, 554)),
    (["EHLO c.test", "MAIL FROM:a@b.test"], 501),
    (["EHLO c.test", "MAIL FROM:<a@b@c>"], (501, 553)),
    (["EHLO c.test", "MAIL FROM:<a@b.test> NOSUCH=1"], 555),
    (["EHLO c.test", "MAIL FROM:<a@b.test> SIZE=x"], 501),
    (["EHLO c.test", "MAIL FROM:<a@b.test> SIZE=1 SIZE=1"], 501),
    (["EHLO c.test", "MAIL FROM:<a@b.test>", "RCPT TO:<>"], (501, 550, 553)),
    (["EHLO c.test", "MAIL FROM:<a@b.test>", "RCPT TO:<b@c.test> NOTIFY=NEVER,DELAY"], 501),
    (["EHLO"], 501), (["HELO"], 501), (["FROBNICATE"], 500),
    (["STARTTLS"], (502, 503, 454, 500)), (["AUTH PLAIN"], (502, 503)),
    (["EHLO c.test", "VRFY joe"], 252), (["EHLO c.test", "EXPN list"], (502, 550)),
    (["HELP"], 214), (["NOOP"], 250), (["NOOP anything"], 250), (["RSET"], 250),
    (["EHLO c.test", "DATA now"], 501), (["QUIT"], 221), (["ehlo c.test"], 250),
])
def test_replies(here, lines, code):
    with here.connect() as c:
        for line in lines:
            got = c.cmd(line)
    assert got[0] in (code if isinstance(code, tuple) else (code,)), got


def test_every_reply_after_ehlo_has_an_enhanced_code(here):
    with here.connect() as c:
        c.ehlo()
        for line in ["MAIL FROM:<a@b.test>", "RCPT TO:<c@d.test>", "RSET", "NOOP", "RCPT TO:<x@y>",
                     "MAIL FROM:broken", "QUIT"]:
            code, text = c.cmd(line)
            assert text.split(".")[0] == str(code)[0], (line, code, text)


def test_quit_closes(here):
    with here.connect() as c:
        assert c.cmd("QUIT")[0] == 221
        assert c.closed()


def test_rset_forgets_the_transaction(here, relay):
    with here.connect() as c:
        c.ehlo()
        c.envelope(to=["old@dest.test"])
        assert c.cmd("RSET")[0] == 250
        c.envelope(to=["new@dest.test"])
        assert c.data(mail.message())[0] == 250
    assert [r[0] for r in relay.sink.wait(1)[0].rcpts] == ["new@dest.test"]


def test_pipelined_transactions_are_answered_in_order(here, relay):
    text = mail.message()
    one = (b"MAIL FROM:<a@b.test>\r\nRCPT TO:<ok@dest.test>\r\nRCPT TO:<broken\r\nDATA\r\n")
    with here.connect() as c:
        c.ehlo()
        c.write(one)
        assert [r[0] for r in c.replies(4)] == [250, 250, 501, 354]
        c.write(text + b".\r\n" + one)
        assert [r[0] for r in c.replies(5)] == [250, 250, 250, 501, 354]
        c.write(text + b".\r\nQUIT\r\n")
        assert [r[0] for r in c.replies(2)] == [250, 221]
    relay.sink.wait(2)


def test_commands_byte_by_byte(here, relay):
    with here.connect() as c:
        for line in (b"EHLO c.test\r\n", b"MAIL FROM:<a@b.test>\r\n", b"RCPT TO:<d@e.test>\r\n",
                     b"DATA\r\n"):
            for i in range(len(line)):
                c.write(line[i:i + 1])
            assert c.reply()[0] in (250, 354)
        for byte in b"Subject: x\r\n\r\n..\r\nend\r\n.\r\n":
            c.write(bytes([byte]))
        assert c.reply()[0] == 250
    assert relay.sink.wait(1)[0].data.endswith(b"\r\n\r\n.\r\nend\r\n")


def test_two_listeners_and_ipv6(relay, sink):
    out = sink()
    made = relay(to=out, start=False)
    made.write_conf({"listen": made.conf["listen"] + [
        {"address": "[::1]:%d" % (20000 + hash(made.dir) % 10000), "tls": "none", "auth": "none"}],
        "clients": [{"network": "127.0.0.0/8"}, {"network": "::1/128"}]})
    made.start()
    host, port = made.conf["listen"][1]["address"].rsplit(":", 1)
    with client.Smtp(host.strip("[]"), int(port)) as c:
        c.ehlo()
        c.envelope()
        assert c.data(mail.message())[0] == 250
    assert b"[IPv6:::1]" in out.wait(1)[0].data


def test_a_mailbox_named_twice_gets_one_copy(here, relay):
    with here.connect() as c:
        c.ehlo()
        c.envelope(to=["a@dest.test", "a@DEST.test", '"a"@dest.test', "A@dest.test", "a@dest.test"])
        assert c.data(mail.message())[0] == 250
    assert [r[0] for r in relay.sink.wait(1)[0].rcpts] == ["a@dest.test", "A@dest.test"]
    assert len(here.wait_log("delivered", 2)) == 2


def test_swaks_and_smtplib_are_served(here, relay):
    import subprocess
    done = subprocess.run(["swaks", "--server", f"{here.address}:{here.port}", "--from", "a@b.test",
                           "--to", "swaks@dest.test", "--helo", "swaks.test", "--pipeline"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
    with smtplib.SMTP(here.address, here.port) as s:
        s.sendmail("a@b.test", ["smtplib@dest.test"], mail.message())
    assert {m.rcpts[0][0] for m in relay.sink.wait(2)} == {"swaks@dest.test", "smtplib@dest.test"}


def test_half_closed_client_still_gets_its_replies(here, relay):
    with here.connect() as c:
        c.write(b"EHLO c.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<d@e.test>\r\nDATA\r\n")
        assert c.replies(4)[3][0] == 354
        c.write(mail.message() + b".\r\n")
        c.sock.shutdown(socket.SHUT_WR)
        assert c.reply()[0] == 250
    relay.sink.wait(1)
