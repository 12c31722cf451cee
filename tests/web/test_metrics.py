"""
test_metrics — /metrics is Prometheus text, bounded, and the Grafana dashboard names only what is
there
"""
import json
import os
import re

import pytest
from conftest import ROOT

NAME = re.compile(r"waypost_[a-z0-9_]+")
LABEL = re.compile(r'(\w+)!?=~?"')
LEGEND = re.compile(r"{{(\w+)}}")
BY = re.compile(r"by \(([^)]*)\)")
SAMPLE = re.compile(r'(waypost_[a-z0-9_]+)(\{(?:[a-z_]+="(?:[^"\\]|\\.)*",?)*\})? ([-+.e0-9]+)$')


def parse(text):
    """{name: {labels: value}}, once it is sure that each name is declared once and before use."""
    types, helps, samples = {}, {}, {}
    for line in text.splitlines():
        if line.startswith("# "):
            _, what, name, rest = line.split(" ", 3)
            kind = {"TYPE": types, "HELP": helps}[what]
            assert name not in kind and rest, line
            kind[name] = rest
            continue
        m = SAMPLE.match(line)
        assert m, line
        family = re.sub(r"_(bucket|sum|count)$", "", m[1])
        family = family if types.get(family) == "histogram" else m[1]
        assert family in types and family in helps, line
        assert m[2] not in samples.setdefault(m[1], {}), line
        samples[m[1]][m[2]] = float(m[3])
        assert (types[family] == "counter") == m[1].endswith("_total"), line
    return samples


@pytest.fixture
def metrics(world):
    def get():
        status, headers, text = world.get("metrics")
        assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return parse(text)
    return get


def test_what_is_there(metrics):
    m = metrics()
    assert m["waypost_relay_up"] == {None: 1}
    assert m["waypost_delivered_total"] == {None: 1002}
    assert m["waypost_queue_items"]['{lane="bulk",state="ready"}'] == 400
    waits = m["waypost_queue_seconds_bucket"]       # of the invented relay: 1, 2, 3 … in a lane
    assert waits['{lane="urgent",le="0.05"}'] == 1 and waits['{lane="urgent",le="0.1"}'] == 3
    assert waits['{lane="urgent",le="86400"}'] == 120 and waits['{lane="urgent",le="+Inf"}'] == 136
    assert m["waypost_queue_seconds_count"]['{lane="urgent"}'] == 136
    assert m["waypost_queue_seconds_sum"]['{lane="urgent"}'] == 12.5
    assert waits['{lane="bulk",le="+Inf"}'] == 0
    place = '{egress="gz-ct-1",carrier="china-mobile",region="north-china"}'
    assert m["waypost_path_rtt_seconds"][place] == pytest.approx(0.012)
    assert m["waypost_path_preferred"][place] == 1
    assert m["waypost_egress_up"]['{egress="hk-1",fault="fine"}'] == 1


def test_what_happens_shows(world, metrics):
    world.do("fault hk-1")
    world.do("down us-1 other europe")
    m = metrics()
    assert m["waypost_egress_up"]['{egress="hk-1",fault="proxy down"}'] == 0
    assert m["waypost_path_state"]['{egress="us-1",carrier="other",region="europe"}'] == 3
    world.do("relay off")
    m = metrics()
    assert m["waypost_relay_up"] == {None: 0}
    assert "waypost_delivered_total" not in m       # no answer is not zero
    world.do("relay on")


def test_addresses_and_providers(world, metrics):
    m = metrics()
    place = '{egress="gz-ct-1",address="127.0.0.11"}'
    assert m["waypost_address_eligible"][place] == 1 and m["waypost_address_points"][place] == 0
    assert m["waypost_address_state"][place[:-1] + ',state="clean"}'] == 1
    assert "waypost_address_provider_state" not in m
    world.do("blocked gz-ct-2 gmail.com")
    world.do("listed gz-ct-1")
    m = metrics()
    assert m["waypost_address_listings"][place] == 1
    assert m["waypost_address_points"][place] >= 100 and m["waypost_address_eligible"][place] == 0
    states = {k: v for k, v in m["waypost_address_state"].items() if place[:-1] in k and v}
    assert len(states) == 1 and 'state="clean"' not in list(states)[0]
    assert m["waypost_address_provider_state"] == {
        '{egress="gz-ct-2",address="127.0.0.12",provider="gmail.com",state="blocked"}': 1}
    assert m["waypost_address_providers_left_out"] == {None: 0}


def test_paths_are_bounded_and_the_preferred_ones_are_among_them(world, metrics):
    world.do("grow 500")                            # the world stops at 300
    world.do("grow 300")
    m = metrics()
    assert len(m["waypost_path_rtt_seconds"]) + m["waypost_paths_left_out"][None] == 4 * 306 - 1
    assert sum(m["waypost_path_preferred"].values()) == 306
    assert len(m["waypost_path_rtt_seconds"]) <= 1500


def test_the_dashboard_names_only_what_is_there(world, metrics):
    world.do("blocked gz-ct-2 gmail.com")           # else no address has trouble with a provider
    with open(os.path.join(ROOT, "docs/grafana.json"), encoding="utf-8") as f:
        board = json.load(f)
    queries = [t["expr"] for p in board["panels"] for t in p.get("targets", [])]
    queries += [v["query"] for v in board["templating"]["list"] if isinstance(v["query"], str)]
    named = {name for q in queries for name in NAME.findall(q)}
    assert len(named) >= 20
    # Control's own figures are those of the daemon (tests/e2e/test_report.py): here are none.
    ours = re.compile(r"waypost_(probes|observations|advice|address_events)_")
    there = metrics()
    assert {n for n in named if not ours.match(n)} <= set(there)
    for target in (t for p in board["panels"] for t in p.get("targets", [])):
        used = set(LABEL.findall(target["expr"])) | set(LEGEND.findall(target["legendFormat"]))
        used |= {word for words in BY.findall(target["expr"]) for word in words.split(", ")}
        metric = NAME.findall(target["expr"])[0]
        has = {label for labels in there.get(metric, {}) for label in LABEL.findall(labels or "")}
        assert used <= has or ours.match(metric), (target, has)
        assert ours.match(metric) is None or not used, target
