"""
test_sealing — spool.encryption: what lies on the disk cannot be read, and a wrong key is said so
"""
import os

from wp import mail, waypost

KEY, OTHER = b"k" * 32, b"o" * 32
SECRET = b"very-private-figures-4711"


def on_disk(here):
    """Every byte of the spool, a file at a time."""
    for folder, _, names in os.walk(here.path("state", "spool")):
        for name in names:
            with open(os.path.join(folder, name), "rb") as f:
                yield f.read()


def sealed(relay):
    return relay(to=["127.0.0.1:1"], policies=waypost.LATER, files={"spool.key": KEY},
                 conf={"spool": {"encryption": {"key_file": "spool.key"}}})


def texts():
    """One that is kept whole, one that goes in chunks."""
    return [mail.message(extra=SECRET + b"\r\n", size=n) for n in (0, 1 << 20)]


def deliver_to(here, out):
    here.write_conf(policies={"routes": [{"name": "all", "hosts": [out.host], "tls": "none"}]})
    here.start()
    here.retry()


def test_waiting_mail_is_sealed_and_survives(relay, sink):
    out, here, sent = sink(), sealed(relay), texts()
    for text in sent:
        here.send(text)
    here.wait_log("deferred")
    here.stop()
    assert all(SECRET not in data and b"a@client.test" not in data for data in on_disk(here))
    deliver_to(here, out)
    assert {mail.split_trace(m.data)[1] for m in out.wait(2)} == set(sent)


def test_without_a_key_the_same_mail_is_readable_on_disk(relay):
    """The test above can fail: unsealed, the text is found."""
    here = relay(to=["127.0.0.1:1"], policies=waypost.LATER)
    here.send(texts()[0])
    here.wait_log("deferred")
    here.stop()
    assert any(SECRET in data for data in on_disk(here))


def test_a_wrong_key_is_a_clear_error_and_loses_nothing(relay, sink):
    out, here, text = sink(), sealed(relay), mail.message()
    here.send(text)
    here.wait_log("deferred")
    here.stop()
    here.write("spool.key", OTHER)
    here.start(wait=False)
    assert here.child.popen.wait(60) != 0
    assert "key" in here.stderr()
    here.write("spool.key", KEY)
    deliver_to(here, out)
    assert mail.split_trace(out.wait(1)[0].data)[1] == text


def refused(here, reason):
    """The reload says why, at once, and what was in force goes on, over a restart too."""
    done = here.reload(check=False)
    assert done.returncode == 1 and reason in done.stderr, done


def test_a_key_that_would_shut_out_waiting_mail_is_refused_by_reload(relay):
    here = sealed(relay)
    here.send(mail.message())
    here.wait_log("deferred")
    for change, reason in (({"encryption": None}, "is sealed, and no key is configured"),
                           ({"encryption": {"key_file": "other.key"}}, "does not fit")):
        here.write("other.key", OTHER)
        kept = dict(here.conf)
        here.write_conf({"spool": change})
        refused(here, reason)
        here.conf = kept
    here.write_conf()
    here.reload()
    here.restart()
    assert len(here.queue()) == 1


def test_sealing_is_not_switched_on_while_unsealed_mail_waits(relay):
    here = relay(to=["127.0.0.1:1"], policies=waypost.LATER, files={"spool.key": KEY})
    here.send(mail.message())
    here.wait_log("deferred")
    change = {"spool": {"encryption": {"key_file": "spool.key"}}}
    here.write_conf(change)
    refused(here, "holds mail that is not sealed")
    here.cli("queue", "drop", "--id", here.queue()[0]["id"])
    here.wait_empty()
    assert "spool.encryption, which needs an empty spool: takes effect" in here.reload().stdout
    here.restart()
    here.send(texts()[0])
    here.wait_log("deferred", 2)
    here.stop()
    assert all(SECRET not in data for data in on_disk(here))
