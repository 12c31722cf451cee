"""
test_peers — Waypost between real mail servers: Postfix, smtp-source, smtp-sink
"""
import shutil
import subprocess

import pytest
from wp import certs, mail, net, servers


def test_postfix_as_client_and_smtp_sink_behind(relay, keep):
    out = keep(servers.SmtpSink())
    here = relay(to=out)
    client = keep(servers.Postfix(relayhost=f"[{here.address}]:2525", myhostname="office.test",
                                  mydestination="", disable_dns_lookups="yes"))
    for i in range(30):
        client.submit(b"Subject: number %d\n\ntext\n.dot\n" % i, "a@office.test", "b@dest.test")
    net.wait_for("thirty messages", lambda: len(out.messages) == 30, 60)
    net.wait_for("the last", lambda: any(b"Subject: number 29" in m for m in out.messages))
    net.wait_for("an empty queue in front", lambda: not client.queued())
    here.wait_empty()


def test_postfix_as_client_over_tls_with_auth(relay, sink, keep):
    out = sink()
    done = relay(start=False).cli("hash-password", stdin="secret\n")
    made = relay(to=out, start=False, users={"office": {"password": done.stdout.split()[-1]}},
                 conf={"clients": [{"network": "10.0.0.0/8"}],
                       "tls": {"certificate": "relay.pem", "key": "relay.key"}})
    pem, key = certs.certificate("relay.test")
    shutil.copy(pem, made.path("relay.pem"))
    shutil.copy(key, made.path("relay.key"))
    made.write_conf({"listen": [{"address": f"{made.address}:2525", "tls": "required",
                                 "auth": "required"}]})
    made.start()
    keep_pw = f"inline:{{ [{made.address}]:2525=office:secret }}"
    client = keep(servers.Postfix(
        relayhost=f"[{made.address}]:2525", myhostname="office.test", mydestination="",
        disable_dns_lookups="yes", smtp_tls_security_level="encrypt", smtp_sasl_auth_enable="yes",
        smtp_sasl_password_maps=keep_pw, smtp_sasl_security_options=""))
    client.submit(b"Subject: x\n\nhi\n", "a@office.test", "b@dest.test")
    assert b"ESMTPSA" in mail.split_trace(out.wait(1, 40)[0].data)[0]


def test_postfix_behind_as_the_destination(world, keep):
    box = keep(servers.postfix_with_mailboxes("box.test", "joe", "ann"))
    here, zone = world()
    zone.mail("box.test", box.address)
    text = mail.message(subject="for joe", extra=b".dot\r\n")
    here.send(text, to=["joe@box.test", "ann@box.test", "nobody@box.test"], sender="")
    net.wait_for("both boxes", lambda: box.mailbox("joe") and box.mailbox("ann"))
    assert b".dot\n" in box.mailbox("joe")[0] and b"Subject: for joe" in box.mailbox("ann")[0]
    row = here.wait_log("bounced")[0]
    assert row["recipient"] == "nobody@box.test" and row["code"] == 550


def test_postfix_in_front_and_behind(world, keep):
    box = keep(servers.postfix_with_mailboxes("box.test", "joe"))
    here, zone = world()
    zone.mail("box.test", box.address)
    client = keep(servers.Postfix(relayhost=f"[{here.address}]:2525", myhostname="office.test",
                                  mydestination="", disable_dns_lookups="yes"))
    for i in range(20):
        client.submit(b"Subject: %d\n\n" % i + b"x" * 1000 * i + b"\n", "a@office.test",
                      "joe@box.test")
    net.wait_for("twenty", lambda: len(box.mailbox("joe")) == 20, 60)


@pytest.mark.parametrize("options,sink_options", [
    (["-s", "10", "-m", "300", "-l", "4096"], []),
    (["-d", "-s", "20", "-m", "500", "-l", "4096"], []),
    (["-s", "10", "-m", "100", "-r", "5", "-l", "1000"], []),
    (["-s", "10", "-m", "200", "-l", "4096"], ["-p"]),              # no PIPELINING behind
    (["-s", "10", "-m", "100", "-l", "4096"], ["-e"]),              # no ESMTP behind
    (["-s", "5", "-m", "50", "-l", "4096"], ["-w", "1"]),           # slow replies behind
], ids=["each", "kept", "recipients", "no_pipelining", "no_ehlo", "slow"])
def test_smtp_source_to_smtp_sink(relay, keep, options, sink_options):
    out = keep(servers.SmtpSink(*sink_options))
    here = relay(to=out)
    done = subprocess.run(["smtp-source", *options, "-f", "a@client.test", "-t", "b@dest.test",
                           f"{here.address}:{here.port}"], capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    wanted = int(options[options.index("-m") + 1])
    net.wait_for("all of them", lambda: len(out.messages) >= wanted, 90, 0.2)
    here.wait_empty(60)
    assert len(out.messages) == wanted


@pytest.mark.parametrize("option", [
    ["-f", "RCPT"], ["-f", "MAIL"], ["-f", "."], ["-r", "MAIL"], ["-q", "RCPT"], ["-q", "DATA"],
], ids=" ".join)
def test_smtp_sink_that_refuses(relay, keep, option):
    """-f: hard error, -r: soft error, -q: disconnect. Nothing is delivered, nothing crashes."""
    out = keep(servers.SmtpSink(*option))
    here = relay(to=out)
    here.send(mail.message(), sender="")
    event = "bounced" if option[0] == "-f" else "deferred"
    here.wait_log(event)
    assert not here.log("delivered")
