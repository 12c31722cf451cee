#!/usr/bin/python3
"""
run — kill -9, power cuts, failing disks at random moments under load: nothing acknowledged is lost

    tests/crash/run.py [--rounds 20] [--seed N] [--kind relay|tree|full|power|...]

A round: load; after a random moment something terrible (see KINDS); the load goes on for a moment;
then the queue is given time to empty. Every acknowledged message must have reached the sink, whole,
and a message may have come twice only if its first copy came so shortly before a crash that its
final reply cannot be shown to have been recorded. The last line is `N passed, N failed`.
"""
import argparse
import os
import random
import sys
import time

import rig
from rig import figures, net

# Longest time from a final reply to its record on a disk that works. A message whose first copy
# came earlier than that before a crash, or before the disk began to fail, came twice by our fault.
RECORDED_NS = 300_000_000
# The same when the power is cut: ends are synced within a second, and then on a slow disk.
SYNCED_NS = 1_500_000_000
# What was on the wire when the relay died is taken by the sink this much later, at most.
ON_THE_WIRE_NS = 50_000_000
ROUND_SEQ = 1_000_000


def crash_relay(r, rnd):
    moment = r.kill_relay()
    return moment, moment


def crash_tree(r, rnd):
    moment = r.kill_tree()
    return moment, moment


def crash_twice(r, rnd):
    """Again while it starts: recovery itself must survive a crash."""
    first = r.kill_tree()
    time.sleep(rnd.uniform(0.0, 0.4))
    return first, r.kill_tree()


def failing(mode, then_crash):
    """A disk that fails for a moment, and heals; with a crash while it fails or without: then it
    is there again, and refuses mail, while the disk still fails."""
    def act(r, rnd):
        begun = time.monotonic_ns()
        r.fail_disk(mode)
        time.sleep(rnd.uniform(0.1, 0.8))
        if then_crash:
            r.kill_tree()
            r.wait_up()
            time.sleep(rnd.uniform(0.0, 0.5))
        r.fail_disk(b"\0")
        r.wait_up()
        return begun, time.monotonic_ns()
    return act


def cut_power(r, rnd):
    moment = r.cut_power(rnd if rnd.random() < 0.5 else None)
    return moment, moment


def cut_power_twice(r, rnd):
    """Again while it starts."""
    first = r.cut_power()
    time.sleep(rnd.uniform(0.0, 0.4))
    return first, r.cut_power(rnd)


KINDS = {"relay": crash_relay, "tree": crash_tree, "twice": crash_twice,
         "full": failing(b"S", False), "eio": failing(b"I", False), "sync": failing(b"D", False),
         "full+tree": failing(b"S", True), "eio+tree": failing(b"I", True), "power": cut_power,
         "power-twice": cut_power_twice}


def judge(sent, taken, begun, ended, recorded):
    """What is wrong with a round whose trouble lay between these moments, and its figures."""
    run = figures.Run(sent, taken)
    wrong = []
    if run.lost:
        wrong.append(f"{len(run.lost)} acknowledged messages lost: {sorted(run.lost)[:5]}")
    if run.texts > 1:
        wrong.append("damaged texts")
    firsts = [copies[0][0] for copies in run.duplicates.values()]
    needless = [t for t in firsts if not begun - recorded <= t <= ended + ON_THE_WIRE_NS]
    if needless:
        ages = [(begun - t) // 1_000_000 for t in needless[:5]]
        wrong.append(f"{len(needless)} duplicates without need, first copies {ages} ms before")
    oldest = max([begun - t for t in firsts], default=0) // 1_000_000
    text = f"acked {len(run.acked)}, taken {len(run.arrivals)}, duplicates {len(firsts)}"
    return wrong, text + (f" (first copy {oldest} ms before)" if firsts else "")


def one_round(r, number, kind, rnd):
    before = figures.count(r.sink.log)
    load = rig.Load(r.relay, number * ROUND_SEQ, kept=rnd.random() < 0.5,
                    sessions=rnd.choice([5, 20, 60]), size=rnd.choice([1000, 4096, 4096, 300000]))
    try:
        time.sleep(rnd.uniform(0.2, 1.5))
        begun, ended = KINDS[kind](r, rnd)
        r.wait_up()
        time.sleep(rnd.uniform(0.2, 0.8))
    finally:
        sent = load.stop()
    acked = {row[0] for row in sent if row[2]}

    def arrived():
        if not r.relay.child.running():
            raise AssertionError("waypost ended: " + r.relay.stderr()[-2000:])
        return acked <= {row[0] for row in r.taken()[before:]}
    try:
        net.wait_for("all that was acknowledged", arrived, 60, 0.2)
        r.relay.wait_empty(60)
    except AssertionError as e:
        print(f"  {e}")
    if not acked:
        return ["nothing was acknowledged: the round proves nothing"], ""
    return judge(sent, r.taken()[before:], begun, ended, SYNCED_NS if r.journal else RECORDED_NS)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", choices=KINDS)
    args = parser.parse_args()
    # A sanitizer does not like to be preloaded, and is too slow to be hit in the act.
    os.environ.setdefault("WAYPOST_BIN", os.path.join(rig.HERE, "../../build/release/waypost"))
    rnd = random.Random(args.seed)
    passed = failed = 0
    kinds = [args.kind or list(KINDS)[n % len(KINDS)] for n in range(args.rounds)]
    for power in (False, True):
        mine = [(n, kind) for n, kind in enumerate(kinds) if kind.startswith("power") == power]
        if not mine:
            continue
        r = rig.Rig(power)
        try:
            for n, kind in mine:
                wrong, text = one_round(r, n + 1, kind, rnd)
                print(f"round {n + 1} {kind}: {text} {'; '.join(wrong) or 'ok'}", flush=True)
                passed += not wrong
                failed += bool(wrong)
            r.close()
        except AssertionError as e:
            failed += 1
            print(f"seed {args.seed}: {e}")
        finally:
            r.relay.child.stop()
            r.sink.stop()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
