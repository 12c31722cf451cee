"""
test_standing_kept — what is known of our addresses, and ordered, is there after damage to its file
"""
import os

from test_operator import hook, known, standing                 # noqa: F401 (a fixture)
from test_reputation import disabled, egresses
from wp import mail, net, waypost


def damaged(path):
    """One bit of its content is another."""
    with open(path, "r+b") as f:
        f.seek(30)
        byte = f.read(1)[0]
        f.seek(30)
        f.write(bytes([byte ^ 4]))


def stopped_after_an_order(relay, server, **conf):
    a, b = net.loopback(), net.loopback()
    here = relay(to=server, conf={**egresses(a, b), **conf}, policies=waypost.LATER)
    here.cli("egress", "disable", "a")
    here.stop()
    return here, os.path.join(here.conf["state"], "reputation", "standing.bin"), b


def again(here):
    here.start()
    net.wait_for("an answer", lambda: here.cli("egress", "list", check=False).returncode == 0)


def test_an_order_survives_the_damage_of_the_newest_copy(relay, sink):
    server = sink()
    here, kept, b = stopped_after_an_order(relay, server)
    damaged(kept)
    again(here)
    assert disabled(here)
    assert "state_damaged" in here.stderr() and os.path.exists(kept + ".damaged")
    for i in range(6):
        here.send(mail.message(), sender=f"u@s{i}.test")
    assert {m.peer for m in server.wait(6)} == {b}


def test_both_copies_are_damaged_and_people_are_told(relay, sink, hook):    # noqa: F811
    told, server = hook(), sink()
    here, kept, _ = stopped_after_an_order(relay, server,
                                           reputation={"notify": {"webhook": told.url}})
    damaged(kept)
    damaged(kept + ".before")
    again(here)
    known(here)
    for name in "ab":
        assert standing(here, name)["state"] == "suspect"
    assert "standing_lost" in here.stderr()
    net.wait_for("the webhook", lambda: any(a["kind"] == "state" and "given again" in a["reason"]
                                            for p in told.posts for a in p["alarms"]), 30)
    here.send(mail.message())                                   # and mail goes on
    server.wait(1)
