"""
test_budget — how often probes knock, counted where they knock

Also while paths fail, when there is most to find out. A probe says QUIT and never MAIL.
"""
import time

from load import Load
from topology import GROUPS, SOURCE, World

LOCALS = ("gz-1", "gz-2", "gz-3")
SLACK = 0.5                                 # seconds: a probe is counted when it leaves the machine


def probes(world):
    """(time, source, group) of every connection without mail, in the order they ended."""
    found = []
    for group, sink in world.sinks.items():
        for s in list(sink.sessions):
            verbs = [line.split()[0].upper() for _, line in list(s.commands)]
            if verbs == ["QUIT"]:
                found.append((s.commands[0][0], s.peer, group))
            else:
                assert not verbs or verbs[0] in ("EHLO", "HELO"), verbs
    return sorted(found)


def most_within(times, seconds):
    """The most of them in any window of so many seconds."""
    return max((sum(1 for t in times if start <= t < start + seconds) for start in times),
               default=0)


def test_probes_keep_their_budget():
    with World(LOCALS) as world:
        for i, group in enumerate(GROUPS):
            for k, name in enumerate(LOCALS):
                world.set(name, group, 10 + 10 * i + 5 * k)
        with Load(world, GROUPS, 0.3) as load:
            time.sleep(30)
            for group in list(GROUPS)[:3]:
                world.cut("gz-1", group)
            time.sleep(25)
            for name in LOCALS:
                world.cut(name, ("cm", "south"))
            time.sleep(20)
        assert len(load.sent) > 100
        seen = probes(world)
    assert len(seen) >= 10, seen            # there were probes at all
    assert most_within([t for t, _, _ in seen], 1 - SLACK) <= 10
    for name in LOCALS:
        assert most_within([t for t, s, _ in seen if s == SOURCE[name]], 1 - SLACK) <= 2
    for group in GROUPS:
        here = [(t, s) for t, s, g in seen if g == group]
        assert most_within([t for t, _ in here], 10 - SLACK) == 1, (group, here)
        for source in SOURCE.values():
            assert most_within([t for t, s in here if s == source], 60 - SLACK) <= 1, (group, here)
