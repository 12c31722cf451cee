"""
test_measure — what the gateway reports of its paths is what the emulator does to them
"""
import contextlib
import time

import pytest
from load import Load
from topology import World, wait_measured
from wp import mail, net

NEAR, FAR = ("ct", "north"), ("cm", "south")
ONE_EACH = {"delivery": {"messages_per_connection": 1}}


def by_recipient(*names):
    """A route for each egress: the user part of the address says which one."""
    return {"routes": [{"name": n, "when": {"recipient": f"{n}@*"}, "egress": [n]} for n in names]}


def assert_rtt(told, truth):
    assert abs(told["rtt_ms"] - truth) <= max(1, 0.05 * truth), (told, truth)


@pytest.mark.figures
def test_rtt_of_paths_with_mail():
    """Through proxies the time of both legs together."""
    names = ("gz-1", "gz-2", "socks", "hap")
    legs = {"socks": 10, "hap": 30}
    rtts = {NEAR: {"gz-1": 8, "gz-2": 25, "socks": 20, "hap": 40},
            FAR: {"gz-1": 60, "gz-2": 150, "socks": 90, "hap": 15}}
    with World(names, conf=ONE_EACH, policies=by_recipient(*names)) as world:
        for name, rtt in legs.items():
            world.set_first_leg(name, rtt)
        for group, row in rtts.items():
            for name, rtt in row.items():
                world.set(name, group, rtt)
        for _ in range(20):
            for group in rtts:
                for name in names:
                    world.send(mail.message(), group, name)
        world.here.wait_log("delivered", 20 * 8)
        time.sleep(1)                       # the table comes with the next advice
        for group, row in rtts.items():
            told = world.explain(group)
            for name, rtt in row.items():
                assert_rtt(told[name], rtt + legs.get(name, 0))


@pytest.mark.figures
def test_rtt_of_paths_without_mail():
    """Probes alone: one of each egress, as the budget of the destination allows."""
    rtts = {"gz-1": 12, "gz-2": 35, "gz-3": 120}
    with World(tuple(rtts)) as world:
        for name, rtt in rtts.items():
            world.set(name, NEAR, rtt)
        world.send(mail.message(), NEAR)    # now the group is known
        wait_measured(world, [NEAR], rtts, 60)
        told = world.explain(NEAR)
        for name, rtt in rtts.items():
            assert_rtt(told[name], rtt)


def wait_rtt(world, truth):
    def told():
        return abs(world.explain(NEAR)["gz-1"].get("rtt_ms", 0) - truth) <= max(1, 0.05 * truth)
    net.wait_for(f"{truth} ms", told, 30, 0.2)


@pytest.mark.figures
def test_rtt_follows_a_change():
    with World(("gz-1",), conf=ONE_EACH) as world:
        world.set("gz-1", NEAR, 20)
        with Load(world, [NEAR], 10) as load:
            wait_rtt(world, 20)
            world.set("gz-1", NEAR, 80)
            wait_rtt(world, 80)
        load.check_all_arrived()


@pytest.mark.figures
@pytest.mark.parametrize("rate", [6, 24])
def test_loss(rate):
    """After 300 samples within two points of the truth, also where more mail goes than tells of
    itself one by one; and every mail is counted."""
    losses = {"gz-1": 0, "gz-2": 3, "gz-3": 8}
    with World(tuple(losses), conf=ONE_EACH, policies={
            "traffic": [{"when": {"recipient": "*"}, "connections": 200}],
            **by_recipient(*losses)}) as world, contextlib.ExitStack() as stack:
        loads = []
        for name, loss in losses.items():
            world.set(name, NEAR, 20, loss=loss)
            loads.append(stack.enter_context(Load(world, [NEAR], rate, name)))
        net.wait_for("300 messages each", lambda: min(len(x.sent) for x in loads) >= 300, 90, 0.5)
        told = world.explain(NEAR)
    for name, loss in losses.items():
        assert abs(told[name]["loss"] * 100 - loss) <= 2, {n: told[n]["loss"] for n in losses}


@pytest.mark.figures
def test_report_of_links():
    """`waypost report links`: a row for each path, once its first minute is over."""
    rtts = {"gz-1": 30, "gz-2": 70}
    with World(tuple(rtts)) as world:
        for name, rtt in rtts.items():
            world.set(name, NEAR, rtt)
        with Load(world, [NEAR], 4) as load:
            def rows():
                told = world.here.json("report", "links")
                found = {r["egress"]: r for r in told} if isinstance(told, list) else {}
                return found if found.keys() == rtts.keys() else None
            found = net.wait_for("a row for each path", rows, 150, 1)
        load.check_all_arrived()
        for name, rtt in rtts.items():
            assert_rtt(found[name], rtt)
            assert (found[name]["carrier"], found[name]["region"]) == NEAR
        assert found["gz-1"]["mails"] > 0 and found["gz-1"]["first_try"] == 1
