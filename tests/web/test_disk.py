"""
test_disk — a full disk and a damaged database cost history, nothing else
"""
import json
import os
import pathlib
import re
import time

import pytest
from conftest import World
from wp import disk


@pytest.fixture
def small():
    """A world on a disk of its own."""
    if os.getuid() != 0:
        pytest.skip("mounting takes root")
    with disk.Disk(mib=8) as place:
        made = World(pathlib.Path(place.dir))
        yield made, place
        made.close()


def dropped(world):
    return float(re.search(r"^waypost_history_dropped_total (\S+)$", world.get("metrics")[2],
                           re.M)[1])


def faults(world):
    status, _, text = world.get("api/v1/switches?since=1h&egress=hk-1")
    assert status == 200, text
    return len(json.loads(text))


def newest(world):
    return json.loads(world.get("api/v1/switches?since=1h&egress=hk-1&limit=1")[2])[0]["time"]


def wait(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_full_disk_costs_history_only(small):
    world, place = small
    before = faults(world)
    assert dropped(world) == 0
    place.fill()
    for n in range(6000):               # the log that is open already has some room in it
        world.do("fault hk-1")
        if n % 100 == 0 and dropped(world):
            break
    assert dropped(world) > 0
    assert world.get("healthz")[0] == 200
    assert '"egress":"hk-1"' in world.get("api/v1/paths")[2]
    assert faults(world) >= before      # what was kept is still told
    place.empty()
    lost, kept = dropped(world), newest(world)
    world.do("fault hk-1")
    wait(lambda: newest(world) > kept)
    assert dropped(world) == lost


def test_a_database_damaged_while_it_is_open_is_set_aside(small):
    world, place = small
    assert faults(world) == 0
    world.do("fault hk-1")
    wait(lambda: faults(world) == 1)
    with open(place.path("links.db"), "r+b") as f:
        f.write(os.urandom(os.path.getsize(place.path("links.db"))))
    for name in ("links.db-wal", "links.db-shm"):
        with open(place.path(name), "r+b") as f:
            f.write(b"\xff" * os.path.getsize(place.path(name)))
    def recorded():
        world.do("fault hk-1")
        status, _, text = world.get("api/v1/switches?since=1h&egress=hk-1")
        return status == 200 and len(json.loads(text)) > 0
    wait(recorded)
    assert os.path.exists(place.path("links.db.damaged"))
