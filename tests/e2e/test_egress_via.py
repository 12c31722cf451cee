"""
test_egress_via — mail through SOCKS5 (microsocks), PROXY headers (HAProxy) and relays

Where an egress fails its mail goes by another one at once: never deferred, never counted as an
attempt, and back when the egress is back.
"""
import pytest
from egress_help import LOCAL, assert_by, returns, states, through, wait_state
from wp import certs, mail, net, proxies, servers, smtpd, waypost

@pytest.fixture
def socks(keep, tmp_path):
    return lambda **how: keep(proxies.Microsocks(tmp_path, **how))


@pytest.fixture
def haproxy(keep, tmp_path):
    return lambda: keep(proxies.Haproxy(tmp_path))


# --- SOCKS5
def test_socks5(through, socks):
    proxy = socks()
    here, s, _ = through({"socks5": proxy.host}, reserve=False)
    for _ in range(5):
        here.send(mail.message())
    assert {m.peer for m in s.wait(5)} == {proxy.source}
    assert_by(here, "far", 5)
    assert here.log("delivered")[0]["address"] == f"{s.address}:25"


def test_socks5_with_login_by_name(through, socks):
    proxy = socks(user="gw", password="pass word")
    here, s, zone = through({"socks5": "proxy.test:1080", "user": "gw", "password_file": "pw"},
                            reserve=False, files={"pw": "pass word\n"})
    zone.host("proxy.test", proxy.address)
    here.send(mail.message())
    assert s.wait(1)[0].peer == proxy.source
    assert_by(here, "far", 1)


def test_socks5_wrong_password(through, socks):
    proxy = socks(user="gw", password="right")
    here, s, _ = through({"socks5": proxy.host, "user": "gw", "password_file": "pw"},
                         files={"pw": "wrong\n"})
    here.send(mail.message())
    assert s.wait(1)[0].peer != proxy.source
    assert_by(here, "local", 1)
    assert "refuses user and password" in here.stderr()
    assert net.stays(lambda: states(here, "far") and "up" not in states(here, "far"), 3)


def test_a_dead_destination_is_not_the_proxys_fault(through, socks):
    proxy = socks()
    here, s, zone = through({"socks5": proxy.host}, reserve=False)
    zone.mail("dead.test", net.loopback())          # nobody listens there
    here.send(mail.message(), to="x@dead.test")
    here.wait_log("deferred")
    here.send(mail.message())
    assert s.wait(1)[0].peer == proxy.source
    assert not states(here, "far")


def test_the_way_behind_one_proxy_is_cut(through, keep):
    """What the proxy cannot reach another egress can: the mail tries that at once."""
    proxy = keep(proxies.Script(3, b"\x05\x00", 10, b"\x05\x04\x00\x01\0\0\0\0\0\0", "close"))
    here, s, _ = through({"socks5": proxy.host})
    here.send(mail.message())
    s.wait(1)
    assert_by(here, "local", 1)
    assert here.log("rerouted")[0]["egress"] == "far" and not states(here, "far")
    assert here.log("delivered")[0]["attempt"] == 1


def test_a_dead_destination_is_tried_by_three_ways(world):
    here, zone = world(conf={"egress": [{"name": f"e{i}", "address": net.loopback()}
                                        for i in range(5)]}, policies=waypost.LATER)
    zone.mail("dest.test", net.loopback())
    here.send(mail.message())
    row = here.wait_log("deferred")[0]
    tried = [r["egress"] for r in here.log("rerouted")] + [row["egress"]]
    assert len(set(tried)) == len(tried) == 3 and row["attempt"] == 1
    assert "egress_down" not in here.stderr()


def test_killed_proxy(through, socks):
    """Kept sessions too: what was under way goes by the other egress, uncounted."""
    proxy = socks()
    here, s, _ = through({"socks5": proxy.host}, conf={"delivery": {}})
    here.send(mail.message())
    assert s.wait(1)[0].peer == proxy.source
    proxy.kill()
    for _ in range(20):
        here.send(mail.message())
    got = s.wait(21)
    assert proxy.source not in {m.peer for m in got[1:]}
    wait_state(here, "far", "down")
    rows = here.wait_log("delivered", 21)
    assert [r["egress"] for r in rows[1:]] == ["local"] * 20
    assert all(r["attempt"] == 1 for r in rows) and not here.log("deferred")
    proxy.start()
    wait_state(here, "far", "up")
    returns(here, s, proxy.source)


def test_killed_in_the_middle_of_a_message(through, socks):
    class Deadly(smtpd.Behaviour):
        extensions = ("SIZE",)
        proxy = None

        def data(self, s):
            if s.peer == self.proxy.source:
                self.proxy.kill()
            return "354 go"
    Deadly.proxy = socks()
    here, s, _ = through({"socks5": Deadly.proxy.host}, behaviour=Deadly())
    here.send(mail.message())
    assert s.wait(1)[0].peer != Deadly.proxy.source
    assert_by(here, "local", 1)
    assert here.log("rerouted")[0]["egress"] == "far"


@pytest.mark.parametrize("moves", [
    ("close",), (), (b"\x05",), (3, "close"), (b"HTTP/1.0 400 Bad Request\r\n\r\n",),
    (3, b"\x05\xff", "close"), (3, b"\x05\x00", "close"), (3, b"\x05\x00", 10, "close"),
    (3, b"\x05\x00", 10, b"\x05\x01\x00\x01\0\0\0\0\0\0"),
    (3, b"\x05\x00", 10, b"\x05\x02\x00\x01\0\0\0\0\0\0", "close"),
    (3, b"\x05\x00", 10, b"\x05\x07\x00\x01\0\0\0\0\0\0"),
    (3, b"\x05\x00", 10, b"garbage of a certain length")], ids=str)
def test_misbehaving_proxy(through, keep, moves):
    proxy = keep(proxies.Script(*moves))
    here, s, _ = through({"socks5": proxy.host})
    for _ in range(3):
        here.send(mail.message())
    s.wait(3, 30)
    assert_by(here, "local", 3)
    assert proxy.connections


def test_a_proxy_that_says_connected_and_then_nothing(world, sink, keep):
    """Its mail goes by another egress long before the greeting times out, and soon nothing goes by
    it: three groups fail by it that others reach."""
    sinks, proxy = [sink() for _ in range(3)], net.loopback()
    here, zone = world(conf={
        "egress": [{"name": "far", "via": {"socks5": f"{proxy}:1080"}}, LOCAL],
        "geo": {"networks": [{"network": f"{s.address}/32", "carrier": f"c{n}", "region": "r"}
                             for n, s in enumerate(sinks)]},
        "delivery": {"messages_per_connection": 1}})
    for n, s in enumerate(sinks):
        zone.mail(f"d{n}.test", s.address)

    def send_each(count):
        for n, s in enumerate(sinks):
            here.send(mail.message(), to=f"x@d{n}.test")
        for s in sinks:
            s.wait(count)
    send_each(1)                                    # nobody listens there; now the sinks are known
    liar = keep(proxies.Script(3, b"\x05\x00", 10, b"\x05\x00\x00\x01\0\0\0\0\0\0",
                               address=proxy))
    wait_state(here, "far", "up")

    def is_out():
        send_each(len(sinks[0].messages) + 1)
        return [r for r in here.log("egress_state") if (r["egress"], r["state"]) ==
                ("far", "paths down")]
    net.wait_for("the verdict", is_out, 60, 0.5)
    rows = here.wait_log("delivered", sum(len(s.messages) for s in sinks))
    assert {r["egress"] for r in rows} == {"local"} and not here.log("deferred")
    assert liar.connections > 3


def test_alone_and_down_mail_waits(through, socks):
    proxy = socks()
    here, s, _ = through({"socks5": proxy.host}, reserve=False)
    proxy.kill()
    here.send(mail.message())
    wait_state(here, "far", "down")
    assert not s.messages and not here.log("deferred")
    net.wait_for("the reason", lambda: "egress far cannot be used" in here.cli("queue").stdout)
    proxy.start()
    wait_state(here, "far", "up")
    assert s.wait(1)[0].peer == proxy.source
    assert here.wait_log("delivered")[0]["attempt"] == 1


# --- PROXY v2
def test_haproxy(through, haproxy):
    proxy = haproxy()
    here, s, _ = through({"proxy": proxy.host}, reserve=False)
    for _ in range(5):
        here.send(mail.message())
    assert {m.peer for m in s.wait(5)} == {proxy.source}
    assert_by(here, "far", 5)


def test_haproxy_with_source(through, haproxy):
    proxy = haproxy()
    here, s, _ = through({"proxy": proxy.host, "source": proxy.source}, reserve=False)
    here.send(mail.message())
    assert s.wait(1)[0].peer == proxy.source
    assert here.wait_log("delivered")[0]["source"] == proxy.source


def test_haproxy_killed_and_back(through, haproxy):
    proxy = haproxy()
    here, s, _ = through({"proxy": proxy.host})
    proxy.kill()
    here.send(mail.message())
    assert s.wait(1)[0].peer != proxy.source
    assert_by(here, "local", 1)
    proxy.start()
    wait_state(here, "far", "up")
    returns(here, s, proxy.source)


def test_a_proxy_that_speaks_something_else(through, keep):
    """Nobody can tell that from the destination: the mail tries another way, at once."""
    proxy = keep(proxies.Script(28, b"HTTP/1.0 400 Bad request\r\n\r\n", "close"))
    here, s, _ = through({"proxy": proxy.host})
    here.send(mail.message())
    s.wait(1)
    assert_by(here, "local", 1)


# --- relays
@pytest.fixture
def second(relay, sink):
    """A second Waypost with TLS and users, and where it delivers to."""
    def make(certificate=None, **how):
        final = sink()
        pem, key = certificate or certs.certificate("gw2.test")
        gw2 = relay(to=final, start=False, users={"gw1": {"password": waypost.hash_of("secret")}},
                    conf={"tls": {"certificate": pem, "key": key}, "hostname": "gw2.test",
                          "clients": None}, **how)
        gw2.write_conf({"listen": [{"address": f"{gw2.address}:2525", "tls": "required",
                                    "auth": "required"}]})
        return gw2.start(), final
    return make


def relay_egress(password="secret"):
    return {"relay": "gw2.test:2525", "tls": "verify", "user": "gw1", "password_file": "pw"}, \
        {"pw": password + "\n"}


def test_relay_with_tls_and_auth(second, through):
    gw2, final = second()
    via, files = relay_egress()
    here, s, zone = through(via, reserve=False, files=files,
                            conf={"delivery": {"ca_file": certs.authority()}})
    zone.host("gw2.test", gw2.address)
    for n in range(3):
        zone.mail(f"d{n}.test", s.address)
    for n in range(10):
        here.send(mail.message(), to=f"x@d{n % 3}.test")
    assert len(final.wait(10)) == 10 and not s.messages
    rows = here.wait_log("delivered", 10)
    assert {r["mx"] for r in rows} == {"gw2.test"} and {r["egress"] for r in rows} == {"far"}
    assert {r["via"] for r in rows} == {"relay"}
    assert all(r["tls"] for r in rows)


def test_sessions_to_a_relay_serve_all_sites(world, sink):
    """Six sites, two connections: mail of each goes over sessions that others opened."""
    gw2 = sink()
    here, zone = world(conf={"workers": 1, "delivery": {"connections": 2},
                             "egress": [{"name": "far", "via": {"relay": gw2.host}}]})
    for n in range(6):
        zone.mail(f"d{n}.test", net.loopback())
    for n in range(60):
        here.send(mail.message(), to=f"x@d{n % 6}.test")
    assert len({m.session for m in gw2.wait(60)}) <= 2      # a probe may have come before
    assert len({r["site"] for r in here.wait_log("delivered", 60)}) == 6


def test_relay_refuses_the_password(second, through):
    gw2, final = second()
    via, files = relay_egress("wrong")
    here, s, zone = through(via, files=files, conf={"delivery": {"ca_file": certs.authority()}})
    zone.host("gw2.test", gw2.address)
    here.send(mail.message())
    s.wait(1)
    assert_by(here, "local", 1)
    assert not final.messages and "auth: 535 5.7.8" in here.stderr()
    net.wait_for("where to look", lambda: "in the log says why" in
                 " ".join(here.cli("egress", "list").stdout.split()))


@pytest.mark.parametrize("host, how, why", [
    ("other.test", {}, "hostname mismatch"),
    ("gw2.test", {"expired": True}, "certificate has expired"),
    ("gw2.test", {"ca": "otherca"}, "unable to get local issuer certificate")],
    ids=["name", "date", "issuer"])
def test_relay_with_another_certificate(second, through, host, how, why):
    """It is told why, nobody is told the password, and the mail goes by another egress."""
    gw2, final = second(certificate=certs.certificate("gw2.test", **how))
    via, files = relay_egress()
    here, s, zone = through({**via, "relay": f"{host}:2525"}, files=files,
                            conf={"delivery": {"ca_file": certs.authority()}})
    zone.host(host, gw2.address)
    here.send(mail.message())
    s.wait(1)
    assert_by(here, "local", 1)
    assert not final.messages
    wait_state(here, "far", "down")
    assert why in here.stderr(), here.stderr()


def test_relay_down_and_back(through, sink):
    gw2 = sink(port=2526)
    here, s, zone = through({"relay": "gw2.test:2526"})
    zone.host("gw2.test", gw2.address)
    here.send(mail.message())
    gw2.wait(1)
    gw2.close()
    here.send(mail.message())
    s.wait(1)
    wait_state(here, "far", "down")
    assert not here.log("deferred")
    again = sink(address=gw2.address, port=2526)
    wait_state(here, "far", "up")
    net.wait_for("mail at the relay", lambda: here.send(mail.message()) or again.messages, step=0.2)


def test_relay_is_postfix(through, keep):
    box = keep(servers.postfix_with_mailboxes("dest.test", "b"))
    here, s, _ = through({"relay": f"{box.address}:25", "tls": "none"}, reserve=False)
    here.send(mail.message())
    net.wait_for("the mailbox", lambda: box.mailbox("b"))
    assert not s.messages
    assert here.wait_log("delivered")[0]["egress"] == "far"


def test_what_the_relay_says_is_the_answer(through, sink):
    class No(smtpd.Behaviour):
        def rcpt(self, s, address, args):
            return "550 5.1.1 no such user"
    gw2 = sink(No())
    here, s, _ = through({"relay": f"{gw2.address}:25"})
    here.send(mail.message(), sender="")
    here.wait_log("bounced")
    assert not s.messages and not states(here, "far")


def test_a_relay_that_takes_nothing_now(through, sink):
    """Its 4yz says nothing of the destination: who else can deliver does so, at once."""
    class Later(smtpd.Behaviour):
        def mail(self, s, address, args):
            return "452 4.3.1 disk full" if address.startswith("first") else "250 ok"

        def received(self, s, message):
            return "451 4.3.0 later"
    gw2 = sink(Later())
    here, s, zone = through({"relay": f"{gw2.address}:25"})
    for sender in ("first@client.test", "second@client.test"):
        here.send(mail.message(), sender=sender)
    s.wait(2)
    assert_by(here, "local", 2)
    assert [r["egress"] for r in here.wait_log("rerouted", 2)] == ["far", "far"]
    assert not here.log("deferred") and {r["attempt"] for r in here.log("delivered")} == {1}
    zone.mail("greylists.test", sink(Later()).address)      # nobody else can: it waits as always
    here.send(mail.message(), to="x@greylists.test")
    assert here.wait_log("deferred")[0]["egress"] == "local"


def test_routes_with_hosts_never_use_a_relay(relay, sink):
    s, gw2 = sink(), sink()
    here = relay(to=s, conf={"egress": [{"name": "far", "via": {"relay": gw2.host}},
                                        {"name": "local"}]})
    for _ in range(10):
        here.send(mail.message())
    s.wait(10)
    assert not gw2.messages


def test_relay_that_is_ourselves(world, sink):
    s = sink()
    here, zone = world(conf={"egress": [LOCAL]}, start=False)
    here.write_conf({"egress": [{"name": "far", "via": {"relay": f"{here.address}:2525"}}, LOCAL]})
    here.start()
    zone.mail("dest.test", s.address)
    here.send(mail.message())
    s.wait(1)
    assert_by(here, "local", 1)
