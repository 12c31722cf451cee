"""
process — children that are always ended, and only those

A Child runs in its own session with its output in a file. Ending one ends what it started too,
each by its pid; nothing is ever looked up by name.
"""
import os
import signal
import subprocess
import threading
import time


def parents():
    """pid → parent pid, of every process now."""
    table = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as f:
                table[int(name)] = int(f.read().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
    return table


def descendants(pid):
    """Every process below pid, nearest first; pid itself is not among them."""
    table, found, level = parents(), [], [pid]
    while level:
        level = [p for p, parent in table.items() if parent in level]
        found += level
    return found


def alive(pid):
    """True while pid runs; a zombie does not run."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def name(pid):
    """What the process calls itself; empty when it is gone."""
    try:
        with open(f"/proc/{pid}/comm") as f:
            return f.read().strip()
    except OSError:
        return ""


def kill(pids, sig=signal.SIGKILL):
    for pid in pids:
        try:
            os.kill(pid, sig)
        except ProcessLookupError:
            pass


def status(pid, field):
    """A figure of /proc/PID/status, such as VmRSS or Uid (its first number); 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/status") as f:
            for line in f:
                if line.startswith(field + ":"):
                    return int(line.split()[1])
    except OSError:
        pass
    return 0


class Peak:
    """The largest value of a figure while it is entered; `idle` is what it was before."""

    def __init__(self, read, step=0.05):
        self.read, self.step, self.on = read, step, True
        self.idle = self.peak = read()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    @property
    def grown(self):
        return self.peak - self.idle

    def watch(self):
        while self.on:
            self.peak = max(self.peak, self.read())
            time.sleep(self.step)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.on = False
        self.thread.join()


class Child:
    """A process with its output in the file `log` (appended)."""

    def __init__(self, argv, log, env=None, cwd=None):
        self.log = log
        with open(log, "ab") as out:
            self.popen = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                          env=env, cwd=cwd, start_new_session=True)
        self.pid = self.popen.pid

    def running(self):
        return self.popen.poll() is None

    def output(self):
        with open(self.log, errors="replace") as f:
            return f.read()

    def stop(self, sig=signal.SIGTERM, timeout=30):
        """Asks it to end and waits; what does not end is killed. Gives the exit status."""
        below = descendants(self.pid) if self.running() else []
        if self.running():
            self.popen.send_signal(sig)
            try:
                self.popen.wait(timeout)
            except subprocess.TimeoutExpired:
                below = descendants(self.pid)
                self.popen.kill()
                self.popen.wait()
        kill(pid for pid in below if alive(pid))
        return self.popen.returncode

    def kill_tree(self):
        """kill -9 of it and all below it at once, as a power cut would."""
        pids = [self.pid, *descendants(self.pid)]
        kill(pids, signal.SIGSTOP)          # none may start another or restart a child meanwhile
        kill({*pids, *descendants(self.pid)})
        self.popen.wait()
        end = time.monotonic() + 10
        while any(alive(pid) for pid in pids) and time.monotonic() < end:
            time.sleep(0.01)
