"""
test_smtp_access — who may relay: listed clients and nobody else; PROXY from listed networks
"""
import socket
import struct

import pytest
from wp import client, mail, net


@pytest.fixture
def out(sink):
    return sink()


def try_to_relay(c, sender="a@client.test", to="b@dest.test"):
    """Codes of MAIL and RCPT; the first refusal ends it."""
    c.ehlo()
    code, _ = c.cmd(f"MAIL FROM:<{sender}>")
    return c.cmd(f"RCPT TO:<{to}>")[0] if code == 250 else code


STRANGERS = {"clients": [{"network": "127.1.0.0/16", "name": "friends"},
                         {"network": "0.0.0.0/0", "recipients": ["*@lists.test"]}]}
FRIEND = "127.1.2.3"


@pytest.mark.parametrize("sender,to", [
    ("a@client.test", "b@dest.test"), ("", "b@dest.test"), ("a@relay.test", "b@dest.test"),
    ("b@dest.test", "b@dest.test"), ("postmaster@relay.test", "b@dest.test"),
    ("a@lists.test", "b@dest.test"), ("a@client.test", "b%dest.test@lists.test.evil.test"),
    ("a@client.test", "@lists.test:b@dest.test"), ("a@client.test", "b@lists.test.evil.test"),
    ("a@client.test", "b@evillists.test"), ("a@client.test", '"b@lists.test"@dest.test'),
    ("a@client.test", "b@[127.0.0.1]"), ("a@client.test", "b@dest.test@lists.test"),
])
def test_strangers_may_not_relay(relay, out, sender, to):
    here = relay(to=out, conf=STRANGERS)
    with here.connect() as c:
        assert try_to_relay(c, sender, to) in (550, 553, 554, 501)
        assert c.cmd("DATA")[0] in (503, 554)


def test_strangers_may_write_to_listed_recipients(relay, out):
    here = relay(to=out, conf=STRANGERS)
    with here.connect() as c:
        assert try_to_relay(c, to="friends@lists.test") == 250
        assert c.cmd("RCPT TO:<b@dest.test>")[0] in (550, 554)
        assert c.cmd("RCPT TO:<OTHER@LISTS.TEST>")[0] == 250
        assert c.data(mail.message())[0] == 250
    assert len(out.wait(1)[0].rcpts) == 2


def test_listed_clients_may_relay(relay, out):
    here = relay(to=out, conf=STRANGERS)
    with here.connect(source=FRIEND) as c:
        assert try_to_relay(c) == 250


def test_unlisted_clients_are_refused(relay, out):
    here = relay(to=out, conf={"clients": [{"network": "10.0.0.0/8"}]})
    try:
        with here.connect(greeting=False) as c:
            code, _ = c.reply()
            if code == 220:
                assert try_to_relay(c) in (550, 554, 530)
            else:
                assert code in (554, 521, 421)
    except client.Closed:
        pass


def test_first_matching_network_decides(relay, out):
    here = relay(to=out, conf={"clients": [
        {"network": f"{FRIEND}/32", "recipients": ["*@only.test"]}, {"network": "127.0.0.0/8"}]})
    with here.connect(source=FRIEND) as c:
        assert try_to_relay(c) in (550, 554)
        assert c.cmd("RCPT TO:<x@only.test>")[0] == 250
    with here.connect() as c:
        assert try_to_relay(c) == 250


# --- PROXY protocol
def v1(source, family="TCP4"):
    target = "::1" if family == "TCP6" else "127.0.0.1"
    return f"PROXY {family} {source} {target} 4711 25\r\n".encode()


def v2(source, command=1, family=0x11, tail=b""):
    if family == 0x21:
        body = socket.inet_pton(socket.AF_INET6, source) + bytes(16)
    else:
        body = socket.inet_aton(source) + socket.inet_aton("127.0.0.1")
    body += struct.pack(">HH", 4711, 25) + tail
    return (b"\r\n\r\n\0\r\nQUIT\n" + bytes([0x20 | command, family])
            + struct.pack(">H", len(body)) + body)


@pytest.fixture
def behind(relay, out):
    """A listener for proxies in 127.9.0.0/16; only 192.0.2.0/24 and 2001:db8::/32 may relay."""
    made = relay(to=out, start=False, conf={"clients": [
        {"network": "192.0.2.0/24"}, {"network": "2001:db8::/32"}, {"network": "127.9.9.9/32"}]})
    made.write_conf({"listen": [
        {"address": f"{made.address}:2525", "tls": "none", "auth": "none"},
        {"address": f"{made.address}:2626", "tls": "none", "auth": "none",
         "proxy_protocol": ["127.9.0.0/16"]}]})
    return made.start()


PROXY = "127.9.0.1"


@pytest.mark.parametrize("header,seen", [
    (v1("192.0.2.7"), "192.0.2.7"), (v2("192.0.2.8"), "192.0.2.8"),
    (v1("2001:db8::1", "TCP6"), "2001:db8::1"), (v2("2001:db8::2", family=0x21), "2001:db8::2"),
    (v2("192.0.2.9", tail=b"\x04\x00\x03abc"), "192.0.2.9"),            # a TLV, skipped
])
def test_proxy_header_gives_the_client(behind, out, header, seen):
    with behind.connect(port=2626, source=PROXY, prefix=header) as c:
        assert try_to_relay(c) == 250
        assert c.data(mail.message())[0] == 250
    assert seen.encode() in mail.split_trace(out.wait(1)[0].data)[0]
    assert behind.wait_log("received")[0]["client"].startswith(seen)


def test_proxy_header_byte_by_byte(behind):
    c = behind.connect(port=2626, source=PROXY, greeting=False)
    for byte in v2("192.0.2.7"):
        c.write(bytes([byte]))
    assert c.reply()[0] == 220
    assert try_to_relay(c) == 250
    c.close()


def test_client_named_by_a_proxy_is_judged(behind):
    with behind.connect(port=2626, source=PROXY, prefix=v1("198.51.100.1")) as c:
        assert try_to_relay(c) in (550, 554)


def test_proxy_local_command_is_the_proxy_itself(behind):
    with behind.connect(port=2626, source="127.9.9.9", prefix=v2("192.0.2.7", command=0)) as c:
        assert try_to_relay(c) == 250


@pytest.mark.parametrize("source,port", [("127.8.0.1", 2626), (None, 2626), (PROXY, 2525)],
                         ids=["unlisted", "default", "plain_listener"])
@pytest.mark.parametrize("header", [v1("192.0.2.7"), v2("192.0.2.7")], ids=["v1", "v2"])
def test_proxy_header_from_others_is_worth_nothing(behind, out, header, source, port):
    try:
        with behind.connect(port=port, source=source, greeting=False) as c:
            c.write(header)
            c.reply()
            assert try_to_relay(c) in (550, 554, 503)
    except (client.Closed, AssertionError) as e:
        assert "250" not in str(e)
    assert not out.messages


@pytest.mark.parametrize("header", [
    b"PROXY TCP4 192.0.2.7\r\n", b"PROXY TCP4 192.0.2.7 x 1 2\r\n", b"PROXY " + b"x" * 200,
    b"PROXY TCP4 192.0.2.7 127.0.0.1 99999 25\r\n", b"EHLO c.test\r\n", v2("192.0.2.7")[:-2] + b"",
    b"\r\n\r\n\0\r\nQUIT\n\x31\x11\x00\x0c" + bytes(12), b"PROXY TCP4 192.0.2.7 127.0.0.1 1 25\n",
], ids=range(8))
def test_broken_proxy_headers_end_the_session(behind, header):
    c = behind.connect(port=2626, source=PROXY, greeting=False)
    try:
        c.write(header)
        c.sock.shutdown(socket.SHUT_WR)
        code, _ = c.reply()
        assert code != 220, "a broken header was taken for a client"
    except (client.Closed, OSError):        # it may have hung up before our end of input
        pass
    c.close()
    assert net.greets(behind.address, 2525)
