#!/usr/bin/python3
"""
tidy — clang-tidy over the product, two at a time, only what changed since it was last clean

    tests/lint/tidy.py [--deep] BUILD_FOLDER [FILE…]

A file is clean when a stamp in BUILD_FOLDER/tidy names the same text of it, of every header and of
.clang-tidy. --deep takes four times as long (FOLLOWED). The last line is `N passed, N failed`.
"""
import concurrent.futures
import glob
import hashlib
import os
import subprocess
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
FOLDERS = ("gateway", "policies", "reputation", "probes")
# The analyzer follows callees of at most so many blocks into their callers and takes all others by
# themselves. Where it follows large ones, it gives up in the middle when that grows too much, and
# what it has followed it does not take by itself; but it sees what one is given by its callers.
FOLLOWED, FOLLOWED_DEEP = 6, 100


def sources(pattern):
    return sorted(f for folder in FOLDERS
                  for f in glob.glob(f"{folder}/**/{pattern}", root_dir=ROOT, recursive=True))


def digest(paths):
    h = hashlib.sha256()
    for path in paths:
        with open(os.path.join(ROOT, path), "rb") as f:
            h.update(path.encode() + b"\0" + f.read())
    return h.hexdigest()


def tidy(build, path, base, options):
    """Output of clang-tidy for one file; empty when it is clean."""
    stamp = os.path.join(build, "tidy", path.replace("/", "-"))
    mark = digest([path]) + base
    if os.path.exists(stamp) and open(stamp).read() == mark:
        return ""
    try:
        done = subprocess.run(["clang-tidy", "-quiet", *options, "-p", build, path], cwd=ROOT,
                              text=True, capture_output=True, timeout=300)
    except subprocess.TimeoutExpired:
        return f"{path}: clang-tidy did not end"
    if done.returncode == 0:
        with open(stamp, "w") as f:
            f.write(mark)
        return ""
    return done.stdout + done.stderr


def main(args):
    followed = FOLLOWED_DEEP if "--deep" in args else FOLLOWED
    options = [f"-extra-arg={arg}" for arg in ("-Xclang", "-analyzer-config", "-Xclang",
                                               f"max-inlinable-size={followed}")]
    build, *files = [a for a in args if a != "--deep"]
    build, files = os.path.abspath(build), files or sources("*.c")
    os.makedirs(os.path.join(build, "tidy"), exist_ok=True)
    base = digest([".clang-tidy", *sources("*.h")]) + "".join(options)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda f: tidy(build, f, base, options), files))
    bad = [r for r in results if r]
    print("\n".join(bad))
    print(f"{len(files) - len(bad)} passed, {len(bad)} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
