"""
test_urgent — what makes mail urgent, and how much of it may be
"""
import re
import shutil
import smtplib
import ssl
import threading

from wp import certs, mail, net, smtpd, waypost

OFFICE = {"network": "127.0.0.0/8", "name": "office", "may_set_priority": True}


def lanes(here, count):
    return {r["recipient"]: r["priority"] for r in here.wait_log("received", count)}


def test_every_kind_of_rule(relay, sink):
    here = relay(to=sink(), conf={"clients": [OFFICE]}, policies={"priorities": [
        {"when": {"sender": "ceo@corp.test"}, "priority": "urgent"},
        {"when": {"recipient": "vip@*"}, "priority": "high"},
        {"when": {"header": {"X-Priority": "1*"}}, "priority": "urgent"},
        {"when": {"size": ">20KiB"}, "priority": "bulk"},
        {"when": {"sender": "night@corp.test", "time": "mon-sun 00:00-24:00"},
         "priority": "bulk"},
        {"when": {"sender": "never@corp.test", "not": {"time": "mon-sun 00:00-24:00"}},
         "priority": "bulk"},
        {"when": {"client": "office", "sender": "desk@corp.test"}, "priority": "high"}]})
    cases = [("ceo@corp.test", "a0@d.test", b"", 0, "urgent"),
             ("x@corp.test", "vip@d.test", b"", 0, "high"),
             ("x@corp.test", "a2@d.test", b"X-Priority: 1 (Highest)\r\n", 0, "urgent"),
             ("x@corp.test", "a3@d.test", b"", 30000, "bulk"),
             ("night@corp.test", "a4@d.test", b"", 0, "bulk"),
             ("never@corp.test", "a5@d.test", b"", 0, "normal"),
             ("desk@corp.test", "a6@d.test", b"", 0, "high"),
             ("x@corp.test", "a7@d.test", b"", 0, "normal")]
    for sender, to, header, size, _ in cases:
        here.send(header + mail.message(size=size), sender=sender, to=to)
    got = lanes(here, len(cases))
    assert [got[c[1]] for c in cases] == [c[4] for c in cases]
    for args, lane, word in [(("--from", "x@corp.test", "--to", "vip@d.test"), "high", "vip@"),
                             (("--from", "ceo@corp.test", "--to", "b@d.test"), "urgent", "ceo@"),
                             (("--from", "x@corp.test", "--to", "b@d.test", "--header",
                               "X-Priority: 1"), "urgent", "X-Priority")]:
        said = here.json("explain", *args)
        assert (said["priority"], said["priority_by"]) == (lane, "rule")
        assert word in rule_at(here, said["priority_rule"])


def rule_at(here, place):
    """The rule of `priorities` that stands at FILE:LINE, as it was written."""
    line = int(re.search(r"policies.yaml:(\d+)$", place)[1])
    with open(here.path("policies.yaml"), encoding="utf-8") as f:
        return "".join(f.readlines()[line - 1:]).split('"priority"')[0]


def burst(here, count, to):
    """So many urgent messages at once, each by a connection of its own."""
    def one(n):
        with smtplib.SMTP(here.address, here.port, timeout=60) as s:
            s.sendmail("ceo@corp.test", f"{to}{n}@d.test", mail.message())
    threads = [threading.Thread(target=one, args=(n,)) for n in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def test_the_quota_is_exact_over_all_workers_and_a_reload(relay, sink):
    here = relay(to=sink(), conf={"workers": 4, "clients": [{**OFFICE, "urgent": "7/h"}]},
                 policies={"priorities": [{"when": {"sender": "ceo@corp.test"},
                                           "priority": "urgent"}]})
    assert here.json("explain", "--from", "ceo@corp.test", "--to", "x@d.test", "--client",
                     "127.0.0.1")["urgent_left"] == 7
    burst(here, 20, "a")
    rows = here.wait_log("received", 20)
    assert sorted(r["priority"] for r in rows) == ["high"] * 13 + ["urgent"] * 7
    assert {r["priority_by"] for r in rows if r["priority"] == "high"} == {"quota"}
    here.write_conf(conf={"clients": [{**OFFICE, "urgent": "9/h"}]})
    here.reload()
    burst(here, 5, "b")
    rows = here.wait_log("received", 25)[20:]
    assert sorted(r["priority"] for r in rows) == ["high"] * 3 + ["urgent"] * 2
    said = here.json("explain", "--from", "ceo@corp.test", "--to", "x@d.test", "--client",
                     "127.0.0.1")
    assert (said["priority"], said["priority_by"], said["urgent_left"]) == ("high", "quota", 0)
    other = here.json("explain", "--from", "ceo@corp.test", "--to", "x@d.test")
    assert other["priority"] == "urgent"
    here.wait_empty()                                       # none was refused, all are delivered


def with_users(relay, to, users, policies):
    """A relay whose listener takes passwords."""
    here = relay(to=to, users=users, start=False, policies=policies,
                 conf={"tls": {"certificate": "relay.pem", "key": "relay.key"}})
    pem, key = certs.certificate("relay.test")
    shutil.copy(pem, here.path("relay.pem"))
    shutil.copy(key, here.path("relay.key"))
    here.write_conf({"listen": [{"address": f"{here.address}:{here.port}", "tls": "opportunistic",
                                 "auth": "optional"}]})
    return here.start()


def send_as(here, user, to, *options):
    """One message of a user; gives the answer to MAIL."""
    with smtplib.SMTP(here.address, here.port, timeout=60) as s:
        s.starttls(context=ssl._create_unverified_context())        # pylint: disable=W0212
        s.login(user, "secret")
        answer = s.mail("a@client.test", options)
        s.rcpt(f"{to}@d.test")
        code, text = s.data(mail.message())
        assert code == 250, text
        return answer[1]


class Ranking(smtpd.Behaviour):
    """Knows MT-PRIORITY."""
    extensions = (*smtpd.EXTENSIONS, "MT-PRIORITY")


def test_one_user_marks_and_another_does_not(relay, sink):
    """By a rule for the user, and by MT-PRIORITY, which of others is lowered and said to be; a next
    hop is told what holds."""
    secret = waypost.hash_of("secret")
    server = sink(Ranking())
    here = with_users(relay, server, {"boss": {"password": secret},
                                      "app": {"password": secret, "may_set_priority": True},
                                      "news": {"password": secret}},
                      {"priorities": [{"when": {"user": "boss"}, "priority": "urgent"},
                                      {"when": {"user": "ne*"}, "priority": "bulk"}]})
    cases = [("boss", (), "urgent", "4"), ("app", (), "normal", None),
             ("app", ("MT-PRIORITY=6",), "urgent", "6"), ("app", ("MT-PRIORITY=2",), "high", "2"),
             ("news", ("MT-PRIORITY=6",), "bulk", "-1"),
             ("boss", ("MT-PRIORITY=-5",), "urgent", "4")]
    for n, (user, options, _, _) in enumerate(cases):
        answer = send_as(here, user, f"u{n}", *options)
        assert (b"2.3.6" in answer) == (user == "news"), answer     # 6 becomes 0, and then the rule
    got = lanes(here, len(cases))
    assert [got[f"u{n}@d.test"] for n in range(len(cases))] == [c[2] for c in cases]
    told = {m.rcpts[0][0]: re.search(r"MT-PRIORITY=(\S+)", m.mail_args)
            for m in server.wait(len(cases))}
    assert [told[f"u{n}@d.test"] and told[f"u{n}@d.test"][1] for n in range(len(cases))] == \
        [c[3] for c in cases]
    said = here.json("explain", "--user", "boss", "--to", "x@d.test")
    assert said["priority"] == "urgent" and "boss" in rule_at(here, said["priority_rule"])
    assert here.json("explain", "--user", "app", "--to", "x@d.test")["priority"] == "normal"


def test_a_user_has_a_quota(relay, sink):
    ann = {"password": waypost.hash_of("secret"), "may_set_priority": True}
    here = with_users(relay, sink(), {"joe": {**ann, "urgent": "2/day"}, "ann": ann},
                      {"priorities": [{"when": {"user": "ann", "recipient": "slow@*"},
                                       "priority": "bulk"}]})
    for user, to in [("joe", "a0"), ("joe", "a1"), ("joe", "a2"), ("ann", "a3"), ("ann", "a4"),
                     ("ann", "a5"), ("ann", "slow")]:
        send_as(here, user, to, "MT-PRIORITY=6")
    got = lanes(here, 7)
    assert [got[f"a{n}@d.test"] for n in range(6)] == ["urgent"] * 2 + ["high"] + ["urgent"] * 3
    assert got["slow@d.test"] == "bulk"
    said = here.json("explain", "--user", "joe", "--to", "x@d.test")
    assert said["urgent_left"] == 0


def test_ages_of_what_waits(relay):
    here = relay(to=["127.0.0.1:1"], policies={**waypost.LATER, "priorities": [
        {"when": {"sender": "news@x.test"}, "priority": "bulk"}]})
    for n in range(3):
        here.send(mail.message(), sender="news@x.test", to=f"n{n}@dest.test")
    here.send(mail.message(), to="b@dest.test")
    row = net.wait_for("all at their site", lambda: next(
        (r for r in here.rows("queue") if r["site"] == "all" and
         sum(map(sum, r["ages"].values())) == 4), None))
    assert {lane: sum(ages) for lane, ages in row["ages"].items()} == {"normal": 1, "bulk": 3}
    assert all(len(ages) == 11 for ages in row["ages"].values())
    table = here.cli("queue", "ages").stdout.splitlines()
    assert table[0].split()[:4] == ["SITE", "LANE", "ALL", "1m"]
    assert [line.split()[:3] for line in table[1:]] == [
        ["all", "normal", "1"], ["all", "bulk", "3"], ["ALL", "normal", "1"], ["ALL", "bulk", "3"]]
    assert here.cli("queue", "ages", "--to", "x", check=False).returncode == 2
