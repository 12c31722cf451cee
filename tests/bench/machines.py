"""
machines — the relays that are measured, each as it is meant to be run, and what they cost

Every machine accepts on ADDRESS:PORT from 127/8 and sends everything to one sink. Its CPU time and
memory are those of its process tree, with children that have ended.
"""
import os
import subprocess
import tempfile

from wp import net, process, servers, waypost

TICK = os.sysconf("SC_CLK_TCK")


def cpu_of(pids):
    """CPU seconds of these processes and of their children that have ended."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat") as f:
                total += sum(map(int, f.read().rsplit(")", 1)[1].split()[11:15]))
        except OSError:
            continue
    return total / TICK


def pss_of(pids):
    """KiB of memory, shared pages divided among those who share them."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup") as f:
                total += next(int(row.split()[1]) for row in f if row.startswith("Pss:"))
        except (OSError, StopIteration):
            continue
    return total


class Machine:
    """What every machine can do; cpu and memory are of its process tree."""
    name = ""

    def pids(self):
        return [self.root, *process.descendants(self.root)]

    def cpu(self):
        return cpu_of(self.pids())

    def memory(self):
        return pss_of(self.pids())

    def wait_up(self):
        net.wait_for(self.name, lambda: net.greets(self.address, self.port), 120, 0.005)


class Waypost(Machine):
    name = "waypost"

    def __init__(self, sink):
        self.here = waypost.Waypost({
            "workers": "auto", "log": {"level": "warning", "deliveries": ""},
            "clients": [{"network": "127.0.0.0/8", "connections": 10000}],
            "limits": {"message_size": "4GiB", "connections": 10000,
                       "connections_per_client": 10000}},
            {"routes": [{"name": "all", "hosts": [sink], "tls": "none"}],
             "traffic": [{"when": {"recipient": "*"}, "connections": 50}]})
        self.address, self.port = self.here.address, self.here.port
        self.start()

    def start(self):
        self.here.start(wait=False)
        self.root = self.here.child.pid
        self.wait_up()

    def stop(self):
        self.here.stop()

    def flush(self):
        self.here.retry()

    def waiting(self):
        return len(self.here.queue())

    def close(self):
        self.here.close()


class Postfix(Machine):
    """Debian's Postfix with its limits raised where they would be the only thing measured."""
    name = "postfix"

    def __init__(self, sink):
        host, _, port = sink.partition(":")
        self.server = servers.Postfix(
            relayhost=f"[{host}]:{port}", myhostname="relay.test", mydestination="",
            disable_dns_lookups="yes", queue_minfree="0", default_process_limit="200",
            default_destination_concurrency_limit="50", initial_destination_concurrency="20",
            in_flow_delay="0", qmgr_message_active_limit="50000", max_use="1000", maillog_file="")
        self.address, self.port = self.server.address, 25
        self.find_root()

    def find_root(self):
        with open(self.server.dir + "/queue/pid/master.pid") as f:
            self.root = int(f.read())

    def start(self):
        # No pipes: its check of the queue folders goes on behind and would hold them open.
        subprocess.run(["postfix", "-c", self.server.conf, "start"], check=True, timeout=120,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        self.wait_up()
        self.find_root()

    def stop(self):
        self.server.run("postfix", "stop")
        net.wait_for("postfix to end", lambda: not process.alive(self.root), 60)

    def flush(self):
        self.server.flush()

    def waiting(self):
        return self.server.queued()

    def close(self):
        self.server.__exit__()


MACHINES = {m.name: m for m in (Waypost, Postfix)}


def disk_note():
    """What the spools lie on, for the table's foot."""
    done = subprocess.run(["findmnt", "-n", "-o", "FSTYPE,SOURCE", "-T", tempfile.gettempdir()],
                          capture_output=True, text=True)
    return done.stdout.strip() or "unknown"
