"""
test_times — DELIVERBY (RFC 2852), FUTURERELEASE (RFC 4865), deadlines of rules, retry by lane

Every wait is for something that must come; what must not come is looked for when something later
has come. No test needs the machine to be fast: a deadline that passes early gives the same outcome.
"""
import datetime

import pytest
from wp import mail, net, smtpd, waypost


class Putting(smtpd.Behaviour):
    """Defers recipients while `on`; knows DELIVERBY."""
    extensions = (*smtpd.EXTENSIONS, "DELIVERBY")

    def __init__(self):
        self.on = True

    def rcpt(self, s, address, args):
        return "450 4.2.1 not now" if self.on and "client" not in address else "250 ok"


@pytest.fixture
def pair(relay, sink):
    """(relay, next hop, what comes back to client.test); nothing is tried again by itself."""
    def make(behaviour, policies=None, **how):
        out, back = sink(behaviour), sink()
        routes = [{"name": "back", "when": {"recipient_domain": "client.test"},
                   "hosts": [back.host], "tls": "none"},
                  {"name": "all", "hosts": [out.host], "tls": "none"}]
        rules = waypost.merged({**waypost.LATER, "routes": routes}, policies or {})
        return relay(policies=rules, **how), out, back
    return make


def report_of(back, count=1):
    return mail.Report(back.wait(count)[count - 1].data)


def at(row):
    return datetime.datetime.fromisoformat(row["time"].replace("Z", "+00:00"))


def test_both_are_offered(relay):
    with relay().connect() as c:
        offers = c.ehlo()
    most, until = offers["FUTURERELEASE"].split()
    assert "DELIVERBY" in offers and most == "2592000"
    assert datetime.datetime.fromisoformat(until.replace("Z", "+00:00"))


def test_a_deadline_is_forwarded_with_what_is_left(pair):
    behaviour = Putting()
    behaviour.on = False
    here, out, back = pair(behaviour)
    here.send(mail.message(), mail=["BY=3600;RT"])
    args = out.wait(1)[0].mail_args
    left, mode = args.split("BY=")[1].split()[0].split(";")
    assert mode == "RT" and 0 < int(left) <= 3600
    report = report_of(back)                                # T: each relaying is reported
    assert report.recipients[0]["Action"] == "relayed"
    assert report.fields["Deliver-By-Date"]


def test_mail_is_returned_at_its_deadline(pair):
    here, _, back = pair(Putting())
    here.send(mail.message(), mail=["BY=3;R"])
    report = report_of(back)
    one = report.recipients[0]
    assert (one["Action"], one["Status"]) == ("failed", "5.4.7")
    assert report.fields["Deliver-By-Date"] and report.fields["Arrival-Date"]
    sent, ended = here.wait_log("received")[0], here.wait_log("expired")[0]
    assert ended["enhanced"] == "5.4.7"
    assert at(ended) - at(sent) > datetime.timedelta(seconds=2.5)
    here.wait_empty()


def test_a_deadline_survives_a_restart(pair):
    here, _, back = pair(Putting())
    here.send(mail.message(), mail=["BY=5;R"])
    here.kill_tree()
    here.start()
    assert report_of(back).recipients[0]["Status"] == "5.4.7"
    here.wait_empty()


def test_late_mail_is_told_of_once_and_goes_on(pair):
    behaviour = Putting()
    here, out, back = pair(behaviour)
    here.send(mail.message(), mail=["BY=2;N"])
    one = report_of(back).recipients[0]
    assert (one["Action"], one["Status"]) == ("delayed", "4.4.7")
    row = here.json("queue", "show", here.queue()[0]["id"])
    assert row["when_late"] == "notify" and row["deliver_by"]
    here.kill_tree()                                        # that it was told is remembered
    here.start()
    behaviour.on = False
    net.wait_for("the mail to be tried", lambda: here.retry() and out.messages)
    left = out.messages[0].mail_args.split("BY=")[1].split(";")[0]
    assert int(left) <= 0                                   # RFC 2852 section 4.1.4
    here.wait_empty()
    assert len(back.messages) == 1


def test_of_all_that_a_dead_site_keeps_its_senders_are_told(pair):
    """One of them is tried and puts off the rest: of these, too, it is told, and once."""
    here, out, back = pair(smtpd.Behaviour(), policies={"retry": {"delay_notice": "1s"}})
    out.close()
    names = {f"b{n}@dest.test" for n in range(4)}
    for name in sorted(names):
        here.send(mail.message(), to=name)
    told = [mail.Report(m.data).recipients[0] for m in back.wait(4)]
    assert {r["Final-Recipient"].split(";")[1].strip() for r in told} == names
    assert {(r["Action"], r["Status"][0]) for r in told} == {("delayed", "4")}
    assert any("Last-Attempt-Date" not in r for r in told)
    here.kill_tree()                                        # that they were told is remembered
    here.start()
    here.send(mail.message(), to="c@dest.test")
    assert report_of(back, 5).recipients[0]["Final-Recipient"].endswith("c@dest.test")


def test_next_hops_without_deliverby(pair):
    here, out, back = pair(smtpd.Behaviour())
    here.send(mail.message(), mail=["BY=600;R"])
    assert here.wait_log("bounced")[0]["enhanced"] == "5.3.3"
    assert report_of(back).recipients[0]["Status"] == "5.3.3"
    here.send(mail.message(), to="c@dest.test", mail=["BY=600;N"])
    got = out.wait(1)[0]
    assert "BY=" not in got.mail_args and "NOTIFY=FAILURE,DELAY" in got.rcpts[0][1]
    assert report_of(back, 2).recipients[0]["Action"] == "relayed"


def test_a_rule_sets_a_deadline(pair):
    here, _, back = pair(Putting(), policies={"priorities": [
        {"when": {"recipient": "now@*"}, "priority": "urgent", "deliver_by": "2s"},
        {"when": {"recipient": "soon@*"}, "priority": "high", "deliver_by": "1s",
         "late": "notify"}]})
    said = here.json("explain", "--to", "now@dest.test")
    assert (said["deliver_by"], said["when_late"]) == ("2s", "return")
    here.send(mail.message(), to="now@dest.test")
    assert report_of(back).recipients[0]["Status"] == "5.4.7"
    here.send(mail.message(), to="soon@dest.test")
    assert report_of(back, 2).recipients[0]["Status"] == "4.4.7"
    assert [r["recipients"] for r in here.queue()] == [["soon@dest.test"]]


def test_a_rule_holds_mail(pair):
    """`hold_for` of a rule; what the client asks for wins, a retry does not help."""
    behaviour = Putting()
    behaviour.on = False
    here, out, _ = pair(behaviour, policies={"priorities": [
        {"when": {"recipient": "later@*"}, "priority": "normal", "hold_for": "1h"},
        {"when": {"recipient": "soon@*"}, "priority": "normal", "hold_for": "2s"}]})
    said = here.json("explain", "--to", "later@dest.test")
    assert said["hold_for"] == "1h" and said["priority_by"] == "rule"
    here.send(mail.message(), to="later@dest.test")
    here.send(mail.message(), to="later@dest.test", mail=["HOLDFOR=1"])
    here.send(mail.message(), to="soon@dest.test")
    here.retry()
    got = here.wait_log("delivered", 2)
    assert sorted(r["recipient"] for r in got) == ["later@dest.test", "soon@dest.test"]
    taken = here.log("received", recipient="soon@dest.test")[0]
    left = next(r for r in got if r["recipient"] == "soon@dest.test")
    assert at(left) - at(taken) >= datetime.timedelta(seconds=1.5)
    row, = here.queue()
    assert row["recipients"] == ["later@dest.test"] and row["attempts"] == 0
    held = datetime.datetime.fromisoformat(row["held_until"].replace("Z", "+00:00"))
    waits = held - at(here.log("received", id=row["id"])[0])
    assert datetime.timedelta(minutes=59) < waits < datetime.timedelta(minutes=61)
    assert len(out.commands("MAIL")) == 2


@pytest.mark.parametrize("until", [False, True])
def test_mail_is_held_until_its_release(pair, until):
    behaviour = Putting()
    behaviour.on = False
    here, out, _ = pair(behaviour)
    release = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=5)
    here.send(mail.message(), mail=[
        f"HOLDUNTIL={release.isoformat(timespec='milliseconds')}" if until else "HOLDFOR=5"])
    here.kill_tree()
    here.start()
    here.retry()                                            # it is for deferred mail
    delivered = at(here.wait_log("delivered")[0])
    assert delivered >= (release if until else
                         at(here.log("received")[0]) + datetime.timedelta(seconds=4))
    assert len(out.commands("MAIL")) == 1


def test_what_is_held_is_shown(pair):
    here, _, back = pair(Putting())
    here.send(mail.message(), mail=["HOLDFOR=86400", "BY=90000;R"])
    row = here.queue()[0]
    assert row["state"] == "waiting" and row["attempts"] == 0
    assert row["held_until"] == row["next_attempt"] < row["deliver_by"]
    assert here.log("received")[0]["next_attempt"] == row["held_until"]
    here.cli("queue", "bounce", "--to", "b@dest.test")
    fields = report_of(back).fields                         # RFC 4865 section 5.1.2
    assert fields["Future-Release-Request"].replace(" ", "") == "for;86400"


def test_each_lane_is_tried_by_its_own_figures(pair):
    here, out, _ = pair(Putting(), policies={
        "priorities": [{"when": {"recipient": "hot@*"}, "priority": "urgent"}],
        "retry": {"urgent": {"first": "1s", "max": "1s"}}})
    said = here.json("explain", "--to", "hot@dest.test")["retry"]
    assert (said["first"], said["max"], said["expire"]) == ("1s", "1s", "5d")
    here.send(mail.message(), to="cold@dest.test")
    here.wait_log("deferred", recipient="cold@dest.test")
    here.send(mail.message(), to="hot@dest.test")
    here.wait_log("deferred", 3, recipient="hot@dest.test")
    assert len(here.log("deferred", recipient="cold@dest.test")) == 1
