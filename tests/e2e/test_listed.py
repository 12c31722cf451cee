"""
test_listed — a list has one of our addresses: what waits leaves by the others, and comes back late

The lists themselves are in test_lists, what receivers say in test_reputation.
"""
import collections
import socket
import threading
import time

import pytest
from wp import client, mail, net, servers, smtpd, waypost

ELSEWHERE = "192.0.2.0/24\n"                # a feed that has none of ours
HEAD = "$TTL 5\n:127.0.0.2:Spam from $\n127.0.0.2\n"


def two(a, b, feed=None, weights=(1, 1), **reputation):
    """Egresses a and b. Names and lists are looked up at a server that is not there."""
    if feed:
        reputation["feeds"] = [{"file": feed, "format": "netset", "points": 100}]
    return {"egress": [{"name": "a", "address": a, "weight": weights[0]},
                       {"name": "b", "address": b, "weight": weights[1]}],
            "reputation": reputation, "dns": {"servers": [net.loopback() + ":53"]}}


def with_feed(relay, server, a, b, **how):
    """A running relay with a feed of its own, and how to write that."""
    here = relay(to=server, start=False, policies=waypost.merged(waypost.LATER,
                                                                 how.pop("policies", {})))
    path = here.write("bad.netset", ELSEWHERE)
    here.write_conf(two(a, b, path, **how))
    here.start()
    return here, lambda text: here.write("bad.netset", ELSEWHERE + text)


def wait_state(here, state, egress="a", count=1):
    return here.wait_log("egress_state", count, 30, egress=egress, state=state)


def test_a_feed_that_lists_an_address_bars_it(relay, sink):
    a, b = net.loopback(), net.loopback()
    server = sink()
    here, write = with_feed(relay, server, a, b)
    for i in range(20):
        here.send(mail.message(), sender=f"u@s{i}.test")
    server.wait(20)
    assert {m.peer for m in server.messages} == {a, b}
    write(a + "\n")
    event = here.wait_log("listing", 1, 30, egress="a", state="listed")[0]
    assert event["source"] == a and "bad.netset" in event["reason"]
    wait_state(here, "draining")
    net.wait_for("the relay to know", lambda: "barred" in explain(here), 10)
    for i in range(20):
        here.send(mail.message(), sender=f"u@s{i}.test")
    assert {m.peer for m in server.wait(40)[20:]} == {b}


def explain(here):
    return here.cli("explain", "--from", "a@client.test", "--to", "b@dest.test").stdout


def test_nothing_is_left_and_mail_is_held_or_sent(relay, sink):
    """Both addresses listed: `last_resort` decides, and a reload changes it."""
    a, b = net.loopback(), net.loopback()
    server = sink()
    here, write = with_feed(relay, server, a, b)
    write(f"{a}\n{b}\n")
    wait_state(here, "draining", "a")
    wait_state(here, "draining", "b")
    net.wait_for("the relay to know", lambda: explain(here).count("barred") == 2, 10)
    here.send(mail.message())
    net.wait_for("it to be put off", lambda: "barred" in str(here.json("queue")), 30)
    assert not server.messages and not here.log("bounced")
    here.write_conf({"reputation": {"last_resort": "send"}})
    here.reload()
    server.wait(1, 60)


def test_listed_by_two_resolvers(relay, sink, keep):
    a, b = net.loopback(), net.loopback()
    zones = {"bl.test": ("ip4set", HEAD)}
    one, other = keep(servers.Rbldnsd(zones)), keep(servers.Rbldnsd(zones))
    server = sink()
    blocklist = {"zone": "bl.test", "codes": {"127.0.0.2": 100}, "interval": "10s",
                 "resolvers": [one.host, other.host]}
    here = relay(to=server, conf=two(a, b, blocklists=[blocklist]), policies=waypost.LATER)
    for server_of_list in (one, other):
        server_of_list.write("bl.test", HEAD + a + "\n")
    wait_state(here, "draining")
    net.wait_for("the relay to know", lambda: "barred" in explain(here), 10)
    for i in range(20):
        here.send(mail.message(), sender=f"u@s{i}.test")
    assert {m.peer for m in server.wait(20)} == {b}


class Slow(smtpd.Behaviour):
    """Takes its time with what comes from one address; tells what each began."""

    def __init__(self, address):
        self.address, self.begun = address, collections.Counter()

    def mail(self, s, address, args):
        self.begun[s.peer] += 1
        return super().mail(s, address, args)

    def received(self, s, message):
        if s.peer == self.address:
            time.sleep(0.05)
        return super().received(s, message)


def submit(here, texts):
    """Over kept sessions, four at a time."""
    def run(part):
        with here.connect() as c:
            c.ehlo()
            for text in part:
                c.envelope()
                c.data(text)
    threads = [threading.Thread(target=run, args=(texts[i::4],)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def many(least):
    """Ten thousand in the release build; with sanitizers so many prove the same."""
    return least if "asan" in waypost.binary() else 10000


def once_each(here, got, count):
    """All of it is there, none twice, and nothing was returned."""
    seen = collections.Counter(mail.message_id(m.data) for m in got)
    assert len(seen) == count and set(seen.values()) == {1}
    assert not here.log("bounced") and not here.log("deferred")


@pytest.mark.release
@pytest.mark.timeout(300)
def test_thousands_waiting_leave_by_the_other(relay, sink):
    """All wait for egress a (b is the reserve). The feed lists a: what runs there ends, nothing
    more begins, everything is delivered once."""
    count, connections = many(3000), 4
    a, b = net.loopback(), net.loopback()
    behaviour = Slow(a)
    server = sink(behaviour)
    here, write = with_feed(relay, server, a, b, weights=(1, 0),
                            policies={"traffic": [{"connections": connections}]})
    texts = [mail.message() for _ in range(count)]
    submit(here, texts)
    assert behaviour.begun[a] < count / 2, "most of it waits"
    begun = time.monotonic()
    write(a + "\n")
    wait_state(here, "draining")
    net.wait_for("mail by the other", lambda: behaviour.begun[b], 10, 0.001)
    took, at_a = time.monotonic() - begun, behaviour.begun[a]
    got = server.wait(count, 200)
    print(f"{took:.2f} s from the change of the file to the first mail by the other address, "
          f"{time.monotonic() - begun:.2f} s to the last of {count - at_a}")
    assert behaviour.begun[a] <= at_a + 2 * connections     # under way, and one behind each
    once_each(here, got, count)


@pytest.mark.release
@pytest.mark.timeout(300)
def test_thousands_that_nothing_could_carry_leave_when_one_is_back(relay, sink):
    """None may carry mail, so all of it waits for one that may: woken at once, not one by one."""
    count = many(1000)
    a, b = net.loopback(), net.loopback()
    server = sink()
    here, _ = with_feed(relay, server, a, b)
    for name in "ab":
        here.cli("egress", "disable", name)
    net.wait_for("the relay to know", lambda: explain(here).count("barred") == 2, 30)
    submit(here, [mail.message() for _ in range(count)])
    assert len(here.queue("--domain", "dest.test")) == count and not server.messages
    begun = time.monotonic()
    here.cli("egress", "enable", "b")
    server.wait(1)
    took = time.monotonic() - begun
    net.wait_for("all to have a turn", lambda: sum(
        row["waiting"] for row in here.rows("queue")) == 0, 60, 0.05)
    print(f"{took:.2f} s from the order to the first of {count}, "
          f"{time.monotonic() - begun:.2f} s until none waits for an egress")
    got = server.wait(count, 200)
    assert {m.peer for m in got} == {b}
    once_each(here, got, count)


def test_a_new_address_gets_little_mail(relay, sink):
    """Warming up: a handful at once and twenty an hour to one receiver, the rest by the other."""
    a, b = net.loopback(), net.loopback()
    server = sink()
    conf = two(a, b)
    conf["egress"][0]["warmup"] = {"start": time.strftime("%Y-%m-%d", time.gmtime())}
    here = relay(to=server, conf=conf, policies=waypost.LATER)
    net.wait_for("control to say so", lambda: "b" in {r["egress"] for r in here.log("delivered")}
                 or here.send(mail.message(), sender=f"u@s{time.monotonic_ns() % 997}.test"), 20)
    before = len([m for m in server.messages if m.peer == a])
    total = len(server.messages)
    for i in range(60):
        here.send(mail.message(), sender=f"u@s{i}.test")
    got = server.wait(total + 60, 30)
    by_a = len([m for m in got if m.peer == a]) - before
    assert by_a <= 3, f"{by_a} of 60 by the address that is warming up"
    assert not here.log("deferred")


def test_a_feed_that_lists_nearly_all_is_not_believed_at_once(relay, sink):
    """One line too many in somebody's file takes nobody's mail down; it is said."""
    ours = [net.loopback() for _ in range(3)]
    server = sink()
    here = relay(to=server, start=False, policies=waypost.LATER)
    path = here.write("bad.netset", ELSEWHERE)
    here.write_conf({"egress": [{"name": n, "address": a} for n, a in zip("abc", ours)],
                     "reputation": {"feeds": [{"file": path, "format": "netset", "points": 100}]},
                     "dns": {"servers": [net.loopback() + ":53"]}})
    here.start()
    here.write("bad.netset", ELSEWHERE + "".join(a + "\n" for a in ours))
    net.wait_for("the alarm", lambda: "more than half of our addresses" in here.stderr(), 30)
    assert not here.log("listing") and not here.log("egress_state")
    here.send(mail.message())
    server.wait(1)
    here.write("bad.netset", ELSEWHERE + ours[0] + "\n")        # mended: the one is believed
    wait_state(here, "draining")
    assert [r["egress"] for r in here.log("listing", state="listed")] == ["a"]


class Tells(smtpd.Server):
    """A SOCKS5 proxy that is the destination, too; it tells where it connects from."""

    def __init__(self, source):
        self.told = socket.inet_aton(source)
        super().__init__(port=1080)

    def _serve(self, s):
        s.exactly(3)
        s.send(b"\5\0")
        s.exactly(10)
        s.send(b"\5\0\0\1" + self.told + b"\x12\x67")
        super()._serve(s)


def test_an_address_that_a_proxy_tells_is_watched(relay, sink, keep):
    """No configuration names it. Listed, its mail leaves by the other egress; after a kill as well,
    when there is no mail to tell it anew."""
    b, seen = net.loopback(), "203.0.113.77"
    server = sink()
    proxy = keep(Tells(seen))
    here = relay(to=server, start=False, policies=waypost.LATER)
    path = here.write("bad.netset", ELSEWHERE)
    conf = two(None, b, path, weights=(1, 0))
    conf["egress"][0] = {"name": "a", "via": {"socks5": proxy.host}}
    here.write_conf(conf)
    here.start()
    here.send(mail.message())
    assert proxy.wait(1)
    net.wait_for("it to be learned", lambda: seen in here.stderr(), 10)
    here.write("bad.netset", ELSEWHERE + seen + "\n")
    assert here.wait_log("listing", 1, 30, egress="a", state="listed")[0]["source"] == seen
    wait_state(here, "draining")
    here.kill_tree()
    here.start()
    net.wait_for("the relay to know", lambda: "barred" in explain(here), 20)
    here.send(mail.message())
    assert server.wait(1)[0].peer == b
    feed = net.wait_for("the watch to go on", lambda: [
        r for r in here.rows("report", "reputation") if r.get("kind") == "feed"
        and r["address"] == seen], 20)
    assert feed[0]["state"] == "listed" and feed[0]["egress"] == "a"
