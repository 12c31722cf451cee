"""
test_limits — every key of `traffic`, as the receiving side sees it

Sites of one provider, place or egress share a limit, whichever workers they live on. No token comes
before its time, so what arrives k-th cannot arrive before it was allowed: these bounds hold however
slow the machine is. That limits are used fully is shown in virtual time (tests/sim).
"""
import itertools
import threading
import time

import pytest
from wp import mail, net, smtpd

SITES, WORKERS = 3, 4
SLACK = 0.25                            # of a rate: what may be caught up


class Noting(smtpd.Behaviour):
    """Keeps when it was connected to, and how many were there at a time over all its servers.

    From EHLO on: a probe of control says none, and is not under the limits of mail. Those count
    that stand as the kernel knows it: the relay waits two seconds for the end after QUIT, with
    which these threads may be late.
    """
    lock = threading.Lock()

    def __init__(self):
        self.connects, self.at, self.known = [], [], []
        self.may, self.never = threading.Event(), threading.Event()
        self.may.set()

    @property
    def inside(self):
        return sum(s.stands() for s in list(self.known))

    @property
    def peak(self):
        return max(self.at)

    def ehlo(self, s, name):
        with self.lock:
            self.connects.append(time.monotonic())
            self.known.append(s)
            self.at.append(self.inside)
        return super().ehlo(s, name)

    def received(self, s, message):
        self.may.wait(60)
        return super().received(s, message)

    def quit(self, s):
        self.never.wait(0.1)            # a server that takes its time has it all the while
        return super().quit(s)


class Late(smtpd.Behaviour):
    """Greets every 1.5 s, all that came meanwhile; keeps when MAIL comes."""
    tick = 1.5

    def __init__(self):
        self.lock, self.began, self.greeted, self.mails = threading.Lock(), None, [], []

    def connected(self, s):
        with self.lock:
            self.began = self.began or time.monotonic()
        at = int((time.monotonic() - self.began) / self.tick) + 1
        time.sleep(max(0, self.began + at * self.tick - time.monotonic()))
        self.greeted.append(at)
        return super().connected(s)

    def mail(self, s, address, args):
        self.mails.append(time.monotonic())
        return super().mail(s, address, args)


def provider(world, sink, traffic, conf=None, behaviour=None):
    """Sites that are all of big.test, each with a server of its own: (relay, servers)."""
    servers = [sink(behaviour) for _ in range(SITES)]
    networks = [{"network": f"{s.address}/32", "carrier": "lab", "region": "here"} for s in servers]
    here, z = world(conf={"workers": WORKERS, "geo": {"networks": networks}, **(conf or {})},
                    policies={"traffic": traffic})
    for i, s in enumerate(servers):
        z.add(f"d{i}.test", f"MX 5 mx{i}.big.test.").host(f"mx{i}.big.test", s.address)
    return here, servers


def all_of(servers):
    return sorted((m for s in servers for m in list(s.messages)), key=lambda m: m.time)


def wait_all(servers, count):
    net.wait_for(f"{count} messages", lambda: len(all_of(servers)) >= count)
    return all_of(servers)


def never_early(times, began, per_second):
    for k, at in enumerate(sorted(times)):
        assert at - began >= k / per_second - SLACK, (k, at - began)


def send_to_all(here, count, size=0):
    began = time.monotonic()
    for i in range(count):
        here.send(mail.message(size=size), to=[f"b@d{i % SITES}.test"])
    return began


@pytest.mark.parametrize("when", [{"provider": "big.test"}, {"recipient_carrier": "lab"},
                                  {"recipient_region": "he*"}, {"egress": "default"}])
def test_rate_is_that_of_all_sites_together(world, sink, when):
    here, servers = provider(world, sink, [{"when": when, "rate": "10/s"}],
                             conf={"egress": [{"name": "default"}]})
    began = send_to_all(here, 25)
    never_early([m.time for m in wait_all(servers, 25)], began, 10)
    here.wait_empty()


def test_rate_of_each_site_by_itself(world, sink):
    """The same number, once for each: a rule by MX host is none of the provider."""
    here, servers = provider(world, sink, [{"when": {"mx": "*.big.test"}, "rate": "1/h"}])
    send_to_all(here, 2 * SITES)
    wait_all(servers, SITES)
    net.wait_for("all held", lambda: sorted(r.get("held_back_by", "") for r in here.rows("queue"))
                 == ["rate"] * SITES)
    assert [len(s.messages) for s in servers] == [1] * SITES


def test_connections_are_those_of_all_sites_together(world, sink):
    """Two at a time for three sites with mail all the time: they take turns."""
    noting = Noting()
    rule = {"when": {"recipient_carrier": "lab"}, "connections": 2}
    here, servers = provider(world, sink, [rule], behaviour=noting)
    noting.may.clear()
    send_to_all(here, 6 * SITES)
    net.wait_for("two sessions", lambda: noting.inside == 2)
    net.wait_for("a reason", lambda: "connections of carrier lab" in
                 {r.get("held_back_by") for r in here.rows("queue")})
    noting.may.set()
    wait_all(servers, 6 * SITES)
    assert noting.peak == 2
    here.wait_empty()


def test_connections_opened_are_those_of_the_egress(world, sink):
    noting = Noting()
    here, servers = provider(world, sink, [{"when": {"egress": "def*"}, "connection_rate": "5/s",
                                            "messages_per_connection": 1}],
                             behaviour=noting, conf={"egress": [{"name": "default"}]})
    began = send_to_all(here, 15)
    wait_all(servers, 15)
    assert len(noting.connects) >= 15
    never_early(noting.connects, began, 5)


def test_an_egress_at_its_limit_leaves_the_mail_to_others(world, sink):
    here, servers = provider(world, sink, [{"when": {"egress": "slow"}, "rate": "1/h"}],
                             conf={"egress": [{"name": "slow"}, {"name": "other", "weight": 0}]})
    send_to_all(here, 9)
    wait_all(servers, 9)
    used = sorted(r["egress"] for r in here.wait_log("delivered", 9))
    assert used == ["other"] * 8 + ["slow"]
    told = here.json("explain", "--from", "a@client.test", "--to", "b@d0.test")
    assert {e["name"]: e["reason"] for e in told["egress"]}["slow"] == \
        "ruled out: a traffic limit of it is reached"


def test_rate_is_kept_where_it_is_counted(relay, sink):
    """Sessions that are greeted together carry their mail one by one, as the rate has it."""
    late = Late()
    here = relay(to=sink(late), policies={"traffic": [
        {"when": {"site": "*"}, "rate": "1/s", "messages_per_connection": 1}]})
    for _ in range(3):
        here.send(mail.message(), to=["b@dest.test"])
    here.wait_empty()
    assert len(late.mails) == 3
    assert max(late.greeted.count(at) for at in late.greeted) > 1
    for earlier, later in itertools.pairwise(sorted(late.mails)):
        assert later - earlier >= 1 - 2 * SLACK, late.mails


def test_recipients_are_those_of_the_domain(world, sink):
    """Eight messages of five recipients, at ten a second; the other site goes freely."""
    here, servers = provider(world, sink, [{"when": {"recipient_domain": "d0.test"},
                                            "recipient_rate": "10/s"}])
    began = time.monotonic()
    for _ in range(6):
        here.send(mail.message(), to=[f"r{i}@d0.test" for i in range(5)])
        here.send(mail.message(), to=[f"r{i}@d1.test" for i in range(5)])
    wait_all(servers, 12)
    for k, m in enumerate(sorted(servers[0].messages, key=lambda m: m.time)):
        assert m.time - began >= 5 * k / 10 - SLACK, k
    assert all(len(m.rcpts) == 5 for m in all_of(servers))


def test_recipients_of_one_message_in_parts(world, sink):
    """Parts of one message are transactions like others: each waits for its recipients."""
    here, servers = provider(world, sink, [{"when": {"provider": "*"}, "recipient_rate": "10/s",
                                            "recipients_per_message": 5}])
    began = time.monotonic()
    here.send(mail.message(), to=[f"r{i}@d0.test" for i in range(20)])
    for k, m in enumerate(wait_all(servers, 4)):
        assert len(m.rcpts) == 5
        assert m.time - began >= 5 * k / 10 - SLACK, k


def test_bytes_of_large_and_small_messages(world, sink):
    here, servers = provider(world, sink, [{"when": {"site": "*", "provider": "big.test"},
                                            "byte_rate": "1MiB/s"}])
    began = time.monotonic()
    here.send(mail.message(size=3 << 20), to=["b@d0.test"])         # streamed, window by window
    for _ in range(8):
        here.send(mail.message(size=200000), to=["b@d1.test"])      # whole
    wait_all(servers, 9)
    large = servers[0].messages[0]
    assert large.time - began >= 1.5
    for k, m in enumerate(sorted(servers[1].messages, key=lambda m: m.time)):
        assert m.time - began >= 200000 * k / (1 << 20) - SLACK, k


def test_queue_and_explain_name_what_holds(world, sink):
    here, servers = provider(world, sink, [
        {"when": {"mx": "*.big.test"}, "connections": 9},
        {"when": {"provider": "big.test"}, "rate": "2/h", "byte_rate": "1GiB/day"},
        {"when": {"priority": "normal"}, "connections": 1, "rate": "1/day"}])  # never applies
    send_to_all(here, 6)
    wait_all(servers, 1)
    says = {"rate of provider big.test"}
    net.wait_for("the reason", lambda: says <= {r.get("held_back_by") for r in here.rows("queue")})
    assert "rate of provider big.test" in here.cli("queue").stdout
    told = here.json("explain", "--to", "b@d0.test")["limits"]
    assert told["connections"] == 9
    [rule] = told["traffic"]
    assert "policies.yaml:" in rule.pop("rule")
    assert rule == {"over": "provider big.test", "rate": "2/h", "byte_rate": "1GiB/day"}


def test_explain_says_what_delivery_does(world, sink):
    """Domains of one MX are one site, with the name and the rules that its mail has brought."""
    server = sink()
    here, z = world(conf={"workers": 1}, policies={"traffic": [
        {"when": {"recipient_domain": "d0.test"}, "connections": 3},
        {"when": {"site": "d0.test"}, "recipients_per_message": 7}]})
    z.host("mx.big.test", server.address)
    for i in range(2):
        z.add(f"d{i}.test", "MX 5 mx.big.test.")

    def limits(to):
        told = here.json("explain", "--to", to)["limits"]
        return told["connections"], told["recipients_per_message"]

    assert limits("b@d0.test") == (3, 7)
    assert limits("b@d1.test") != (3, 7)
    for i in range(2):
        here.send(mail.message(), to=[f"b@d{i}.test"])
        server.wait(i + 1)
    assert limits("b@d0.test") == limits("b@d1.test") == (3, 7)


def test_reload_keeps_what_was_taken(world, sink):
    one = [{"when": {"provider": "big.test"}, "rate": "1/h"}]
    here, servers = provider(world, sink, one)
    here.send(mail.message(), to=["b@d0.test"])
    wait_all(servers, 1)
    for i in range(SITES):
        here.send(mail.message(), to=[f"b@d{i}.test"])
    here.write_conf(policies={"traffic": [{"when": {"mx": "x.test"}, "rate": "9/s"}, *one]})
    here.reload()
    net.wait_for("all held", lambda: [r.get("held_back_by") for r in here.rows("queue")]
                 == ["rate of provider big.test"] * SITES)
    assert len(all_of(servers)) == 1
    here.write_conf(policies={"traffic": [{"when": {"provider": "big.test"}, "rate": "100/s"}]})
    here.reload()
    wait_all(servers, 1 + SITES)        # of the faster rate one token is owed, not an hour
    here.wait_empty()


def test_sessions_that_are_there_count_towards_a_limit_that_is_new(world, sink):
    """None is opened on top of them, and none before it is known where the sites are."""
    noting = Noting()
    here, servers = provider(world, sink, [], behaviour=noting)
    noting.may.clear()
    # more than eight sessions take, which a site begins with, and one message behind each
    send_to_all(here, 20 * SITES)
    net.wait_for("all of those", lambda: noting.inside == 8 * SITES)
    here.write_conf(policies={"traffic": [{"when": {"recipient_carrier": "lab"},
                                           "connections": 2}]})
    here.reload()
    before = len(noting.connects)
    net.wait_for("a reason", lambda: any(r.get("held_back_by", "").startswith("connections")
                                         for r in here.rows("queue")))
    assert len(noting.connects) == before
    noting.may.set()
    wait_all(servers, 20 * SITES)
    assert len(noting.connects) > before and max(noting.at[before:]) <= 2
    here.wait_empty()


@pytest.mark.parametrize("reloads", [False, True])
def test_connections_to_a_relay_count_until_they_are_closed(world, sink, reloads):
    """Two: by delivery.connections, and by a rule on the egress."""
    noting = Noting()
    far = sink(noting)
    rule = {"when": {"egress": "far"}, "messages_per_connection": 1}
    here, z = world(conf={"workers": 1, "delivery": {"connections": 9 if reloads else 2},
                          "egress": [{"name": "far", "via": {"relay": far.host}}]},
                    policies={"traffic": [{**rule, **({"connections": 2} if reloads else {})}]})
    for i in range(SITES):
        z.add(f"d{i}.test", f"MX 5 mx{i}.big.test.").host(f"mx{i}.big.test", "127.0.0.9")
    if not reloads:
        noting.may.clear()
    send_to_all(here, 4 * SITES)
    if reloads:
        here.reload()
    else:
        net.wait_for("a reason", lambda: "connections in all" in
                     {r.get("held_back_by") for r in here.rows("queue")})
        noting.may.set()
    wait_all([far], 4 * SITES)
    assert noting.peak <= 2
    here.wait_empty()


def test_no_wait_for_a_limit_outlasts_it(world, sink):
    """The second half of the recipients, and of a large body, would come in half an hour."""
    here, servers = provider(world, sink, [
        {"when": {"mx": "mx0.*"}, "recipient_rate": "10/h", "recipients_per_message": 5},
        {"when": {"mx": "mx1.*"}, "byte_rate": "2MiB/h"}])
    here.send(mail.message(), to=[f"r{i}@d0.test" for i in range(10)])
    here.send(mail.message(size=2 << 20), to=["b@d1.test"])
    servers[0].wait(1)
    net.wait_for("the large one begun", lambda: servers[1].commands("BDAT"))
    here.write_conf(policies={"traffic": []})
    here.reload()
    servers[0].wait(2)
    servers[1].wait(1)
    here.wait_empty()
    assert len(all_of(servers)) == 3
