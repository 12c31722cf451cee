"""
waypost — one Waypost under test

Writes its configuration (JSON is YAML), starts `waypost serve`, waits until it greets, and reads
its delivery log. The binary is $WAYPOST_BIN, or build/{asan,release,dev}/waypost. A sanitizer's
report or a failed assertion in its log fails the test that closes it.
"""
import atexit
import json
import os
import re
import shutil
import signal
import smtplib
import subprocess
import tempfile

from . import client, net, process

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
# Policies with short waits, so that a test can see retries; and with long ones, so that deferred
# mail stays where it is.
QUICK = {"retry": {"first": "1s", "max": "2s", "expire": "5d", "greylist": "1s", "dns": "1s",
                   "throttled": "1s", "tls": "1s"}}
LATER = {"retry": {"first": "1h", "max": "2h", "greylist": "1h", "dns": "1h", "throttled": "1h",
                   "tls": "1h"}}
TROUBLE = re.compile(r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:|"
                     r"Assertion .* failed|assertion failed")


def binary():
    """Path of the waypost under test; None when there is none."""
    named = os.environ.get("WAYPOST_BIN")
    built = [os.path.join(ROOT, "build", p, "waypost") for p in ("asan", "release", "dev")]
    return next((p for p in ([named] if named else built) if os.path.exists(p)), None)


def merged(base, change):
    """base with change laid over it; mappings are merged, everything else is replaced."""
    if not (isinstance(base, dict) and isinstance(change, dict)):
        return change
    out = dict(base)
    for key, value in change.items():
        out[key] = merged(base[key], value) if key in base else value
        if value is None:
            del out[key]
    return out


def hash_of(password):
    """What `waypost hash-password` prints for it."""
    done = subprocess.run([binary(), "hash-password"], input=password + "\n", text=True,
                          capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().split("\n")[-1]


class Waypost:
    """conf and policies are laid over small defaults; a key set to None is left out."""
    trouble = TROUBLE

    def __init__(self, conf=None, policies=None, users=None, files=None, env=None):
        self.dir = tempfile.mkdtemp(prefix="wp-test-")
        os.chmod(self.dir, 0o755)           # the relay runs as another user
        atexit.register(self.remove)
        self.address, self.port = net.loopback(), 2525
        self.deliveries = self.path("deliveries.jsonl")
        self.child, self.env = None, dict(os.environ, **(env or {}))
        self.env.setdefault("ASAN_OPTIONS", "detect_leaks=0")   # no ptrace in the sandbox
        for name, text in (files or {}).items():
            self.write(name, text)
        if users is not None:
            conf = merged({"users": "users.yaml"}, conf or {})
            self.write("users.yaml", json.dumps(users))
        self.conf = merged(self.defaults(), conf or {})
        self.policies = policies or {}
        self.write_conf()

    def defaults(self):
        return {"hostname": "relay.test", "state": self.path("state"), "workers": 2,
                "listen": [{"address": f"{self.address}:{self.port}", "tls": "none",
                            "auth": "none"}],
                "clients": [{"network": "127.0.0.0/8", "connections": 2000}],
                "limits": {"connections_per_client": 2000},
                "policies": "policies.yaml",
                "log": {"level": "debug", "deliveries": self.deliveries}}

    # --- files
    def path(self, *names):
        return os.path.join(self.dir, *names)

    def write(self, name, text):
        with open(self.path(name), "wb" if isinstance(text, bytes) else "w") as f:
            f.write(text)
        os.chmod(self.path(name), 0o644)
        return self.path(name)

    def write_conf(self, conf=None, policies=None):
        """Lays changes over the configuration and writes both files; reload() applies them."""
        self.conf = merged(self.conf, conf or {})
        self.policies = merged(self.policies, policies or {})
        self.write("policies.yaml", json.dumps(self.policies, indent=1))
        self.write("waypost.yaml", json.dumps(self.conf, indent=1))

    # --- life
    def start(self, wait=True, under=()):
        """under: a command that starts another, prlimit for one."""
        assert binary(), "no waypost to test: build one or set WAYPOST_BIN"
        self.child = process.Child([*under, binary(), "serve", "-c", self.path("waypost.yaml")],
                                   self.path("stderr"), env=self.env)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        def ready():
            assert self.child.running(), f"waypost ended:\n{self.stderr()[-3000:]}"
            return net.greets(self.address, self.port)
        net.wait_for("the greeting of waypost", ready, net.PATIENCE * 2)

    def stop(self, timeout=60):
        """SIGTERM, as systemd would; gives the exit status."""
        return self.child.stop(signal.SIGTERM, timeout)

    def kill_tree(self):
        self.child.kill_tree()

    def restart(self):
        if self.child.running():
            self.stop()
        return self.start()

    def remove(self):
        """Its files, and what it keeps in memory (gateway/daemon/scratch.h)."""
        spool = os.path.join(self.conf["state"], "spool")
        if os.path.exists(spool):
            st = os.stat(spool)
            shutil.rmtree(f"/dev/shm/waypost-{st.st_dev:x}-{st.st_ino:x}", ignore_errors=True)
        shutil.rmtree(self.dir, ignore_errors=True)

    def close(self):
        """Ends it and removes its files; fails when a sanitizer or assertion spoke."""
        if self.child:
            if self.child.running():
                self.stop()
            trouble = self.trouble.search(self.stderr())
            report = self.stderr()[max(0, trouble.start() - 500):][:6000] if trouble else ""
        self.remove()
        assert not (self.child and trouble), report

    def __enter__(self):
        return self.start() if not self.child else self

    def __exit__(self, kind, value, trace):
        if kind:                            # the first failure is the one to show
            print("--- log of waypost, its end:\n" + self.stderr()[-6000:])
            self.child and self.child.stop()
            self.remove()
        else:
            self.close()

    # --- processes
    def processes(self):
        """name → pid of the children: relay and control."""
        found = {}
        for pid in process.descendants(self.child.pid):
            try:
                with open(f"/proc/{pid}/cmdline") as f, open(f"/proc/{pid}/comm") as g:
                    title = f.read() + g.read()
            except OSError:
                continue
            for name in ("relay", "control"):
                if name in title.replace(self.dir, ""):
                    found[name] = pid
        return found

    def pid(self, name, old=None):
        """Waits for that child; with `old`, for another one in its place."""
        def present():
            now = self.processes().get(name)
            return now if now != old else None
        return net.wait_for(f"the {name} process", present, max(30, net.PATIENCE))

    def rss(self):
        """Resident KiB of the whole tree."""
        return sum(process.status(p, "VmRSS")
                   for p in [self.child.pid, *process.descendants(self.child.pid)])

    # --- command line
    def cli(self, *args, check=True, timeout=60, stdin=None):
        done = subprocess.run([binary(), *args, "-c", self.path("waypost.yaml")], env=self.env,
                              input=stdin, capture_output=True, text=True, timeout=timeout)
        if check:
            assert done.returncode == 0, (args, done.returncode, done.stdout, done.stderr)
        return done

    def json(self, *args):
        """What a verb prints with --json: one value, or one value per line."""
        text = self.cli(*args, "--json").stdout
        try:
            return json.loads(text)
        except ValueError:
            return [json.loads(line) for line in text.splitlines() if line.strip()]

    def rows(self, *args):
        """The same as a list, be it one value or none."""
        got = self.json(*args)
        return got if isinstance(got, list) else [got]

    def queue(self, *filters):
        """The waiting items, one mapping each."""
        return self.rows("queue", "list", *filters)

    def reload(self, check=True):
        return self.cli("reload", check=check)

    def sighup(self):
        os.kill(self.child.pid, signal.SIGHUP)

    def retry(self, *filters):
        """Makes waiting mail due now."""
        return self.cli("queue", "retry", *filters)

    # --- logs
    def stderr(self):
        return self.child.output() if self.child else ""

    def log(self, event=None, **fields):
        """Lines of the delivery log that have these fields."""
        out = []
        if os.path.exists(self.deliveries):
            with open(self.deliveries) as f:
                lines = f.read().split("\n")[:-1]           # the last one may be half written
            for line in lines:
                row = json.loads(line)
                if event in (None, row.get("event")) and fields.items() <= row.items():
                    out.append(row)
        return out

    def wait_log(self, event, count=1, timeout=None, **fields):
        """Waits for so many such lines and gives them."""
        def seen():
            rows = self.log(event, **fields)
            return rows if len(rows) >= count else None
        return net.wait_for(f"{count} × {event} {fields} in the delivery log", seen, timeout)

    def wait_empty(self, timeout=None):
        """Waits until nothing is queued."""
        net.wait_for("an empty queue", lambda: not self.queue(), timeout, 0.1)

    # --- mail in
    def connect(self, **how):
        """A raw session after the greeting."""
        return client.Smtp(how.pop("address", self.address), how.pop("port", self.port), **how)

    def send(self, data, sender="a@client.test", to=("b@dest.test",), mail=(), rcpt=()):
        """Submits with smtplib; the data must be acknowledged."""
        with smtplib.SMTP(self.address, self.port, timeout=60) as s:
            s.ehlo("client.test")
            to = [to] if isinstance(to, str) else list(to)
            refused = s.sendmail(sender, to, data, list(mail), list(rcpt))
            assert not refused, refused
