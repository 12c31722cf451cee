"""
machines — the relays that are measured, each as it is meant to be run, and what they cost

Every machine accepts on ADDRESS:PORT from 127/8 and sends everything to one sink. Its CPU time and
memory are those of its process tree, with children that have ended.
"""
import dataclasses
import datetime
import os
import subprocess
import tempfile
import time

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


@dataclasses.dataclass
class Setting:
    """What a machine is told beside where the sink is; each takes of it what it knows."""
    connections: int = 50           # to a site at most
    elsewhere: dict = dataclasses.field(default_factory=dict)   # domain → another sink
    priorities: dict = dataclasses.field(default_factory=dict)  # sender → lane
    clients: tuple = ()             # addresses that are clients of their own
    memory: str = "256MiB"          # for bodies
    queue_memory: str = "1GiB"      # for what waits
    watched: bool = False           # an address and a reserve, and a feed that may list the first


FEED = "bad.netset"
ELSEWHERE = "192.0.2.0/24\n"        # a feed that has none of ours


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

    def __init__(self, sink, setting=Setting()):
        self.address_in_use, reserve = net.loopback(), net.loopback()
        watched = {"egress": [{"name": "a", "address": self.address_in_use},
                              {"name": "b", "address": reserve, "weight": 0}],
                   "reputation": {"feeds": [{"file": FEED, "format": "netset", "points": 100}]},
                   "dns": {"servers": [net.loopback() + ":53"]}} if setting.watched else {}
        networks = [*(f"{a}/32" for a in setting.clients), "127.0.0.0/8"]
        routes = [{"name": domain.split(".")[0], "when": {"recipient_domain": domain},
                   "hosts": [host], "tls": "none"} for domain, host in setting.elsewhere.items()]
        self.here = waypost.Waypost({
            "workers": "auto", "log": {"level": "warning",
                                       **({} if watched else {"deliveries": ""})}, **watched,
            "clients": [{"network": n, "connections": 10000} for n in networks],
            "limits": {"message_size": "4GiB", "connections": 10000, "memory": setting.memory,
                       "queue_memory": setting.queue_memory, "connections_per_client": 10000}},
            {"routes": [*routes, {"name": "all", "hosts": [sink], "tls": "none"}],
             "priorities": [{"when": {"sender": sender}, "priority": lane}
                            for sender, lane in setting.priorities.items()],
             "traffic": [{"when": {"recipient": "*"}, "connections": setting.connections}]},
            files={FEED: ELSEWHERE})
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

    def be_listed(self):
        """The feed has the address that is in use. Seconds until mail was taken from the other."""
        begun = time.time()
        self.here.write(FEED, ELSEWHERE + self.address_in_use + "\n")
        row = self.here.wait_log("delivered", 1, 60, egress="b")[0]
        at = datetime.datetime.fromisoformat(row["time"].replace("Z", "+00:00"))
        return at.timestamp() - begun

    def close(self):
        self.here.close()


def next_hop(sink):
    host, _, port = sink.partition(":")
    return f"[{host}]:{port}"


class Postfix(Machine):
    """Debian's Postfix with its limits raised where they would be the only thing measured."""
    name = "postfix"

    def __init__(self, sink, setting=Setting()):
        most = setting.connections
        hosts = ", ".join(f"{{ {domain} = smtp:{next_hop(host)} }}"
                          for domain, host in setting.elsewhere.items())
        self.server = servers.Postfix(
            relayhost=next_hop(sink), myhostname="relay.test", mydestination="",
            disable_dns_lookups="yes", queue_minfree="0", default_process_limit="200",
            default_destination_concurrency_limit=str(most),
            initial_destination_concurrency=str(min(20, most)),
            transport_maps=f"inline:{{{hosts}}}" if hosts else "",
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
