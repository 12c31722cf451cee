"""
test_bench — the benchmark runs, nothing is lost or damaged in it; figures are printed, not judged

Rates depend on the machine, so the only ratios judged are far from what noise can do.
"""
import json
import os
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import figures                                                  # noqa: E402


def run(tmp_path, *args):
    out = str(tmp_path / "figures.json")
    done = subprocess.run([os.path.join(HERE, "run.py"), "--json", out, *args],
                          capture_output=True, text=True, timeout=400)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    with open(out) as f:
        return json.load(f)


@pytest.mark.parametrize("scenario", ["each", "kept", "pipelined"])
def test_flows_beside_postfix(tmp_path, scenario):
    table = run(tmp_path, "--scenario", scenario, "--divide", "20")
    ours, theirs = table[scenario]["waypost"], table[scenario]["postfix"]
    assert ours["duplicates"] == 0
    assert ours["CPU ms/msg"] * 2 < theirs["CPU ms/msg"]
    assert ours["delivered/s"] > theirs["delivered/s"]


def test_steady_flow(tmp_path):
    table = run(tmp_path, "--scenario", "steady", "--divide", "10", "--machine", "waypost")
    assert table["steady"]["waypost"]["messages"] == 200


def test_large_message_in_bounded_memory(tmp_path):
    table = run(tmp_path, "--scenario", "large", "--divide", "4", "--machine", "waypost")
    assert table["large"]["waypost"]["MiB above idle"] < 64


def test_restart_with_deferred_mail(tmp_path):
    table = run(tmp_path, "--scenario", "restart", "--divide", "20", "--machine", "waypost")
    row = table["restart"]["waypost"]
    assert row["waiting"] == 5000 and row["taken"] >= 5000


def test_urgent_mail_passes_a_backlog(tmp_path):
    table = run(tmp_path, "--scenario", "urgent", "--divide", "50", "--machine", "waypost")
    got = table["urgent"]["waypost"]
    assert got["taken"] == got["urgent"] == 4 and got["waiting"] > 0 and got["lost"] == 0


@pytest.mark.parametrize("scenario", ["tarpit", "limit7", "clients", "flood"])
def test_the_order_of_mail(tmp_path, scenario):
    table = run(tmp_path, "--scenario", scenario, "--divide", "60", "--machine", "waypost")
    got = table[scenario]["waypost"]
    assert got["lost"] == 0 and got.get("urgent out %", 100) == 100


def test_mail_that_waits_leaves_by_another_address(tmp_path):
    table = run(tmp_path, "--scenario", "listed", "--divide", "20", "--machine", "waypost")
    got = table["listed"]["waypost"]
    assert got["waiting"] > 0 and got["lost"] == got["doubled"] == 0


def row(seq, *rest):
    return (seq, *rest)


def test_waits_count_what_is_still_there():
    sent = [row(n, 0, 1_000_000, 250, 0) for n in range(3)]
    run_ = figures.Run(sent, [row(0, 3_000_000, 9, 7, 0), row(2, 5_000_000, 9, 7, 0)])
    assert run_.waits(9_000_000) == [2.0, 4.0, 8.0]


def test_figures_tell_loss_duplicates_and_damage():
    sent = [row(n, 1000, 2000 if n < 4 else 0, 250, 0) for n in range(5)]
    taken = [row(0, 3_001_000, 9, 7, 0), row(1, 5000, 9, 7, 0), row(1, 6000, 9, 7, 0),
             row(2, 7000, 9, 8, 0), row(77, 1, 9, 7, 0)]
    run_ = figures.Run(sent, taken)
    assert run_.lost == {3} and set(run_.duplicates) == {1} and run_.alien == 1
    assert run_.texts == 2 and run_.latency(1) == 3.0
    assert len(run_.acked) == 4
