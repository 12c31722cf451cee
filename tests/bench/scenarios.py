"""
scenarios — what is measured: each takes a Bench and gives its figures by name

All mail is 4 KB unless said otherwise. "delivered/s" is from the first message begun to the sink's
last 250; latencies are from the generator's first act for a message to the sink's 250.
"""
import os
import subprocess
import threading
import time

import figures
from wp import net, process, waypost

PATIENCE = 400          # seconds for the generator
STILL = 30              # seconds without a message: no more will come
DRAIN = 60              # seconds for a queue to empty after a restart


def tool(name):
    return os.path.join(os.path.dirname(waypost.binary()), "tests", "bench-" + name)


class Bench:
    """A sink and one machine in front of it."""

    def __init__(self, folder, machine):
        self.folder, self.sink_log = folder, os.path.join(folder, "sink.log")
        self.sink_address, self.sink = net.loopback(), None
        self.make, self.machine = machine, None

    def start(self, *sink_options):
        self.sink = process.Child([tool("sink"), "-a", self.sink_address, "-p", "2600", "-l",
                                   self.sink_log, *sink_options], self.folder + "/sink.err")
        net.wait_for("the sink", lambda: net.greets(self.sink_address, 2600))
        self.machine = self.make(f"{self.sink_address}:2600")
        return self.machine

    def generate(self, count, *options, log="gen.log"):
        """Runs the generator to its end; gives its records."""
        path = os.path.join(self.folder, log)
        subprocess.run([tool("gen"), "-a", self.machine.address, "-p", str(self.machine.port),
                        "-n", str(count), "-l", path, "-T", str(PATIENCE), *options], check=False,
                       stdout=subprocess.DEVNULL)
        return figures.read(path)

    def drain(self, count, still=STILL, limit=PATIENCE):
        """Waits until the sink has so many; gives up when nothing comes any more."""
        last, since = -1, time.monotonic()
        end = since + limit
        while (n := figures.count(self.sink_log)) < count and time.monotonic() < end:
            if n != last:
                last, since = n, time.monotonic()
            if time.monotonic() - since > still:
                return
            time.sleep(0.02)

    def warm(self):
        """Process pools, caches and connections: some mail that does not count."""
        self.generate(300, "-c", "20", log="warm.log")
        self.drain(300)
        self.sink.popen.send_signal(12)     # SIGUSR2: empty the log
        time.sleep(0.4)

    def close(self):
        if self.machine:
            self.machine.close()
        if self.sink:
            self.sink.stop()


class Watch:
    """The peak of a machine's memory (KiB) while it is entered."""

    def __init__(self, machine, step=0.05):
        self.machine, self.step, self.on = machine, step, True
        self.idle = self.peak = machine.memory()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while self.on:
            self.peak = max(self.peak, self.machine.memory())
            time.sleep(self.step)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.on = False
        self.thread.join()


def flow(bench, count, *options):
    """Sends so many after a warm-up; the figures every flow has."""
    machine = bench.start()
    bench.warm()
    cpu = machine.cpu()
    with Watch(machine, 0.2) as watch:
        sent = bench.generate(count, *options)
        bench.drain(count)
    cpu = machine.cpu() - cpu
    run = figures.Run(sent, figures.read(bench.sink_log))
    assert not run.lost and run.texts == 1, f"{len(run.lost)} lost, {run.texts} kinds of text"
    return {"messages": len(run.arrivals), "accepted/s": run.accepted_rate(),
            "delivered/s": run.rate(), "p50 ms": run.latency(0.5), "p99 ms": run.latency(0.99),
            "CPU ms/msg": 1000 * cpu / max(1, len(run.arrivals)), "peak MiB": watch.peak / 1024,
            "duplicates": len(run.duplicates)}


def each(bench, divide):
    """20 connections, one message each, no pipelining"""
    return flow(bench, 20000 // divide, "-c", "20")


def kept(bench, divide):
    """100 sessions that stay open"""
    return flow(bench, 40000 // divide, "-c", "100", "-k")


def pipelined(bench, divide):
    """100 sessions that stay open and pipeline MAIL, RCPT and DATA"""
    return flow(bench, 40000 // divide, "-c", "100", "-k", "-P")


def steady(bench, divide):
    """100 messages a second, open loop: latency without a backlog"""
    return flow(bench, max(200, 2000 // divide), "-c", "50", "-r", "100")


def large(bench, divide):
    """one message of 2 GiB: memory"""
    size = (2 << 30) // divide
    machine = bench.start()
    bench.warm()
    cpu = machine.cpu()
    with Watch(machine) as watch:
        sent = bench.generate(1, "-c", "1", "-s", str(size))
        bench.drain(1, still=PATIENCE)
    run = figures.Run(sent, figures.read(bench.sink_log))
    assert not run.lost and run.arrivals, "the large message did not arrive"
    return {"GiB": size / (1 << 30), "seconds": run.latency(0) / 1000,
            "MiB above idle": (watch.peak - watch.idle) / 1024, "CPU s": machine.cpu() - cpu}


def restart(bench, divide):
    """100,000 deferred messages, then a restart with cold caches; a minute to deliver"""
    count = 100000 // divide
    machine = bench.start("-4")
    bench.generate(count, "-c", "50", "-k", "-P")
    time.sleep(3)
    waiting = machine.waiting()
    idle = machine.memory()
    machine.stop()
    bench.sink.popen.send_signal(10)        # SIGUSR1: from now on it takes mail
    os.sync()
    try:
        with open("/proc/sys/vm/drop_caches", "w") as f:
            f.write("3")
    except OSError:
        pass
    begun = time.monotonic()
    machine.start()
    up = time.monotonic() - begun
    threading.Thread(target=machine.flush, daemon=True).start()
    net.wait_for("the first delivery", lambda: figures.count(bench.sink_log), 180, 0.005)
    first = time.monotonic() - begun
    bench.drain(count, limit=DRAIN)
    done = time.monotonic() - begun
    taken = figures.count(bench.sink_log)
    return {"waiting": waiting, "MiB while waiting": idle / 1024, "listens after s": up,
            "first after s": first, "taken": taken, "in s": done,
            "delivered/s": taken / (done - first)}


SCENARIOS = {f.__name__: f for f in (each, kept, pipelined, steady, large, restart)}
