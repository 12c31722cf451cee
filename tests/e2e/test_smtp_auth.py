"""
test_smtp_auth — AUTH PLAIN and LOGIN: over TLS only, against crypt hashes, wrong ones wait
"""
import base64
import shutil
import time

import pytest
from wp import certs, client, mail, waypost

SECRET = "pässword with spaces"


@pytest.fixture
def out(sink):
    return sink()


@pytest.fixture
def here(relay, out):
    """AUTH required on 587 (TLS required), optional on 2525; 127.0.0.0/8 may not relay itself."""
    users = {"joe": {"password": waypost.hash_of(SECRET), "senders": ["*@corp.test"]},
             "any": {"password": waypost.hash_of("x")}}
    made = relay(to=out, users=users, start=False, conf={
        "clients": [{"network": "10.0.0.0/8"}],
        "tls": {"certificate": "relay.pem", "key": "relay.key"}})
    pem, key = certs.certificate("relay.test")
    shutil.copy(pem, made.path("relay.pem"))
    shutil.copy(key, made.path("relay.key"))
    made.write_conf({"listen": [
        {"address": f"{made.address}:2525", "tls": "opportunistic", "auth": "optional"},
        {"address": f"{made.address}:587", "tls": "required", "auth": "required"}]})
    return made.start()


def secure(here, port=2525):
    c = here.connect(port=port)
    c.ehlo()
    c.starttls()
    c.ehlo()
    return c


def b64(text):
    return base64.b64encode(text.encode()).decode()


def test_hash_is_yescrypt():
    assert waypost.hash_of("x").startswith("$y$") and waypost.hash_of("x") != waypost.hash_of("x")


def test_offered_over_tls_only(here):
    with here.connect() as c:
        assert "AUTH" not in c.ehlo()
        code, _ = c.auth_plain("joe", SECRET)
        assert code in (503, 530, 538)
        assert c.cmd("NOOP")[0] == 250
    with secure(here) as c:
        assert set(c.extensions["AUTH"].split()) == {"PLAIN", "LOGIN"}


def test_plain(here, out):
    with secure(here) as c:
        assert c.auth_plain("joe", SECRET)[0] == 235
        c.envelope(sender="joe@corp.test")
        assert c.data(mail.message())[0] == 250
    assert b"with ESMTPSA" in mail.split_trace(out.wait(1)[0].data)[0]
    row = here.wait_log("received")[0]
    assert row["sender"] == "joe@corp.test"


def test_plain_with_a_continuation(here):
    with secure(here) as c:
        assert c.cmd("AUTH PLAIN")[0] == 334
        assert c.cmd(b64(f"\0joe\0{SECRET}"))[0] == 235


@pytest.mark.parametrize("initial", [False, True])
def test_login(here, initial):
    with secure(here) as c:
        if initial:
            assert c.cmd("AUTH LOGIN " + b64("joe")) == (334, "UGFzc3dvcmQ6")
        else:
            assert c.cmd("AUTH LOGIN") == (334, "VXNlcm5hbWU6")
            assert c.cmd(b64("joe")) == (334, "UGFzc3dvcmQ6")
        assert c.cmd(b64(SECRET))[0] == 235


def test_wrong_passwords_wait_longer_each_time(here):
    waits = []
    with secure(here) as c:
        for _ in range(3):
            begun = time.monotonic()
            assert c.auth_plain("joe", "wrong")[0] == 535
            waits.append(time.monotonic() - begun)
    assert waits[2] > waits[0] + 0.5, waits                     # grows; the figure is not ours


def test_waiting_for_one_does_not_hold_others(here):
    with secure(here) as slow, secure(here) as fast:
        for _ in range(2):
            slow.auth_plain("joe", "wrong")
        slow.write(b"AUTH PLAIN " + b64("\0joe\0wrong").encode() + b"\r\n")
        begun = time.monotonic()
        for _ in range(20):
            assert fast.cmd("NOOP")[0] == 250
        quick = time.monotonic() - begun
        slow.reply()
        assert quick < time.monotonic() - begun


@pytest.mark.parametrize("user,password", [("joe", ""), ("", SECRET), ("nobody", "x"),
                                           ("joe", SECRET + "x"), ("joe\0", SECRET)])
def test_wrong_credentials(here, user, password):
    with secure(here) as c:
        assert c.auth_plain(user, password)[0] in (535, 501)
        assert c.cmd("MAIL FROM:<joe@corp.test>")[0] in (250, 530)
        assert c.cmd("RCPT TO:<x@dest.test>")[0] in (550, 554, 503, 530)


def test_too_many_wrong_ones_end_the_session(here):
    with secure(here) as c:
        try:
            for _ in range(20):
                code, _ = c.auth_plain("joe", "wrong")
                if code == 421:
                    break
            else:
                pytest.fail("twenty guesses in one session")
        except client.Closed:
            pass


@pytest.mark.parametrize("lines,code", [
    (["AUTH PLAIN !!!!"], 501), (["AUTH PLAIN AA"], 501), (["AUTH"], 501),
    (["AUTH GSSAPI"], 504), (["AUTH PLAIN", "*"], 501), (["AUTH LOGIN", "*"], 501),
    (["AUTH PLAIN", "x" * 20000], (500, 501, 421, 535)),
])
def test_malformed(here, lines, code):
    with secure(here) as c:
        for line in lines:
            got = c.cmd(line)[0]
        assert got in (code if isinstance(code, tuple) else (code,))


def test_not_twice_and_not_within_a_transaction(here):
    with secure(here) as c:
        assert c.auth_plain("any", "x")[0] == 235
        assert c.auth_plain("any", "x")[0] == 503
    with secure(here) as c:
        c.cmd("MAIL FROM:<a@b.test>")
        assert c.auth_plain("any", "x")[0] in (235, 503)


def test_required_means_required(here):
    with secure(here, 587) as c:
        assert c.cmd("MAIL FROM:<joe@corp.test>")[0] == 530
        assert c.auth_plain("joe", SECRET)[0] == 235
        assert c.cmd("MAIL FROM:<joe@corp.test>")[0] == 250


def test_user_may_send_as_listed_only(here):
    with secure(here) as c:
        c.auth_plain("joe", SECRET)
        code, text = c.cmd("MAIL FROM:<boss@other.test>")
        if code == 250:
            code, text = c.cmd("RCPT TO:<x@dest.test>")
        assert code in (550, 553) and ("5.7.1" in text or "5.7.0" in text)
        c.cmd("RSET")
        c.envelope(sender="boss@corp.test")
        assert c.cmd("RSET")[0] == 250
        c.envelope(sender="")                               # a bounce may come from anyone


def test_passwords_are_in_no_log(here):
    with secure(here) as c:
        c.auth_plain("joe", SECRET)
        c.auth_plain("joe", "wrong-secret")
    token = b64(f"\0joe\0{SECRET}")
    log = here.stderr() + repr(here.log())
    assert SECRET not in log and token not in log and "wrong-secret" not in log
