"""
test_smtp_data — the text of a message: taken exactly as sent, ended by CRLF . CRLF only
"""
import pytest
from wp import client, mail, net


@pytest.fixture
def out(sink):
    return sink()


@pytest.fixture
def here(relay, out):
    return relay(to=out)


def begin(here, mail_args="", **how):
    c = here.connect()
    c.ehlo()
    c.envelope(mail=mail_args, **how)
    return c


BODIES = {
    "empty": b"",
    "no_header": b"just text\r\n",
    "header_only": b"Subject: x\r\n\r\n",
    "dots": b"Subject: x\r\n\r\n.\r\n..\r\n...a\r\n.b\r\n",
    "leading_dot": b".Subject: x\r\n\r\nbody\r\n",
    "eight_bit": b"Subject: x\r\n\r\n" + bytes(range(128, 256)) + b"\r\n",
    "trailing_blank_lines": b"Subject: x\r\n\r\nbody\r\n\r\n\r\n",
    "long_line": b"Subject: x\r\n\r\n" + b"a" * 998 + b"\r\n",
    "tabs_and_spaces": b"Subject: x\r\n folded\r\n\tfolded\r\n\r\n \r\n\t\r\n",
    "one_buffer": b"Subject: x\r\n\r\n" + b"0123456789abcdef\r\n" * 14500,    # beside 256 KiB
    "streamed": b"Subject: x\r\n\r\n" + b"." + b"0123456789abcdef\r\n" * 60000,
}


@pytest.mark.parametrize("name", BODIES)
def test_text_arrives_byte_for_byte(here, out, name):
    text = BODIES[name]
    with begin(here, " BODY=8BITMIME") as c:
        assert c.data(text)[0] == 250
    trace, rest = mail.split_trace(out.wait(1)[0].data)
    assert rest == text
    assert b"by relay.test" in trace and b"client.test" in trace


@pytest.mark.parametrize("text", [b" by evil.test\r\n", b"\tby evil.test\r\n\r\nx\r\n"])
def test_text_that_begins_with_a_blank_does_not_fold_into_our_field(here, out, text):
    with begin(here) as c:
        assert c.data(text)[0] == 250
    trace, rest = mail.split_trace(out.wait(1)[0].data)
    assert b"evil" not in trace and rest == b"\r\n" + text


@pytest.mark.parametrize("name", [n for n in BODIES if n != "no_header"])
def test_bdat_arrives_byte_for_byte(here, out, name):
    text = BODIES[name]
    with begin(here, " BODY=8BITMIME") as c:
        for at in range(0, len(text), 70000):
            assert bdat(c, text[at:at + 70000]) == 250
        assert bdat(c, b"", last=True) == 250
    assert mail.split_trace(out.wait(1)[0].data)[1] == text


def bdat(c, part, last=False):
    c.write(b"BDAT %d%s\r\n" % (len(part), b" LAST" if last else b"") + part)
    return c.reply()[0]


# What must not end the data, and must get the message refused: none may reach the next hop as two.
SMUGGLING = {
    "lf_dot_lf": b"a\n.\nMAIL FROM:<evil@x.test>\r\n",
    "lf_dot_crlf": b"a\n.\r\nMAIL FROM:<evil@x.test>\r\n",
    "crlf_dot_lf": b"a\r\n.\nMAIL FROM:<evil@x.test>\r\n",
    "cr_dot_cr": b"a\r.\rMAIL FROM:<evil@x.test>\r\n",
    "cr_dot_crlf": b"a\r.\r\nMAIL FROM:<evil@x.test>\r\n",
    "crlf_dot_cr": b"a\r\n.\rMAIL FROM:<evil@x.test>\r\n",
    "crcrlf": b"a\r\r\n.\r\r\nMAIL FROM:<evil@x.test>\r\n",
    "nul_dot": b"a\r\n\0.\r\nMAIL FROM:<evil@x.test>\r\n",
    "dot_nul": b"a\r\n.\0\r\nMAIL FROM:<evil@x.test>\r\n",
    "nul": b"a\0b\r\n",
    "bare_lf": b"a\nb\r\n",
    "bare_cr": b"a\rb\r\n",
    "lf_at_the_start": b"\n.\nMAIL FROM:<evil@x.test>\r\n",
    "cr_at_the_end": b"a\r",
}


@pytest.mark.parametrize("step", [0, 1], ids=["whole", "byte_by_byte"])
@pytest.mark.parametrize("name", SMUGGLING)
def test_smuggling_is_refused(here, out, name, step):
    text = b"Subject: outer\r\n\r\n" + SMUGGLING[name]
    with begin(here) as c:
        assert c.cmd("DATA")[0] == 354
        whole = text + b"\r\n.\r\n"
        for part in [whole[i:i + 1] for i in range(len(whole))] if step else [whole]:
            c.write(part)
        code, _ = c.reply()
        assert code == 550
        assert c.cmd("NOOP")[0] == 250                      # and exactly one reply was given
    assert net.stays(lambda: not out.commands("MAIL"), 0.5)


@pytest.mark.parametrize("line", [b"EHLO a\nNOOP\r\n", b"EHLO a\rNOOP\r\n", b"NOOP\n", b"NOOP\r",
                                  b"NO\0OP\r\n"])
def test_bare_line_ends_in_commands_are_refused(here, line):
    with here.connect() as c:
        c.write(line + (b"" if line.endswith(b"\r\n") else b"\r\n"))
        try:
            assert c.reply()[0] in (500, 501, 421, 554, 521)
        except client.Closed:
            pass


def test_bdat_takes_bare_line_ends_with_binarymime_only(here, out):
    """RFC 3030: BINARYMIME may hold anything; else a bare CR or LF or a NUL is refused."""
    raw = b"Subject: x\r\n\r\na\nb\rc\0d\r\n"
    with begin(here, " BODY=BINARYMIME") as c:
        assert c.cmd("DATA")[0] == 503                      # RFC 3030 section 3
        assert bdat(c, raw, last=True) in (250, 503)
    for text in (raw, b"Subject: x\r\n\r\nc\0d\r\n"):
        with begin(here) as c:
            assert bdat(c, text, last=True) == 550


def test_bdat_needs_recipients_and_reads_its_chunk(here, out):
    with here.connect() as c:
        c.ehlo()
        c.write(b"MAIL FROM:<a@b.test>\r\nBDAT 6\r\nQUIT\r\nNOOP\r\n")
        assert [r[0] for r in c.replies(3)] == [250, 503, 250]


@pytest.mark.parametrize("arg", ["", "x", "-1", "1 FIRST", "99999999999999999999", "1 LAST x"])
def test_bad_bdat(here, arg):
    with begin(here) as c:
        c.write(b"BDAT " + arg.encode() + b"\r\n")
        assert c.reply()[0] in (501, 552, 500)


def test_bdat_after_data_size_is_checked(relay, out):
    with begin(relay(to=out, conf={"limits": {"message_size": "64KiB"}})) as c:
        c.write(b"BDAT 70000 LAST\r\n" + b"x" * 70000)
        assert c.reply()[0] == 552


def test_rset_between_chunks_forgets_them(here, out):
    with begin(here) as c:
        assert bdat(c, b"Subject: gone\r\n\r\n") == 250
        assert c.cmd("RSET")[0] == 250
        c.envelope()
        assert bdat(c, b"Subject: kept\r\n\r\n", last=True) == 250
    assert mail.parse(out.wait(1)[0].data)["Subject"] == "kept"


def test_data_that_ends_without_a_dot_is_not_a_message(here, out):
    with begin(here) as c:
        assert c.cmd("DATA")[0] == 354
        c.write(b"Subject: half\r\n\r\nthis is not all\r\n")
    assert net.stays(lambda: not out.messages and not here.queue(), 1)


def test_smtputf8(here, out):
    text = "Subject: grüß\r\n\r\nhällo\r\n".encode()
    with here.connect() as c:
        c.ehlo()
        assert c.cmd("MAIL FROM:<jörg@b.test>")[0] in (501, 550, 553)           # without SMTPUTF8
        assert c.cmd("MAIL FROM:<jörg@b.test> SMTPUTF8 BODY=8BITMIME")[0] == 250
        assert c.cmd("RCPT TO:<дом@dest.test>")[0] == 250
        assert c.data(text)[0] == 250
    got = out.wait(1)[0]
    assert got.sender == "jörg@b.test" and got.rcpts[0][0] == "дом@dest.test"
    assert "SMTPUTF8" in got.mail_args.upper()
    assert mail.split_trace(got.data)[1] == text


def test_trace_header_says_how_it_came(here, out):
    with begin(here, to=["one@dest.test"]) as c:
        c.data(mail.message())
    with begin(here, to=["one@dest.test", "two@dest.test"]) as c:
        c.data(mail.message())
    single, double = (mail.split_trace(m.data)[0].decode() for m in out.wait(2))
    assert "for <one@dest.test>" in single and "with ESMTP" in single
    assert "[127." in single and "client.test" in single
    assert "for <" not in double                            # recipients are not told of each other
    assert all(len(line) <= 998 for line in double.split("\r\n"))
