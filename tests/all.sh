#!/bin/sh
# Everything: installs what is missing, builds in every way, runs every test. The last line is
# `N passed, N failed`; exit 1 when something failed.
#
#   FAST=1   for developers: sanitizer build, units and e2e only
#   SEED=n   of the crash rounds (default: today's date, so that days differ and a day repeats)
#   ROUNDS=200 FUZZ_SECONDS=60 LAB=   the long run; LAB= takes in the laboratory's tests that judge
#            times and so want a quiet machine
cd "$(dirname "$0")/.." || exit 1
. tests/support/packages.sh
FAST=${FAST:-}
LOGS=build/all
ROUNDS=${ROUNDS:-20}
FUZZ_SECONDS=${FUZZ_SECONDS:-3}
LAB=${LAB-not figures}
passed=0 failed=0
started=$(date +%s) before=$(date +%s)
PYTHON=/usr/bin/python3
export PYTHONDONTWRITEBYTECODE=1 CCACHE_BASEDIR="$PWD" CMAKE_C_COMPILER_LAUNCHER=ccache
export UBSAN_OPTIONS=print_stacktrace=1 TSAN_OPTIONS="suppressions=$PWD/tests/support/tsan.supp"

# add LABEL PASSED FAILED: one line of the summary, with the seconds since the line before; the log
# is shown when something failed
add() {
    passed=$((passed + $2)) failed=$((failed + $3))
    now=$(date +%s)
    printf '%-34s %5s passed %3s failed   %4ss\n' "$1" "$2" "$3" $((now - before))
    before=$now
    [ "$3" = 0 ] || { echo "--- $LOGS/$1.log, its end:"; tail -n 60 "$LOGS/$1.log"; echo ---; }
}

# tally STATUS "PASSED FAILED": the sums of $label; a program that reports no failure and yet exits
# with an error (nothing ran, a test that was not built) has failed
tally() {
    sums=${2:-0 0}
    [ "$1" = 0 ] && [ "$sums" != "0 0" ] || [ "${sums#* }" != 0 ] || sums="${sums% *} 1"
    # shellcheck disable=SC2086
    add "$label" $sums
}

# check LABEL COMMAND...: one test, judged by its exit status
check() {
    label=$1
    shift
    if "$@" >"$LOGS/$label.log" 2>&1; then add "$label" 1 0; else add "$label" 0 1; fi
}

# counted LABEL COMMAND...: a program whose last line is `N passed, N failed`
counted() {
    label=$1
    shift
    "$@" >"$LOGS/$label.log" 2>&1
    tally $? "$(tail -n 1 "$LOGS/$label.log" |
        sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p')"
}

# suite LABEL COMMAND...: a program that is told to write JUnit to $LOGS/LABEL.xml
suite() {
    label=$1
    shift
    rm -f "$LOGS/$label.xml"
    "$@" >"$LOGS/$label.log" 2>&1
    tally $? "$($PYTHON tests/support/junit.py "$LOGS/$label.xml")"
}

# pytests LABEL ARGS...
pytests() {
    name=$1
    shift
    suite "$name" $PYTHON -m pytest -q -p no:cacheprovider --junitxml="$LOGS/$name.xml" "$@"
}

# ctests LABEL PRESET ARGS...
ctests() {
    name=$1 preset=$2
    shift 2
    suite "$name" ctest --test-dir "build/$preset" -j 2 --output-on-failure \
        --output-junit "$PWD/$LOGS/$name.xml" "$@"
}

build() {
    cmake --preset "$1" && cmake --build "build/$1" -j 2
}

install_missing tests/support/packages.txt tests/support/packages-test.txt || exit 1
mkdir -p $LOGS

check lint tests/lint/run.py
pytests lint-rules tests/lint
check build-asan build asan
ctests unit asan -L 'unit|fuzz'
if [ -z "$FAST" ]; then
    check build-release build release
    check build-clang build fuzz
    check build-tsan build tsan
    # test_spool_crash and _killed fork beside threads, which ThreadSanitizer cannot follow; what
    # moves tiers has one
    shared='links|sense|mailbox|loop|stream|spool|queue|timer|body|report|log|allow|keeper|rates'
    ctests threads tsan -E 'spool_(crash|killed|layout|tier)' -R "$shared|quota|gauge|bucket|honest"
    counted fuzz $PYTHON tests/fuzz/run.py --seconds "$FUZZ_SECONDS"
fi
WAYPOST_BIN=$PWD/build/asan/waypost pytests e2e -n 8 tests/e2e
if [ -z "$FAST" ]; then
    WAYPOST_BUILD=$PWD/build/asan pytests web -n 2 tests/web
    export WAYPOST_BIN=$PWD/build/release/waypost
    pytests e2e-release -n 2 -m release tests/e2e
    counted tidy $PYTHON tests/lint/tidy.py build/fuzz
    pytests bench tests/bench
    pytests lab -m "$LAB" tests/lab
    counted crash $PYTHON tests/crash/run.py --rounds "$ROUNDS" --seed "${SEED:-$(date +%Y%m%d)}"
fi

echo "$(($(date +%s) - started)) seconds; logs in $LOGS"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
