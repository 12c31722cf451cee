"""
test_delivery_tls — TLS and AUTH towards the next hop: opportunistic, required, verified, broken
"""
import pytest
from wp import certs, mail, net, smtpd


def context(host="mx1.dest.test", **how):
    return certs.server_context(host, **how)


@pytest.fixture
def secured(world):
    """Mail for dest.test goes to mx1.dest.test at the sink, under a route with this TLS level."""
    def make(server, level, ca=None):
        conf = {"delivery": {"tls": level, "ca_file": ca or certs.authority()}}
        here, zone = world(conf=conf)
        zone.mail("dest.test", server.address)
        return here
    return make


@pytest.mark.parametrize("level", ["opportunistic", "required", "verify"])
def test_starttls_is_used(secured, sink, level):
    s = sink(tls=context())
    here = secured(s, level)
    here.send(mail.message())
    got = s.wait(1)[0]
    assert got.tls in ("TLSv1.2", "TLSv1.3")
    assert s.commands("EHLO") and len(s.commands("EHLO")) == 2       # again after the handshake
    assert here.wait_log("delivered")[0]["tls"].startswith("TLSv1.")


@pytest.mark.parametrize("plain,secure,most", [
    (("LIMITS RCPTMAX=1",), ("LIMITS RCPTMAX=3",), 3),
    (("LIMITS RCPTMAX=1 MAILMAX=1",), (), 6),           # RFC 3207: what was said before is void
    ((), ("LIMITS RCPTMAX=2",), 2)])
def test_limits_are_those_said_over_tls(secured, sink, plain, secure, most):
    class Limits(smtpd.Behaviour):
        def ehlo(self, s, name):
            self.extensions = (*smtpd.EXTENSIONS, *(secure if s.tls else plain))
            return super().ehlo(s, name)

    s = sink(Limits(), tls=context())
    here = secured(s, "required")
    here.send(mail.message(), to=[f"u{i}@dest.test" for i in range(6)])
    got = s.wait(6 // most)
    assert [len(m.rcpts) for m in got] == [most] * (6 // most)
    assert len({m.session for m in got}) == 1
    here.wait_empty()


def test_none_means_clear_text(secured, sink):
    s = sink(tls=context())
    secured(s, "none").send(mail.message())
    assert s.wait(1)[0].tls == "" and not s.commands("STARTTLS")


def test_opportunistic_takes_any_certificate(secured, sink):
    s = sink(tls=context("wrong.test", ca="otherca", expired=True))
    secured(s, "opportunistic").send(mail.message())
    assert s.wait(1)[0].tls


def test_opportunistic_takes_clear_text(secured, sink):
    s = sink()
    secured(s, "opportunistic").send(mail.message())
    assert s.wait(1)[0].tls == ""


@pytest.mark.parametrize("level", ["required", "verify"])
def test_required_waits_when_starttls_is_not_offered(secured, sink, level):
    s = sink()
    here = secured(s, level)
    here.send(mail.message())
    row = here.wait_log("deferred")[0]
    assert not s.messages and row["enhanced"].startswith("4.7")
    assert "TLS" in row["reply"]


@pytest.mark.parametrize("how", [
    {"host": "other.test"}, {"expired": True}, {"ca": "otherca"}], ids=["name", "date", "issuer"])
def test_verify_refuses_bad_certificates(secured, sink, how):
    s = sink(tls=context(**how))
    here = secured(s, "verify")
    here.send(mail.message())
    row = here.wait_log("deferred")[0]
    assert not s.messages and not s.commands("MAIL")
    assert "certificate" in row["reply"].lower() or "host" in row["reply"].lower(), row["reply"]


class OneWay(smtpd.Behaviour):
    """From one address TLS cannot be had: somebody on that path has taken the offer away, shows
    another certificate or cuts the handshake."""

    def __init__(self, how, source):
        self.how, self.source = how, source

    def ehlo(self, s, name):
        said = super().ehlo(s, name)
        return said.replace("STARTTLS", "XXXXXXXX") if self.hinders(s, "taken away") else said

    def starttls(self, s):
        if self.hinders(s, "cut"):
            s.send("220 2.0.0 go on\r\n")
            s.more()
            raise smtpd.Hangup(reset=True)
        if self.hinders(s, "another certificate"):
            s.send("220 2.0.0 go on\r\n")
            s.start_tls(context(ca="otherca"))
        else:
            super().starttls(s)

    def hinders(self, s, how):
        return self.how == how and s.peer == self.source


@pytest.mark.parametrize("how", ["taken away", "cut", "another certificate"])
def test_tls_that_one_path_lacks_is_had_by_another(world, sink, how):
    hindered, there = net.loopback(), net.loopback()
    s = sink(OneWay(how, hindered), tls=context())
    here, zone = world(conf={
        "delivery": {"tls": "verify", "ca_file": certs.authority()},
        "egress": [{"name": "one", "address": hindered},
                   {"name": "two", "address": there, "weight": 0}]})
    zone.mail("dest.test", s.address)
    here.send(mail.message())
    got = s.wait(1)[0]
    assert got.peer == there and got.tls
    row = here.wait_log("delivered")[0]
    assert (row["egress"], row["previous"], row["attempt"]) == ("two", "one", 1)
    assert not here.log("deferred")
    assert here.log("rerouted")[0]["enhanced"].startswith("4.7.")


def test_verify_does_not_stop_at_the_first_server(world, sink):
    bad, good = sink(tls=context(expired=True)), sink(tls=context("mx2.dest.test"))
    here, zone = world(conf={"delivery": {"tls": "verify", "ca_file": certs.authority()}})
    zone.mail("dest.test", bad.address, good.address)
    here.send(mail.message())
    net.wait_for("the good one", lambda: good.messages or here.retry() and None, 30, 1)
    assert not bad.messages


class BrokenTls(smtpd.Behaviour):
    """Offers STARTTLS and cannot do it."""

    def starttls(self, s):
        s.send("220 2.0.0 go on\r\n")
        s.more()
        s.send("this is no handshake\r\n")
        raise smtpd.Hangup


class RefusedTls(smtpd.Behaviour):
    def starttls(self, s):
        return "454 4.7.0 TLS not available"


@pytest.mark.parametrize("behaviour", [BrokenTls, RefusedTls])
def test_opportunistic_goes_on_in_clear_text_when_tls_is_broken(secured, sink, behaviour):
    s = sink(behaviour(), tls=context())
    here = secured(s, "opportunistic")
    for n in (1, 2, 3):
        here.send(mail.message())
        net.wait_for("it in clear text", lambda: len(s.messages) == n or here.retry() and None, 30,
                     1)
    assert all(m.tls == "" for m in s.messages)
    if behaviour is BrokenTls:
        assert len(s.commands("STARTTLS")) < 3                       # remembered as broken


@pytest.mark.parametrize("behaviour", [BrokenTls, RefusedTls])
def test_required_never_goes_on_in_clear_text(secured, sink, behaviour):
    s = sink(behaviour(), tls=context())
    here = secured(s, "required")
    here.send(mail.message())
    here.wait_log("deferred")
    assert not s.messages and not s.commands("MAIL")


def test_replies_injected_before_the_handshake_are_not_believed(secured, sink):
    class Injecting(smtpd.Behaviour):
        def starttls(self, s):
            s.send("220 2.0.0 go on\r\n250-evil.test\r\n250 SMTPUTF8\r\n250 ok\r\n250 ok\r\n")
            s.start_tls(s.server.tls)
    s = sink(Injecting(), tls=context())
    here = secured(s, "required")
    here.send(mail.message())
    rows = net.wait_for("an outcome", lambda: here.log("delivered") + here.log("deferred"))
    assert rows[0]["event"] == "deferred" or s.messages


def test_route_level_wins(world, sink):
    s = sink(tls=context())
    here, zone = world(conf={"delivery": {"tls": "none"}}, policies={"routes": [
        {"name": "bank", "when": {"recipient_domain": "dest.test"}, "tls": "required"},
        {"name": "rest"}]})
    zone.mail("dest.test", s.address)
    zone.mail("plain.test", s.address)
    here.send(mail.message(), to="b@dest.test")
    here.send(mail.message(), to="b@plain.test")
    tls = {m.rcpts[0][0]: bool(m.tls) for m in s.wait(2)}
    assert tls == {"b@dest.test": True, "b@plain.test": False}


def test_sessions_are_resumed(secured, sink):
    reused = []

    class Noting(smtpd.Behaviour):
        def mail(self, s, address, args):
            reused.append(s.sock.session_reused)
            return "250 ok"

        def received(self, s, message):
            return "250 ok"
    s = sink(Noting(), tls=context())
    here = secured(s, "required")
    here.write_conf({"delivery": {"messages_per_connection": 1}})
    here.reload()
    for n in range(1, 9):
        here.send(mail.message())
        s.wait(n)
    assert sum(map(bool, reused)) >= 6, reused


# --- AUTH at a fixed next hop
def auth_relay(relay, server, password="pw", level="required"):
    made = relay(start=False, files={"pw": password + "\n"}, conf={
        "delivery": {"ca_file": certs.authority()}}, policies={"routes": [
            {"name": "smart", "hosts": [server.host], "tls": level, "user": "u",
             "password_file": "pw"}]})
    return made.start()


@pytest.mark.parametrize("mechanisms", ["PLAIN LOGIN", "LOGIN", "PLAIN"])
def test_auth_at_the_next_hop(relay, sink, mechanisms):
    class Offering(smtpd.Behaviour):
        def ehlo(self, s, name):
            return super().ehlo(s, name).replace("PLAIN LOGIN", mechanisms)
    s = sink(Offering(), tls=context(), users={"u": "pw"})
    auth_relay(relay, s).send(mail.message())
    assert s.wait(1)[0].auth == "u"
    assert all(line.split()[1] in mechanisms for line in s.commands("AUTH"))


def test_wrong_password_defers(relay, sink):
    s = sink(tls=context(), users={"u": "other"})
    here = auth_relay(relay, s)
    here.send(mail.message())
    row = here.wait_log("deferred")[0]
    assert not s.messages and "535" in str(row["code"]) + row["reply"]


def test_auth_not_offered_defers(relay, sink):
    s = sink(tls=context())
    here = auth_relay(relay, s)
    here.send(mail.message())
    here.wait_log("deferred")
    assert not s.messages


def test_what_is_remembered_of_one_egress_is_not_held_against_another(world, sink):
    """After a reload that puts them in another order, too."""
    broken, fine = net.loopback(), net.loopback()
    s = sink(OneWay("cut", broken), tls=context())
    egress = [{"name": "broken", "address": broken}, {"name": "fine", "address": fine, "weight": 0}]
    here, zone = world(conf={"egress": egress})
    zone.mail("dest.test", s.address)
    here.send(mail.message())
    assert (s.wait(1)[0].peer, s.messages[0].tls) == (broken, "")
    egress = [{"name": "fine", "address": fine}, {"name": "broken", "address": broken, "weight": 0}]
    here.write_conf({"egress": egress})
    here.reload()
    here.send(mail.message())
    assert s.wait(2)[1].peer == fine and s.messages[1].tls
