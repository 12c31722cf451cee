"""
scenarios — what is measured: each takes a stand.Bench and gives its figures by name

All mail is 4 KB unless said otherwise. "delivered/s" is from the first message begun to the sink's
last 250; latencies are from the generator's first act for a message to the sink's 250. order.py has
what is asked of the order in which mail leaves.
"""
import os
import threading
import time

import figures
import order
from stand import PATIENCE
from wp import net, process

DRAIN = 60              # seconds for a queue to empty after a restart


def flow(bench, count, *options):
    """Sends so many after a warm-up; the figures every flow has."""
    machine = bench.start()
    bench.warm()
    cpu = machine.cpu()
    with process.Peak(machine.memory, 0.2) as memory:
        sent = bench.generate(count, *options)
        bench.drain(count)
    cpu = machine.cpu() - cpu
    run = figures.Run(sent, figures.read(bench.sink_log))
    assert not run.lost and run.texts == 1, f"{len(run.lost)} lost, {run.texts} kinds of text"
    return {"messages": len(run.arrivals), "accepted/s": run.accepted_rate(),
            "delivered/s": run.rate(), "p50 ms": run.latency(0.5), "p99 ms": run.latency(0.99),
            "CPU ms/msg": 1000 * cpu / max(1, len(run.arrivals)), "peak MiB": memory.peak / 1024,
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
    with process.Peak(machine.memory) as memory:
        sent = bench.generate(1, "-c", "1", "-s", str(size))
        bench.drain(1, still=PATIENCE)
    run = figures.Run(sent, figures.read(bench.sink_log))
    assert not run.lost and run.arrivals, "the large message did not arrive"
    return {"GiB": size / (1 << 30), "seconds": run.latency(0) / 1000,
            "MiB above idle": memory.grown / 1024, "CPU s": machine.cpu() - cpu}


def restart(bench, divide):
    """100,000 deferred messages, then a restart with cold caches; a minute to deliver"""
    count = 100000 // divide
    machine = bench.start("-4")
    bench.generate(count, "-c", "50", "-k", "-P")
    time.sleep(3)
    waiting = machine.waiting()
    idle = machine.memory()
    machine.stop()
    bench.sink.take_mail()
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


SCENARIOS = {f.__name__: f for f in (each, kept, pipelined, steady, large, restart,
                                     *order.SCENARIOS)}
