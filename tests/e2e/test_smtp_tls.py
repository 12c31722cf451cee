"""
test_smtp_tls — TLS towards clients: STARTTLS and implicit, versions, resumption, new certificates
"""
import shutil
import ssl

import pytest
from wp import certs, client, mail, net


def listeners(made, **kinds):
    return [{"address": f"{made.address}:{port}", "tls": tls, "auth": "none"}
            for tls, port in kinds.items()]


@pytest.fixture
def out(sink):
    return sink()


@pytest.fixture
def here(relay, out):
    """Waypost with opportunistic TLS on 2525, required on 587, implicit on 465."""
    made = relay(to=out, start=False)
    pem, key = certs.certificate("relay.test")
    shutil.copy(pem, made.path("relay.pem"))
    shutil.copy(key, made.path("relay.key"))
    made.write_conf({"tls": {"certificate": "relay.pem", "key": "relay.key"},
                     "listen": listeners(made, opportunistic=2525, required=587, implicit=465)})
    return made.start()


def verifying():
    return ssl.create_default_context(cafile=certs.authority())


def test_starttls(here, out):
    with here.connect() as c:
        assert "STARTTLS" in c.ehlo()
        c.starttls(verifying())
        assert c.cmd("MAIL FROM:<a@b.test>")[0] == 503         # EHLO is needed again
        assert "STARTTLS" not in c.ehlo()
        c.envelope()
        assert c.data(mail.message())[0] == 250
    trace = mail.split_trace(out.wait(1)[0].data)[0]
    assert b"with ESMTPS" in trace and b"TLS" in trace


def test_opportunistic_also_takes_clear_text(here, out):
    here.send(mail.message())
    assert b"with ESMTP\r\n\tid " in mail.split_trace(out.wait(1)[0].data)[0]


def test_required_means_required(here):
    with here.connect(port=587) as c:
        c.ehlo()
        assert c.cmd("MAIL FROM:<a@b.test>")[0] == 530
        assert c.cmd("NOOP")[0] == 250
        c.starttls()
        c.ehlo()
        c.envelope()


def test_implicit(here, out):
    with here.connect(port=465, tls=verifying()) as c:
        assert "STARTTLS" not in c.ehlo()
        c.envelope()
        assert c.data(mail.message())[0] == 250
        assert c.cmd("STARTTLS")[0] in (502, 503, 554)
    out.wait(1)


@pytest.mark.parametrize("extra", [b"EHLO evil.test\r\n", b"MAIL FROM:<evil@x.test>\r\n",
                                   b"NOOP\r\n" * 50, b"x"])
def test_nothing_before_the_handshake_is_kept(here, out, extra):
    """Commands sent behind STARTTLS in clear text: the session ends or they are forgotten."""
    with here.connect() as c:
        c.ehlo()
        c.write(b"STARTTLS\r\n" + extra)
        try:
            assert c.reply()[0] in (220, 554, 501, 421)
            c.sock = client.trusting().wrap_socket(c.sock)
            c.write(b"NOOP\r\n")
            assert c.reply()[0] in (250, 503)
            assert c.cmd("MAIL FROM:<a@b.test>")[0] == 503     # the injected EHLO does not count
        except (client.Closed, OSError):
            pass
    assert not out.messages


def test_envelope_from_before_is_forgotten(here):
    with here.connect() as c:
        c.ehlo()
        c.envelope()
        c.starttls()
        c.ehlo()
        assert c.cmd("DATA")[0] in (503, 554)


@pytest.mark.parametrize("version,works", [(ssl.TLSVersion.TLSv1_1, False),
                                           (ssl.TLSVersion.TLSv1_2, True),
                                           (ssl.TLSVersion.TLSv1_3, True)])
def test_versions(here, version, works):
    context = client.trusting()
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with here.connect() as c:
        c.ehlo()
        try:
            c.starttls(context)
            assert c.sock.version() == version.name.replace("_", ".")
            spoke = True
        except (ssl.SSLError, client.Closed, ConnectionResetError):
            spoke = False
    assert spoke == works


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_are_resumed_on_any_worker(here, version):
    context = client.trusting()
    context.minimum_version = context.maximum_version = version
    session, resumed = None, 0
    for _ in range(8):                      # two workers: a ticket of one is good at the other
        with here.connect() as c:
            c.ehlo()
            c.starttls(context, session)
            c.ehlo()                        # TLS 1.3 sends its tickets after the handshake
            resumed += c.sock.session_reused
            session = session or c.sock.session
            c.cmd("QUIT")
    assert resumed == 7


def peer_serial(here):
    with here.connect() as c:
        c.ehlo()
        c.starttls(verifying())
        return int(c.sock.getpeercert()["serialNumber"], 16)


def test_new_certificate_is_used_without_a_restart(here):
    assert peer_serial(here) == 1001
    with here.connect() as old:             # a session from before goes on
        old.ehlo()
        pem, key = certs.certificate("relay.test", serial=2)
        shutil.copy(key, here.path("relay.key"))
        shutil.copy(pem, here.path("relay.pem"))
        here.reload()
        net.wait_for("the new certificate", lambda: peer_serial(here) == 1002)
        assert old.cmd("NOOP")[0] == 250


def test_new_certificate_is_noticed_by_itself(here):
    pem, key = certs.certificate("relay.test", serial=2)
    shutil.copy(key, here.path("relay.key"))
    shutil.copy(pem, here.path("relay.pem"))
    net.wait_for("the new certificate", lambda: peer_serial(here) == 1002, 90, 0.5)


def test_broken_certificate_keeps_the_old_one(here):
    here.write("relay.pem", "this is not a certificate\n")
    failed = here.reload(check=False)
    assert failed.returncode != 0 and "relay.pem" in failed.stdout + failed.stderr
    assert peer_serial(here) == 1001


def test_handshake_garbage_ends_the_session_only(here):
    with here.connect() as c:
        c.ehlo()
        assert c.cmd("STARTTLS")[0] == 220
        c.write(b"this is no TLS at all\r\n" * 10)
        assert c.closed()
    with here.connect(port=465, greeting=False) as c:
        c.write(b"EHLO clear.test\r\n")
        assert c.closed()
    assert peer_serial(here) == 1001
