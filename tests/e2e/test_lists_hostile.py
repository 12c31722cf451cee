"""
test_lists_hostile — blocklists and resolvers that lie, break or die: they list nobody, hide nothing
"""
import pytest
from dnslib import RR
from test_lists import HEAD, TESTS, blocklist, events, rows, watch
from wp import dns, net, servers


def reverse(address):
    return ".".join(reversed(address.split(".")))


class Everything(dns.Zone):
    """Answers every question for an address with the same record: a list or resolver gone mad."""

    def __init__(self, record):
        super().__init__()
        self.always = record

    def _right(self, question, name, kind):
        reply = question.reply(aa=1, ra=1)
        if kind == "A":
            reply.add_answer(*RR.fromZone(f"{name}. 60 IN {self.always}\n", origin="."))
        return reply.pack()


def right(zone, address, record="A 127.0.0.2", **how):
    """The truth: the test entry is listed, and this address."""
    return dns.Zone(f"2.0.0.127.{zone} {record}", f"{reverse(address)}.{zone} {record}",
                    **{"ttl": 5, **how})


def broken(fault, *truth):
    zone = right(*truth)
    zone.fault("*", fault)
    return zone


def rewritten(*truth):
    """What exists is answered right; what does not has the address of an ad server."""
    zone = right(*truth)
    zone.rewrites = "192.0.2.80"
    return zone


# Each a resolver that must not be believed about a list, from the list's name and whom it lists.
HOSTILE = {
    "quota": lambda *_: dns.Server(Everything("A 127.255.255.255")),
    "open-resolver": lambda *_: dns.Server(Everything("A 127.255.255.254")),
    "typing-error": lambda *_: dns.Server(Everything("A 127.255.255.252")),
    "wildcard": lambda *_: dns.Server(Everything("A 127.0.0.2")),
    "parked": lambda *_: dns.Server(Everything("A 192.0.2.80")),
    "alias-nowhere": lambda *_: dns.Server(Everything("CNAME nowhere.test.")),
    "empty": lambda *_: dns.Server(dns.Zone()),
    "rewritten": lambda *truth: dns.Server(rewritten(*truth)),
    "closed-tcp": lambda *truth: dns.Server(broken("truncated", *truth), tcp=False),
    "lists-itself": lambda zone, address: servers.Rbldnsd(
        {zone: ("ip4set", f"{HEAD}{TESTS}127.0.0.1\n{address}\n")}),
    "no-test-entry": lambda zone, address: servers.Rbldnsd(
        {zone: ("ip4set", f"{HEAD}{address}\n")}),
    **{fault: lambda *truth, fault=fault: dns.Server(broken(fault, *truth)) for fault in (
        "refused", "servfail", "notimp", "formerr", "silent", "wrong_id", "wrong_question",
        "garbage", "short", "pointer_loop")},
}
# Odd ways to say something true.
ODD = {
    "over-tcp": lambda *truth: broken("truncated", *truth),
    "without-edns": lambda *truth: broken("no_edns", *truth),
    "alias": lambda *truth: right(*truth, "CNAME yes.test.").add("yes.test", "A 127.0.0.2"),
    "ttl-none": lambda *truth: right(*truth, ttl=0, negative=0),
    "ttl-longest": lambda *truth: right(*truth, ttl=2**31 - 1, negative=2**31 - 1),
    "ttl-absurd": lambda *truth: right(*truth, ttl=2**32 - 1, negative=2**32 - 1),
}


@pytest.mark.timeout(300)
def test_hostile_servers_list_nobody_and_hide_nothing(relay, keep):
    """Each fault alone: nobody is listed. Beside a right server: what is listed there is found. Two
    that tell the truth in an odd way: found. Two that do not agree: not believed."""
    ours = [net.loopback() for _ in range(4)]
    listed = ours[2]
    data = HEAD + TESTS + listed + "\n"
    honest = keep(servers.Rbldnsd({f"with-{name}.test": ("ip4set", data) for name in HOSTILE}
                                  | {"disagree.test": ("ip4set", data)}))
    stale = keep(servers.Rbldnsd({"disagree.test": ("ip4set", HEAD + TESTS)}))
    lists = [blocklist("disagree.test", honest, stale)]
    for name, make in HOSTILE.items():
        for zone in (f"{name}.test", f"with-{name}.test"):
            peers = [keep(make(zone, listed))] + ([honest] if zone.startswith("with-") else [])
            lists.append(blocklist(zone, *peers))
    for name, make in ODD.items():
        pair = [keep(dns.Server(make(f"{name}.test", listed))) for _ in range(2)]
        lists.append(blocklist(f"{name}.test", *pair))
    here, _ = watch(relay, lists, addresses=ours)
    expected = {f"with-{name}.test" for name in HOSTILE} | {f"{name}.test" for name in ODD}

    def found():
        return {(e["source"], e["address"]) for e in events(here, "listing", state="listed")}

    net.wait_for("all listings", lambda: {s for s, _ in found()} >= expected, 200, 0.5)
    assert found() == {(source, listed) for source in expected}
    for name in HOSTILE:
        got = rows(here, source=f"{name}.test")
        assert len(got) == len(ours), name
        assert all(row["state"] == "unknown" and row["problem"] for row in got), got
    row, = rows(here, source="disagree.test", address=listed)
    assert row["state"] == "unknown" and "do not agree" in row["problem"]
