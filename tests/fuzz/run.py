#!/usr/bin/python3
"""
run — every fuzz target for --seconds, two at once

    tests/fuzz/run.py [--build build/fuzz] [--seconds 3] [--logs build/all]

Each runs from a copy of its corpus, so that a run leaves the checkout as it was; what crashes one
is kept beside its log. The last line is `N passed, N failed`.
"""
import argparse
import glob
import os
import shutil
import subprocess
import sys
from concurrent import futures

HERE = os.path.dirname(os.path.abspath(__file__))


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build/fuzz")
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--logs", default="build/all")
    return parser.parse_args()


def fuzz(binary, seconds, logs):
    """True when the target found nothing; its name is printed with the end of its log if it did."""
    topic = os.path.basename(binary).removeprefix("fuzz_")
    fresh, log = f"{logs}/corpus-{topic}", f"{logs}/fuzz-{topic}.log"
    shutil.rmtree(fresh, ignore_errors=True)
    os.makedirs(fresh)
    with open(log, "wb") as out:
        status = subprocess.run(
            [binary, f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048",
             f"-artifact_prefix={logs}/{topic}-", fresh, f"{HERE}/corpus/{topic}"],
            stdout=out, stderr=subprocess.STDOUT, check=False).returncode
    if status:
        with open(log, errors="replace") as rows:
            print(f"--- {topic}: exit {status}, {log}:", *rows.readlines()[-40:], sep="\n")
    return status == 0


def main():
    args = arguments()
    targets = sorted(t for t in glob.glob(f"{args.build}/tests/fuzz_*")
                     if os.path.isfile(t) and os.access(t, os.X_OK))
    with futures.ThreadPoolExecutor(2) as pool:
        good = list(pool.map(lambda t: fuzz(t, args.seconds, args.logs), targets))
    print(f"{good.count(True)} passed, {good.count(False)} failed")
    return 0 if good and all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
