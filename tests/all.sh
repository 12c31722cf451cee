#!/bin/sh
# Everything: installs what is missing, builds in every way, runs every test. The last line is
# `N passed, N failed`; exit 1 when something failed.
#
#   FAST=1   for developers: sanitizer build, units and e2e only
#   SEED=n   of the crash rounds (default: today's date, so that days differ and a day repeats)
#   ROUNDS=200 FUZZ_SECONDS=60 TIDY=--deep LAB=   the long run; LAB= takes in the laboratory's tests
#            that judge times and so want a quiet machine
cd "$(dirname "$0")/.." || exit 1
. tests/support/packages.sh
FAST=${FAST:-}
LOGS=build/all
ROUNDS=${ROUNDS:-20}
FUZZ_SECONDS=${FUZZ_SECONDS:-3}
LAB=${LAB-not figures}
TIDY=${TIDY:-}
started=$(date +%s) before=$(date +%s)
PYTHON=/usr/bin/python3
export PYTHONDONTWRITEBYTECODE=1 CCACHE_BASEDIR="$PWD" CMAKE_C_COMPILER_LAUNCHER=ccache
export UBSAN_OPTIONS=print_stacktrace=1 TSAN_OPTIONS="suppressions=$PWD/tests/support/tsan.supp"

# add LABEL PASSED FAILED: one line of the summary, with the seconds since the line before; the log
# is shown when something failed
add() {
    echo "$2 $3" >>$LOGS/sums
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
    suite "$name" ctest --test-dir "build/$preset" -j 4 --output-on-failure \
        --output-junit "$PWD/$LOGS/$name.xml" "$@"
}

# build PRESET ARGS...
build() {
    preset=$1
    shift
    cmake --preset "$preset" && cmake --build "build/$preset" -j 2 "$@"
}

# end PID: ends it and all below it
end() {
    below=$(pgrep -P "$1")
    kill "$1" 2>/dev/null
    for child in $below; do end "$child"; done
}

# beside FUNCTION: its steps run with what the tests leave of the machine, for tests mostly wait
beside() {
    "$1" >$LOGS/beside.lines 2>$LOGS/beside.log &
    lane=$!
    renice -n 19 -p $lane >/dev/null
    trap 'end $lane; exit 1' HUP INT TERM
}

# together: waits for those steps and shows their lines; if they broke off, that is a failure
together() {
    wait $lane && broken= || broken=1
    trap - HUP INT TERM
    cat $LOGS/beside.lines
    before=$(date +%s)
    [ -z "$broken" ] || add beside 0 1
}

# What needs no quiet machine, and the steps before `together` do without.
builds_and_checks() {
    check build-clang build fuzz
    # shellcheck disable=SC2086
    counted tidy $PYTHON tests/lint/tidy.py $TIDY build/fuzz
    check build-tsan build tsan --target threads
    ctests threads tsan -L threads
}

install_missing tests/support/packages.txt tests/support/packages-test.txt || exit 1
mkdir -p $LOGS
: >$LOGS/sums

check lint tests/lint/run.py
pytests lint-rules tests/lint
check build-asan build asan
if [ -z "$FAST" ]; then
    beside builds_and_checks
    check build-release build release
fi
ctests unit asan -L 'unit|fuzz'
WAYPOST_BIN=$PWD/build/asan/waypost pytests e2e -n 8 tests/e2e
if [ -z "$FAST" ]; then
    WAYPOST_BUILD=$PWD/build/asan pytests web -n 2 tests/web
    export WAYPOST_BIN=$PWD/build/release/waypost
    [ -z "$LAB" ] || pytests lab -m "$LAB" tests/lab
    together
    counted fuzz $PYTHON tests/fuzz/run.py --seconds "$FUZZ_SECONDS"
    pytests e2e-release -n 2 -m release tests/e2e
    pytests bench tests/bench
    [ -n "$LAB" ] || pytests lab tests/lab
    counted crash $PYTHON tests/crash/run.py --rounds "$ROUNDS" --seed "${SEED:-$(date +%Y%m%d)}"
fi

echo "$(($(date +%s) - started)) seconds; logs in $LOGS"
awk '{ passed += $1; failed += $2 }
    END { printf "%d passed, %d failed\n", passed, failed; exit failed > 0 || NR == 0 }' $LOGS/sums
