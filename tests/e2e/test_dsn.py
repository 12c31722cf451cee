"""
test_dsn — bounces, notices and who gets them: RFC 3461 and 3464
"""
import pytest
from wp import mail, net, smtpd


class Refusing(smtpd.Behaviour):
    """Refuses recipients that begin with bad, defers those that begin with later."""

    def rcpt(self, s, address, args):
        if address.startswith("bad"):
            return "550-5.1.1 No such user\r\n550 5.1.1 here"
        if address.startswith("later"):
            return "451 4.3.0 not now"
        return "250 ok"


class RefusingWithoutDsn(Refusing):
    extensions = ("PIPELINING", "8BITMIME")


@pytest.fixture
def pair(relay, sink):
    """(relay, next hop, sink of what comes back to client.test)."""
    def make(behaviour=None, retry=None, **how):
        out, back = sink(behaviour or Refusing()), sink()
        here = relay(policies={"retry": retry or {}, "routes": [
            {"name": "back", "when": {"recipient_domain": "client.test"}, "hosts": [back.host],
             "tls": "none"}, {"name": "all", "hosts": [out.host], "tls": "none"}]}, **how)
        return here, out, back
    return make


def test_a_bounce_says_what_happened(pair):
    here, _, back = pair()
    text = mail.message(subject="the subject", size=3000)
    here.send(text, to="bad@dest.test")
    got = back.wait(1)[0]
    assert got.sender == "" and [r[0] for r in got.rcpts] == ["a@client.test"]
    report = mail.Report(got.data)
    m = report.message
    assert m["To"].strip("<>") == "a@client.test" and "relay.test" in m["From"]
    assert m["Auto-Submitted"].startswith("auto-") and m["Message-ID"] and m["Date"]
    assert report.fields["Reporting-MTA"] == "dns; relay.test"
    assert report.fields["Arrival-Date"]
    one = report.recipients[0]
    assert one["Final-Recipient"].replace(" ", "") == "rfc822;bad@dest.test"
    assert (one["Action"], one["Status"]) == ("failed", "5.1.1")
    assert "550" in one["Diagnostic-Code"] and "No such user" in one["Diagnostic-Code"]
    assert one["Remote-MTA"].startswith("dns;")
    assert "bad@dest.test" in report.text and "No such user" in report.text
    assert "the subject" in report.returned()
    assert here.wait_log("bounced")[0]["code"] == 550


def test_reports_are_mime_that_old_servers_take(pair):
    here, _, back = pair()
    here.send(mail.message(), to="bad@dest.test")
    data = back.wait(1)[0].data
    assert data.isascii() and max(map(len, data.split(b"\r\n"))) <= 998
    assert b"\n" not in data.replace(b"\r\n", b"")
    assert not mail.parse(data).defects


@pytest.mark.parametrize("args,full", [((), None), (("RET=HDRS",), False), (("RET=FULL",), True)])
def test_ret(pair, args, full):
    here, _, back = pair()
    here.send(mail.message(extra=b"the secret text\r\n"), to="bad@dest.test", mail=args)
    report = mail.Report(back.wait(1)[0].data)
    if full is not None:
        assert ("the secret text" in report.returned()) == full
    assert report.original.get_content_type() in ("message/rfc822", "text/rfc822-headers")


def test_envid_and_orcpt(pair):
    here, _, back = pair()
    here.send(mail.message(), to="bad@dest.test", mail=["ENVID=id+2Bplus"],
              rcpt=["ORCPT=rfc822;Bad.Original@dest.test", "NOTIFY=FAILURE"])
    report = mail.Report(back.wait(1)[0].data)
    assert report.fields["Original-Envelope-Id"] == "id+plus"
    assert "Bad.Original@dest.test" in report.recipients[0]["Original-Recipient"]


def test_one_report_for_several_recipients(pair):
    here, _, back = pair()
    here.send(mail.message(), to=["bad1@dest.test", "good@dest.test", "bad2@dest.test"])
    report = mail.Report(back.wait(1)[0].data)
    assert sorted(r["Final-Recipient"].split(";")[1].strip() for r in report.recipients) == \
        ["bad1@dest.test", "bad2@dest.test"]
    assert net.stays(lambda: len(back.messages) == 1)


@pytest.mark.parametrize("sender,rcpt", [("", ()), ("a@client.test", ("NOTIFY=NEVER",)),
                                         ("a@client.test", ("NOTIFY=SUCCESS",)),
                                         ("a@client.test", ("NOTIFY=DELAY",))])
def test_nobody_is_told_who_must_not_be(pair, sender, rcpt):
    here, _, back = pair()
    here.send(mail.message(), sender=sender, to="bad@dest.test", rcpt=rcpt)
    here.wait_log("bounced")
    here.wait_empty()
    assert not back.messages


def test_never_a_bounce_for_a_bounce(pair):
    here, out, _ = pair()
    here.send(mail.message(), sender="bad@sender.test", to="bad@dest.test")
    here.wait_log("bounced", 2)                     # the message, then its report
    here.wait_empty()
    assert not out.messages


def test_success_is_reported_when_the_next_hop_cannot(pair):
    """The next hop has no DSN: NOTIFY=SUCCESS gives a "relayed" report, RFC 3461 section 5.2.2."""
    here, _, back = pair(RefusingWithoutDsn())
    here.send(mail.message(), to="good@dest.test", rcpt=["NOTIFY=SUCCESS"])
    report = mail.Report(back.wait(1)[0].data)
    assert report.recipients[0]["Action"] == "relayed"
    assert report.recipients[0]["Status"].startswith("2.")


def test_success_is_left_to_a_next_hop_that_can(pair):
    here, out, back = pair()
    here.send(mail.message(), to="good@dest.test", rcpt=["NOTIFY=SUCCESS"])
    assert "NOTIFY=SUCCESS" in out.wait(1)[0].rcpts[0][1]
    here.wait_empty()
    assert not back.messages


def test_delay_notice(pair):
    here, _, back = pair(retry={"delay_notice": "2s"})
    here.send(mail.message(), to="later@dest.test")
    report = mail.Report(back.wait(1, 30)[0].data)
    one = report.recipients[0]
    assert one["Action"] == "delayed" and one["Status"].startswith("4.")
    assert one["Will-Retry-Until"]
    assert net.stays(lambda: len(back.messages) == 1, 4)                 # one, not one per attempt
    assert here.queue()


@pytest.mark.parametrize("rcpt,told", [(("NOTIFY=FAILURE",), False), (("NOTIFY=DELAY",), True),
                                       (("NOTIFY=NEVER",), False)])
def test_who_gets_delay_notices(pair, rcpt, told):
    here, _, back = pair(retry={"delay_notice": "1s"})
    here.send(mail.message(), to="later@dest.test", rcpt=rcpt)
    here.wait_log("deferred", 4, 30)
    if told:
        back.wait(1)
    assert len(back.messages) == told


def test_internationalised_recipient(pair):
    class RefusingUtf8(Refusing):
        def rcpt(self, s, address, args):
            return "550 5.1.1 nobody" if "dest" in address else "250 ok"
    here, _, back = pair(RefusingUtf8())
    with here.connect() as c:
        c.ehlo()
        c.envelope(to=["дом@dest.test"], mail=" SMTPUTF8")
        assert c.data(mail.message())[0] == 250
    data = back.wait(1)[0].data
    assert "дом@dest.test" in data.decode("utf-8", "replace") or b"utf-8;" in data


def test_large_original_is_not_returned_whole(pair):
    here, _, back = pair()
    here.send(mail.message(size=3 << 20), to="bad@dest.test", mail=["RET=FULL"])
    data = back.wait(1)[0].data
    assert len(data) < 1 << 20 and mail.Report(data).recipients


def test_report_survives_a_restart(pair, sink):
    """Done and bounce are one atomic step: after a kill there is the message or its report."""
    here, _, back = pair()
    for i in range(20):
        here.send(mail.message(), to=f"bad{i}@dest.test")
    here.kill_tree()
    here.start()
    here.retry()
    net.wait_for("twenty reports", lambda: len({
        mail.Report(m.data).recipients[0]["Final-Recipient"] for m in list(back.messages)}) == 20,
        60)
