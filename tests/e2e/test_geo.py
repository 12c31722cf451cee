"""
test_geo — carriers and regions: in the log, in routes, and when a database changes under load
"""
import os
import shutil
import threading

from wp import mail, mmdb, net

HERE = os.path.dirname(os.path.abspath(__file__))
MAXMIND = os.path.join(HERE, "../support/mmdb")


def asn_database(path, networks, **how):
    db = mmdb.Database("Test-ASN", **how)
    for network, asn in networks.items():
        db.add(network, {"autonomous_system_number": mmdb.U32(asn)})
    db.write(path)


def place_database(path, networks, **how):
    db = mmdb.Database("Test-City", **how)
    for network, country in networks.items():
        db.add(network, {"country": {"iso_code": country}, "continent": {"code": "EU"}})
    db.write(path)


def geo(here, **more):
    """Points the configuration of a Waypost not started yet at two databases beside it."""
    here.write_conf({"geo": {"asn_database": here.path("asn.mmdb"),
                             "city_database": here.path("city.mmdb"),
                             "carriers": {"china-telecom": ["AS4134"]},
                             "regions": {"china": ["CN"]}, **more}})


def place_of_next(here):
    """(carrier, region) of one more message."""
    before = len(here.log("delivered"))
    here.send(mail.message())
    row = here.wait_log("delivered", before + 1)[-1]
    return row.get("carrier"), row.get("region")


def test_places_are_in_the_delivery_log(relay, sink):
    s = sink()
    here = relay(to=s, start=False)
    asn_database(here.path("asn.mmdb"), {f"{s.address}/32": 4134})
    place_database(here.path("city.mmdb"), {"127.0.0.0/8": "CN"})
    geo(here)
    here.start()
    assert place_of_next(here) == ("china-telecom", "china")


def test_networks_alone_need_no_database(relay, sink):
    s = sink()
    here = relay(to=s, conf={"geo": {"networks": [{"network": "127.0.0.0/8", "carrier": "lab"}]}})
    assert place_of_next(here) == ("lab", "other")


def test_changed_database_is_taken_up(relay, sink):
    s = sink()
    here = relay(to=s, start=False)
    asn_database(here.path("asn.mmdb"), {"127.0.0.0/8": 4134})
    place_database(here.path("city.mmdb"), {"127.0.0.0/8": "CN"})
    geo(here)
    here.start()
    assert place_of_next(here) == ("china-telecom", "china")
    asn_database(here.path("asn.mmdb"), {"127.0.0.0/8": 65551}, epoch=1700000001)
    net.wait_for("the new one", lambda: place_of_next(here) == ("AS65551", "china"), 30, 0.5)
    # Overwritten in place, half of it, while it is mapped: nobody falls, the old answers stay.
    with open(here.path("asn.mmdb"), "r+b") as f:
        f.truncate(200)
    net.wait_for("a complaint", lambda: "geo_database_refused" in here.stderr(), 30)
    assert place_of_next(here) == ("AS65551", "china")
    # Older than what is in use: refused by itself, taken when an operator says so.
    asn_database(here.path("asn.mmdb"), {"127.0.0.0/8": 4134}, epoch=1600000000)
    net.wait_for("a complaint", lambda: "older than the one in use" in here.stderr(), 30)
    assert place_of_next(here) == ("AS65551", "china")
    told = here.reload().stdout
    assert place_of_next(here) == ("china-telecom", "china")
    assert f"geo.asn_database: {here.path('asn.mmdb')} as it is now, built 2020-09-13" in told
    assert here.reload().stdout == "applied; nothing has changed\n"
    # Gone: told by itself, once, with what serves instead.
    os.unlink(here.path("asn.mmdb"))
    net.wait_for("a complaint", lambda: "No such file" in here.stderr(), 30)
    assert "a copy of an earlier one goes on: asn-" in here.stderr().split("No such file")[1]
    assert place_of_next(here) == ("china-telecom", "china")
    asn_database(here.path("asn.mmdb"), {"127.0.0.0/8": 65552}, epoch=1700000002)
    net.wait_for("the new one", lambda: place_of_next(here) == ("AS65552", "china"), 30, 0.5)
    assert here.stderr().count("No such file") == 1


def test_unusable_database_is_an_error_of_check_and_reload(relay, sink):
    s = sink()
    here = relay(to=s, start=False)
    asn_database(here.path("asn.mmdb"), {"127.0.0.0/8": 4134})
    shutil.copy(os.path.join(MAXMIND, "GeoLite2-ASN-Test.mmdb"), here.path("city.mmdb"))
    geo(here)
    checked = here.cli("check", check=False)
    assert checked.returncode == 78
    assert "waypost.yaml:" in checked.stdout + checked.stderr
    assert 'a "GeoLite2-ASN" and has no places' in checked.stdout + checked.stderr
    here.start()                            # mail does not wait for it
    assert place_of_next(here) == ("china-telecom", "other")
    reloaded = here.reload(check=False)
    assert reloaded.returncode == 78
    assert "has no places" in reloaded.stdout + reloaded.stderr
    place_database(here.path("city.mmdb"), {"127.0.0.0/8": "CN"})
    here.reload()
    assert place_of_next(here) == ("china-telecom", "china")


def test_last_good_copy_serves_after_a_restart(relay, sink):
    s = sink()
    here = relay(to=s, start=False)
    asn_database(here.path("asn.mmdb"), {"127.0.0.0/8": 4134})
    place_database(here.path("city.mmdb"), {"127.0.0.0/8": "CN"})
    geo(here)
    here.start()
    here.stop()
    here.write("asn.mmdb", b"")
    here.start()
    assert place_of_next(here) == ("china-telecom", "china")
    assert "geo_database_refused" in here.stderr() and "it is empty" in here.stderr()


def abroad(world, sink, policies, **more):
    """(Waypost, [sink at home, sink abroad], zone): home.test and abroad.test, two egresses."""
    sinks, egress = [sink(), sink()], [net.loopback(), net.loopback()]
    here, z = world(conf={
        "geo": {"networks": [{"network": f"{sinks[0].address}/32", "region": "home"},
                             {"network": f"{sinks[1].address}/32", "region": "europe"}]},
        "egress": [{"name": "gz-1", "address": egress[0]}, {"name": "hk-1", "address": egress[1]}],
        **more}, policies=policies)
    for name, s in zip(("home.test", "abroad.test"), sinks):
        z.mail(name, s.address)
    return here, sinks, egress, z


OVERSEAS = {"routes": [{"name": "overseas", "when": {"recipient_region": ["europe", "americas"]},
                        "egress": ["hk-*"]},
                       {"name": "default", "egress": ["gz-*"]}]}


def test_route_by_region(world, sink):
    here, sinks, egress, _ = abroad(world, sink, OVERSEAS)
    for _ in range(5):
        here.send(mail.message(), to=["a@home.test", "b@abroad.test"])
    rows = here.wait_log("delivered", 10)
    assert {(r["recipient"], r["route"], r["egress"], r["region"]) for r in rows} == {
        ("a@home.test", "default", "gz-1", "home"),
        ("b@abroad.test", "overseas", "hk-1", "europe")}
    assert [{m.peer for m in s.messages} for s in sinks] == [{egress[0]}, {egress[1]}]
    told = {d: here.json("explain", "--to", f"x@{d}") for d in ("home.test", "abroad.test")}
    assert {d: (e["route"], e["route_may_change"]) for d, e in told.items()} == {
        "home.test": ("default", False), "abroad.test": ("overseas", False)}
    unknown = here.json("explain", "--to", "x@never-asked.test")
    assert (unknown["route"], unknown["route_may_change"]) == ("default", True)


def test_route_by_region_and_header(world, sink):
    """The header is gone when the region becomes known: what it decided must hold still."""
    rules = {"routes": [{"name": "vip", "when": {"recipient_region": "europe",
                                                 "header": {"Subject": "vip*"}}, "egress": "hk-1"},
                        {"name": "default", "egress": "gz-1"}]}
    here, _, egress, _ = abroad(world, sink, rules)
    for subject, size in (("vip", 0), ("vip large", 600000), ("other", 0)):
        here.send(mail.message(subject, size), to=["a@home.test", "b@abroad.test"])
    rows = here.wait_log("delivered", 6)
    assert sorted((r["recipient"], r["route"]) for r in rows) == (
        [("a@home.test", "default")] * 3 + [("b@abroad.test", "default")] +
        [("b@abroad.test", "vip")] * 2)


def test_route_by_mx_name(world, sink):
    rules = {"routes": [{"name": "big", "when": {"mx": "mx.big.test"}, "egress": "hk-1"},
                        {"name": "default", "egress": "gz-1"}]}
    here, sinks, _, z = abroad(world, sink, rules)
    z.add("customer.test", "MX 5 mx.big.test.").host("mx.big.test", sinks[1].address)
    here.send(mail.message(), to=["a@home.test", "b@customer.test"])
    assert sorted((r["recipient"], r["route"]) for r in here.wait_log("delivered", 2)) == [
        ("a@home.test", "default"), ("b@customer.test", "big")]


def test_limit_by_region(world, sink):
    rules = {"traffic": [{"when": {"recipient_region": "europe"}, "connections": 1}]}
    here, sinks, _, _ = abroad(world, sink, rules, egress=[{"name": "only"}])
    for _ in range(20):
        here.send(mail.message(), to="b@abroad.test")
    sinks[1].wait(20)
    with_mail = [s for s in sinks[1].sessions
                 if any(line.startswith("MAIL") for _, line in s.commands)]
    assert len(with_mail) == 1


def test_no_route_is_guessed_while_the_dns_is_silent(world, sink):
    here, _, _, z = abroad(world, sink, OVERSEAS)
    z.fault("mx1.abroad.test", "silent")
    here.send(mail.message(), to="b@abroad.test")
    here.wait_log("deferred", 1)
    assert not here.log("delivered")
    z.mend()
    here.wait_log("delivered", 1, 60, route="overseas")


def test_databases_change_under_load(relay, sink):
    """Twenty swaps while mail flows: every message arrives once, none is deferred."""
    s = sink()
    here = relay(to=s, start=False)
    asn_database(here.path("asn.mmdb"), {"127.0.0.0/8": 4134})
    place_database(here.path("city.mmdb"), {"127.0.0.0/8": "CN"})
    geo(here)
    here.start()
    done, sent = threading.Event(), []

    def send():
        while not done.is_set():
            here.send(mail.message())
            sent.append(1)

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for i in range(5):
        asn_database(here.path("asn.mmdb"), {"127.0.0.0/8": 65600 + i}, epoch=1700000001 + i)
        net.wait_for(f"swap {i}", lambda: any(row.get("carrier") == f"AS{65600 + i}"
                                              for row in here.log("delivered")), 30, 0.3)
    done.set()
    for thread in threads:
        thread.join()
    here.wait_log("delivered", len(sent))
    assert len({mail.message_id(m.data) for m in s.messages}) == len(s.messages) == len(sent)
    assert not here.log("deferred")
    assert len(os.listdir(here.path("state", "run", "geo"))) <= 4
