"""
test_reshaped — mail that waits outlives a start with another shape: workers, tiers
"""
import os

from wp import mail, waypost

NOWHERE = ["127.0.0.1:1"]


def fill(here, count, **how):
    texts = [mail.message(**how) for _ in range(count)]
    for n, text in enumerate(texts):
        here.send(text, to=(f"b@d{n}.test",))
    return texts


def changed(here, conf=None, policies=None):
    here.stop()
    here.write_conf(conf, policies)
    here.start()


def all_go(here, out, texts):
    changed(here, policies={"routes": [{"name": "all", "hosts": [out.host], "tls": "none"}]})
    here.retry()
    got = sorted(mail.split_trace(m.data)[1] for m in out.wait(len(texts)))
    assert got == sorted(texts)
    here.wait_empty()


def test_waiting_mail_outlives_a_change_of_workers(relay, sink):
    here = relay(to=NOWHERE, conf={"workers": 1}, policies=waypost.LATER)
    texts = []
    for workers in (3, 2):
        texts += fill(here, 8)
        changed(here, {"workers": workers})
        assert len(here.queue()) == len(texts)
    all_go(here, sink(), texts)


def test_waiting_mail_outlives_a_change_of_tiers(relay, sink):
    here = relay(to=NOWHERE, policies=waypost.LATER)
    tiers = [{"path": here.path(name), "size": "1GiB"} for name in "ab"]
    none = [{"path": here.conf["state"] + "/spool"}]
    texts = fill(here, 3, size=100_000) + fill(here, 1, size=3_000_000)    # and one in chunks
    for now in (tiers, tiers[::-1], tiers[:1], none):
        changed(here, {"spool": {"tiers": now}})
        texts += fill(here, 1, size=100_000) + fill(here, 1, size=3_000_000)
        assert len(here.queue()) == len(texts)
    assert os.listdir(here.path("a")) == os.listdir(here.path("b")) == []
    all_go(here, sink(), texts)


def test_a_disk_that_is_not_mounted_costs_no_mail(relay, sink):
    here = relay(to=NOWHERE, policies=waypost.LATER)
    tier, away = here.path("a"), here.path("away")
    changed(here, {"spool": {"tiers": [{"path": tier}]}})
    texts = fill(here, 1, size=3_000_000)
    here.stop()
    os.rename(tier, away)
    os.mkdir(tier, 0o700)
    os.chown(tier, os.stat(away).st_uid, os.stat(away).st_gid)
    here.start(wait=False)
    assert here.child.popen.wait(30) == 1
    assert f"the tier {tier} of the spool is not there" in here.stderr()
    os.rmdir(tier)
    os.rename(away, tier)
    all_go(here, sink(), texts)
