"""
rig — what a crash round works with: a relay on a disk that can fail, load, and a sink that counts

The generator says which messages were acknowledged, the sink which came and when (one record each,
tests/bench/tools). Both have the same clock as this process, so the copies of a message can be
compared with the moment of the crash.
"""
import mmap
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../support"), os.path.join(HERE, "../bench")]
import figures                                                  # noqa: E402
from power import Journal                                       # noqa: E402
from wp import net, process, waypost                            # noqa: E402


def tools():
    """Folder of bench-gen, bench-sink and libfaultfs.so: beside the binary."""
    return os.path.join(os.path.dirname(waypost.binary()), "tests")


class Sink:
    """bench-sink, with its log read as records."""

    def __init__(self, folder):
        self.address, self.log = net.loopback(), os.path.join(folder, "sink.log")
        self.child = process.Child([os.path.join(tools(), "bench-sink"), "-a", self.address, "-p",
                                    "25", "-l", self.log], os.path.join(folder, "sink.err"))
        net.wait_for("the sink", lambda: net.greets(self.address, 25))

    def stop(self):
        self.child.stop()


class Load:
    """bench-gen in the background; numbers of messages begin at `first`."""

    def __init__(self, relay, first, kept, sessions=20, size=4096):
        self.log = relay.path(f"gen-{first}.log")
        argv = [os.path.join(tools(), "bench-gen"), "-a", relay.address, "-p", "2525", "-n",
                "1000000", "-c", str(sessions), "-s", str(size), "-b", str(first), "-l", self.log]
        self.gen = subprocess.Popen(argv + (["-k"] if kept else []), stdout=subprocess.DEVNULL)

    def stop(self):
        """Ends the load; gives its records."""
        self.gen.terminate()
        self.gen.wait()
        rows = figures.read(self.log)
        os.unlink(self.log)
        return rows


class Rig:
    """One relay, one sink, one disk; lives for all rounds of its kind. With `power`, the disk tells
    what it has synced, and cut_power() works; without, it can be made to fail."""

    def __init__(self, power=False):
        self.relay = waypost.Waypost({"spool": {"min_free": "1MiB"}, "log": {"level": "info"}},
                                     waypost.QUICK)
        control = self.relay.write("disk", b"\0")
        self.disk = mmap.mmap(os.open(control, os.O_RDWR), 1)
        spool = self.relay.path("state", "spool")
        self.journal = power and Journal(self.relay.path("journal"), spool)
        if power:
            self.relay.env.update(POWERFS_JOURNAL=self.journal.path, POWERFS_DIR=spool,
                                  LD_PRELOAD=os.path.join(tools(), "libpowerfs.so"))
        else:
            self.relay.env.update(FAULTFS_CONTROL=control, FAULTFS_DIR=self.relay.path("state"),
                                  LD_PRELOAD=os.path.join(tools(), "libfaultfs.so"))
        self.sink = Sink(self.relay.dir)
        self.relay.write_conf(policies={"routes": [
            {"name": "all", "hosts": [f"{self.sink.address}:25"], "tls": "none"}]})
        self.relay.start()

    def fail_disk(self, mode):
        """b"S": full, b"I": every write fails, b"D": syncs fail, b"\\0": all is well."""
        self.disk[0:1] = mode

    def kill_relay(self):
        """kill -9 of the relay process; gives the moment. The supervisor starts another."""
        pid = self.relay.pid("relay")
        process.kill([pid])
        moment = time.monotonic_ns()
        net.wait_for("the relay to end", lambda: not process.alive(pid), step=0.002)
        return moment

    def kill_tree(self):
        """kill -9 of everything, then a start as after a power cut; gives the moment."""
        self.relay.kill_tree()
        moment = time.monotonic_ns()
        self.relay.start(wait=False)
        return moment

    def cut_power(self, rnd=None):
        """kill_tree(), with only what was synced left on the disk (power.py); gives the moment."""
        self.relay.kill_tree()
        moment = time.monotonic_ns()
        print("  " + self.journal.cut(rnd))
        self.relay.start(wait=False)
        return moment

    def wait_up(self):
        net.wait_for("the relay", lambda: net.greets(self.relay.address, 2525), 60)

    def taken(self):
        return figures.read(self.sink.log)

    def close(self):
        self.fail_disk(b"\0")
        self.relay.close()
        self.sink.stop()
