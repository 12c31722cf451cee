#!/usr/bin/python3
"""
run — the style gate: prints `file:line: message` for every offence, exit 1 when there is one

    tests/lint/run.py [--no-format] [FILE…]      (default: every file of the project)

Rules: layers.py (include direction, libraries), source.py (sizes, banned calls, contracts, layout),
docs.py (documents tell the truth about names), clang-format. Each has a bad example in
test_lint.py that it must find.
"""
import os
import shutil
import subprocess
import sys

import docs
import layers
import source

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
TOP = {"gateway", "probes", "policies", "reputation", "tests", "docs", "CMakeLists.txt",
       "CMakePresets.json", "README.md"}


def project_files():
    """Every file of the checkout that git would not ignore; without git, every file."""
    listed = subprocess.run(["git", "-c", f"safe.directory={ROOT}", "ls-files", "-co",
                             "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0:
        return [f for f in listed.stdout.split("\n") if os.path.isfile(os.path.join(ROOT, f))]
    found = []
    for folder, below, names in os.walk(ROOT):
        below[:] = [d for d in below if d not in (".git", "build", "__pycache__")]
        found += [os.path.relpath(os.path.join(folder, n), ROOT) for n in names]
    return found


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def check_text(path, text):
    """Every offence of one file as (line number, message)."""
    lines = text.split("\n")[:-1] if text.endswith("\n") else text.split("\n")
    if text and not text.endswith("\n"):
        yield len(lines), "no newline at the end of the file"
    kind = os.path.splitext(path)[1]
    for rule in source.RULES.get(kind, []):
        yield from rule(path, lines)
    if kind in (".c", ".h"):
        yield from layers.check(path, lines)
    if kind == ".md":
        yield from docs.links(ROOT, path, lines)
    if kind in (".c", ".h", ".md") and not path.startswith("tests/lint/"):
        yield from docs.mentions(ROOT, path, lines)


def check_format(paths):
    """Offences of layout, as clang-format prints them."""
    tool = shutil.which("clang-format-14") or shutil.which("clang-format")
    if not tool:
        return ["clang-format: not installed"]
    done = subprocess.run([tool, "--dry-run", "-Werror", "--ferror-limit=1", *paths], cwd=ROOT,
                          capture_output=True, text=True)
    return [line for line in done.stderr.split("\n") if ": error:" in line]


def main(args):
    os.chdir(ROOT)
    formatting = "--no-format" not in args
    named = [os.path.relpath(os.path.abspath(a), ROOT) for a in args if not a.startswith("-")]
    files = named or project_files()
    offences = [f"{f}:1: nothing else belongs at the top level" for f in files
                if f.split("/")[0] not in TOP and not f.startswith(".")]
    for path in sorted(files):
        if os.path.splitext(path)[1] in (".c", ".h", ".py", ".sh", ".md"):
            offences += [f"{path}:{n}: {message}" for n, message in check_text(path, read(path))]
    c_files = [f for f in files if f.endswith((".c", ".h"))]
    if formatting and c_files:
        offences += check_format(c_files)
    print("\n".join(offences) if offences else f"{len(files)} files, nothing to object to")
    return 1 if offences else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
