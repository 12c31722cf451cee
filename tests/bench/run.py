#!/usr/bin/python3
"""
run — Waypost and Postfix side by side, in one run, on the same disk, each with its fsync

    tests/bench/run.py [--scenario NAME…] [--machine NAME…] [--divide N] [--repeat N] [--json FILE]

Prints a table of each scenario and the ratios the project aims at (README.md says how it is
measured). Ratios hold on any machine; rates are those of this one, which generator and sink share.
"""
import argparse
import json
import os
import statistics
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../support")]
import machines                                                 # noqa: E402
import scenarios                                                # noqa: E402
import stand                                                    # noqa: E402

# scenario, figure: the goal, as text and as a test on (waypost, postfix) medians.
GOALS = [
    ("each", "delivered/s", "at least 8 × Postfix", lambda w, p: w >= 8 * p),
    ("kept", "delivered/s", "at least 20 × Postfix", lambda w, p: w >= 20 * p),
    ("pipelined", "delivered/s", "at least 30 × Postfix", lambda w, p: w >= 30 * p),
    ("each", "CPU ms/msg", "at most 0.18", lambda w, p: w <= 0.18),
    ("kept", "CPU ms/msg", "at most 0.18", lambda w, p: w <= 0.18),
    ("steady", "p50 ms", "at most 4", lambda w, p: w <= 4),
    ("steady", "p99 ms", "at most 10", lambda w, p: w <= 10),
    ("large", "MiB above idle", "at most 64", lambda w, p: w <= 64),
    ("restart", "first after s", "at most 2", lambda w, p: w <= 2),
    ("urgent", "p99 transactions", "at most 2.5", lambda w, p: w <= 2.5),
    ("urgent", "bulk kept %", "at least 95", lambda w, p: w >= 95),
    ("tarpit", "throughput kept %", "at least 97", lambda w, p: w >= 97),
    ("tarpit", "p99 grown %", "at most 10", lambda w, p: w <= 10),
    ("limit7", "used %", "at least 95", lambda w, p: w >= 95),
    ("limit7", "refused %", "at most 2", lambda w, p: w <= 2),
    ("clients", "p99 grown %", "at most 20", lambda w, p: w <= 20),
    ("flood", "MiB grown", "at most 16", lambda w, p: w <= 16),
    ("flood", "urgent out %", "100", lambda w, p: w == 100),
    ("flood", "lost", "none", lambda w, p: w == 0),
    ("listed", "by the other after s", "at most 2", lambda w, p: w <= 2),
    ("listed", "lost", "none", lambda w, p: w == 0),
    ("listed", "doubled", "none", lambda w, p: w == 0),
]


# Postfix knows nothing of what lists say about its addresses.
ALONE = ("listed",)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--scenario", nargs="*", choices=scenarios.SCENARIOS,
                        default=list(scenarios.SCENARIOS))
    parser.add_argument("--machine", nargs="*", choices=machines.MACHINES,
                        default=list(machines.MACHINES))
    parser.add_argument("--divide", type=int, default=1, help="run with 1/N of the messages")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--json", help="write the figures to this file too")
    return parser.parse_args()


def measure(name, machine, divide):
    """One run of a scenario with a fresh machine: figure name → value."""
    with tempfile.TemporaryDirectory(prefix="wp-bench-") as folder:
        bench = stand.Bench(folder, machines.MACHINES[machine])
        try:
            return scenarios.SCENARIOS[name](bench, divide)
        finally:
            bench.close()


def medians(runs):
    return {key: statistics.median(r[key] for r in runs) for key in runs[0]}


def show(name, results):
    """One table: a row per machine."""
    keys = list(next(iter(results.values())))
    print(f"\n{name}: {scenarios.SCENARIOS[name].__doc__.strip()}")
    print("| machine | " + " | ".join(keys) + " |")
    print("|" + " --- |" * (len(keys) + 1))
    for machine, row in results.items():
        print(f"| {machine} | " + " | ".join(f"{row[k]:.4g}" for k in keys) + " |")


def goals(table):
    """The goals this run can speak about; gives how many are missed."""
    missed = 0
    print()
    for scenario, key, text, reached in GOALS:
        w = table.get(scenario, {}).get("waypost")
        p = table.get(scenario, {}).get("postfix")
        if not w or (not p and "Postfix" in text):
            continue
        ratio = f" = {w[key] / p[key]:.1f} × Postfix" if "Postfix" in text else ""
        ok = reached(w[key], p[key] if p else None)
        missed += not ok
        print(f"{'ok    ' if ok else 'missed'} {scenario}: {key} {w[key]:.4g}{ratio} ({text})")
    return missed


def main():
    args = arguments()
    # A debug build or a sanitizer would measure itself.
    os.environ.setdefault("WAYPOST_BIN", os.path.join(HERE, "../../build/release/waypost"))
    table = {}
    for name in args.scenario:
        chosen = [m for m in args.machine if m == "waypost" or name not in ALONE]
        runs = {m: [] for m in chosen}
        for _ in range(args.repeat):        # in turn, so that noise meets all alike
            for machine in chosen:
                runs[machine].append(measure(name, machine, args.divide))
        table[name] = {m: medians(r) for m, r in runs.items()}
        if chosen:
            show(name, table[name])
    goals(table)
    print(f"\ndisk: {machines.disk_note()}, cores: {os.cpu_count()}")
    if args.json:
        with open(args.json, "w") as f:
            json.dump(table, f, indent=1)


if __name__ == "__main__":
    main()
