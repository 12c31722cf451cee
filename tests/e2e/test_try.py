"""
test_try — the first thing a newcomer runs
"""
import os
import subprocess

from wp import waypost


def test_try_shows_the_whole_way():
    env = dict(os.environ, TRY_ONCE="1", WAYPOST_BIN=waypost.binary(),
               ASAN_OPTIONS="detect_leaks=0")
    done = subprocess.run(["sh", "gateway/try.sh"], cwd=waypost.ROOT, env=env, timeout=120,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("received from 127.0.0.1") == 9
    assert '"event":"delivered"' in done.stdout.replace(" ", "")
    shown = done.stdout.split("== waypost explain")[1]
    for name in ("first", "second"):
        assert f"name               {name}" in shown, shown
    assert "cost_ms" in shown and "terms_ms" in shown       # figures, not an empty table
    assert "ended; nothing is left running" in done.stdout
