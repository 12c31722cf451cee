#!/usr/bin/python3
"""
run — Waypost and Postfix side by side, in one run, on the same disk, each with its fsync

    tests/bench/run.py [--scenario NAME…] [--machine NAME…] [--divide N] [--repeat N] [--json FILE]

Prints a table of each scenario and whether the goals (goals.py) are reached; exit status 1 when one
is missed. README.md says how it is measured. Ratios hold on any machine; rates are those of this
one, which generator and sink share.
"""
import argparse
import json
import os
import statistics
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../support")]
import goals                                                    # noqa: E402
import machines                                                 # noqa: E402
import scenarios                                                # noqa: E402
import stand                                                    # noqa: E402

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
    if args.json:
        with open(args.json, "w") as f:
            json.dump(table, f, indent=1)
    print(f"\ndisk: {machines.disk_note()}, cores: {os.cpu_count()}")
    return goals.show(goals.judge(table))


if __name__ == "__main__":
    sys.exit(main())
