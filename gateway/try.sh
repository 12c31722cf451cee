#!/bin/sh
# Try Waypost: installs what is missing, builds, starts the starter configuration on 127.0.0.1:2525,
# sends real mail through it to a receiver on this machine, shows what became of it, what both links
# are like and, within a minute or so, were like. It stays up until ^C, then ends all it started.
# Nothing but loopback addresses is used.
#
#   TRY_ONCE=1       do not wait for the history, end after the show
#   WAYPOST_BIN=path use this binary, do not build
cd "$(dirname "$0")/.." || exit 1
. tests/support/packages.sh
PYTHON=/usr/bin/python3
MESSAGES=9
RUN= RECEIVER= WAYPOST=

stop() {
    trap '' INT TERM
    for pid in $WAYPOST $RECEIVER; do
        kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
    done
    [ -z "$RUN" ] || { rm -rf "$RUN"; echo "ended; nothing is left running"; }
}

fail() {
    echo "try.sh: $1" >&2
    [ -z "$RUN" ] || tail -n 20 "$RUN/waypost.log" "$RUN/receiver.log" 2>/dev/null >&2
    exit 1
}

build() {
    install_missing tests/support/packages.txt || exit 1
    echo "== building (build/try; a minute or two the first time)"
    mkdir -p build
    { cmake --preset release -B build/try -DWAYPOST_TESTS=OFF && cmake --build build/try; } \
        >build/try.log 2>&1 || { tail -n 30 build/try.log >&2; fail "the build failed"; }
    WAYPOST_BIN=build/try/waypost
}

# The starter configuration in a folder of its own, so that trying changes nothing here.
prepare() {
    RUN=$(mktemp -d /tmp/waypost-try.XXXXXX) || exit 1
    chmod 755 "$RUN"
    cp gateway/starter/*.yaml "$RUN/"
    echo "== waypost check -c $RUN/waypost.yaml (a copy of gateway/starter)"
    "$WAYPOST_BIN" check -c "$RUN/waypost.yaml" || fail "the configuration is wrong"
}

start() {
    PYTHONPATH=tests/support $PYTHON tests/support/receiver.py 127.0.0.13 2526 \
        >"$RUN/receiver.log" 2>&1 &
    RECEIVER=$!
    echo "== waypost serve: an SMTP relay on 127.0.0.1:2525 (log: $RUN/waypost.log)"
    "$WAYPOST_BIN" serve -c "$RUN/waypost.yaml" >"$RUN/waypost.log" 2>&1 &
    WAYPOST=$!
    PYTHONPATH=tests/support $PYTHON -c '
from wp import net
for address, port in ("127.0.0.1", 2525), ("127.0.0.13", 2526):
    net.wait_for("the greeting", lambda: net.greets(address, port))
' 2>/dev/null || fail "waypost or the receiver did not start"
    kill -0 "$WAYPOST" 2>/dev/null || fail "something else listens on 127.0.0.1:2525"
}

send() {
    echo "== sending $MESSAGES messages with an ordinary SMTP client"
    $PYTHON - "$MESSAGES" <<'MAIL' || fail "the mail was not accepted"
import email.message
import smtplib
import sys
for n in range(1, int(sys.argv[1]) + 1):
    m = email.message.EmailMessage()
    m["From"], m["To"], m["Subject"] = "you@example.org", "friend@example.test", f"Hello number {n}"
    m.set_content("This message went through Waypost.\n")
    with smtplib.SMTP("127.0.0.1", 2525) as s:
        s.send_message(m)
MAIL
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
        [ "$(grep -c '^received' "$RUN/receiver.log")" -ge "$MESSAGES" ] && return 0
        sleep 1
    done
    fail "the receiver did not get everything"
}

show() {
    echo "== what the destination got (127.0.0.11 and .12 are our two egress addresses)"
    cat "$RUN/receiver.log"
    echo "== the first delivery in the delivery log, $RUN/deliveries.jsonl"
    grep -m 1 '"delivered"' "$RUN/deliveries.jsonl" || fail "nothing in the delivery log"
    echo "== waypost queue: a line for each site with mail that waits; none does"
    "$WAYPOST_BIN" queue -c "$RUN/waypost.yaml" || fail "waypost queue failed"
    [ "$(grep -c 'from 127.0.0.11:' "$RUN/receiver.log")" -gt 0 ] &&
        [ "$(grep -c 'from 127.0.0.12:' "$RUN/receiver.log")" -gt 0 ] ||
        echo "note: chance sent every message over the same address; send some more"
}

explain() {
    "$WAYPOST_BIN" explain --from you@example.org --to friend@example.test "$@" \
        -c "$RUN/waypost.yaml"
}

# What the mail has shown is known within seconds; a link without mail is probed meanwhile.
links() {
    echo "== waypost explain: which way the next mail would take, and what each is like"
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        explain --json | grep -q '"cost_ms"' && break
        sleep 1
    done
    explain || fail "waypost explain failed"
}

# Figures are kept as a minute of the clock ends.
history() {
    echo "== waypost report links: the same, minute by minute (waiting for the first to end)"
    seconds=0
    while [ "$seconds" -lt 90 ]; do
        rows=$("$WAYPOST_BIN" report links --json -c "$RUN/waypost.yaml" | wc -l)
        [ "$rows" -ge 2 ] && break
        sleep 1
        seconds=$((seconds + 1))
    done
    "$WAYPOST_BIN" report links -c "$RUN/waypost.yaml" || fail "waypost report links failed"
}

trap 'exit 130' INT TERM
trap stop EXIT
[ -n "${WAYPOST_BIN:-}" ] || build
prepare
start
send
show
links
[ -z "${TRY_ONCE:-}" ] || exit 0
history
cat <<X
== up on 127.0.0.1:2525; try:
   $PYTHON -c 'import smtplib; smtplib.SMTP("127.0.0.1", 2525).sendmail(
       "you@example.org", ["friend@example.test"], "Subject: hi\n\nhi")'
   tail -f $RUN/receiver.log
   tail -f $RUN/deliveries.jsonl
   $WAYPOST_BIN queue -c $RUN/waypost.yaml
   $WAYPOST_BIN report links -c $RUN/waypost.yaml     # also --format csv, json, html
   $WAYPOST_BIN explain --to friend@example.test -c $RUN/waypost.yaml
   a browser at http://127.0.0.1:8025/
^C ends it.
X
wait "$WAYPOST"
fail "waypost ended by itself"
