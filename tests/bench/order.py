"""
order — what is measured of the order in which mail leaves: each takes a stand.Bench

A transaction takes TRANSACTION_MS at the sink. Waits are from the 250 in to the 250 out; mail that
is still waiting when a phase has been over for SETTLE seconds counts as taken then. `divide` makes
phases shorter, and backlogs smaller, never the load higher.
"""
import os
import time

import figures
import stand
from machines import Setting

TRANSACTION_MS = 50
TAKES = ("-d", str(TRANSACTION_MS))
KEEP = ("-k", "-P")
SETTLE = 10             # seconds after a phase for what it waits for
DRAIN = 300             # seconds for a backlog, once the sink hurries
BULK, URGENT = "bulk@client.test", "urgent@client.test"
LANES = {URGENT: "urgent", BULK: "bulk"}
BLOCK = 10_000_000      # numbers of one generator's messages


class Phase:
    """A stretch of time with generators of its own; `sent` holds their records, by name."""

    def __init__(self, bench, seconds):
        self.bench, self.seconds, self.running, self.sent = bench, seconds, {}, {}
        self.begin = time.monotonic_ns()
        self.end = self.begin + int(seconds * 1e9)

    def feed(self, name, block, rate, *options):
        """Mail at that rate, from now to the end of the phase."""
        self.running[name] = self.bench.begin(
            max(1, round(rate * self.seconds)), "-b", str(block * BLOCK), "-r", str(rate), *KEEP,
            "-T", str(self.seconds + SETTLE), *options, log=f"{self.begin}-{name}.log")

    def over(self):
        """Waits for its end, and that of its generators unless they are late."""
        time.sleep(max(0, (self.end - time.monotonic_ns()) / 1e9))
        for name, gen in self.running.items():
            self.sent[name] = gen.end()
        return self

    def settle(self, name, sink):
        """Waits until what this generator sent is out; gives the Run and its waits in ms."""
        end = time.monotonic() + SETTLE
        while True:
            now = time.monotonic()
            run = figures.Run(self.sent[name], figures.read(sink.log))
            if not run.lost or now > end:
                return run, run.waits(int(now * 1e9))
            time.sleep(0.1)

    def rate(self, sink, block=None):
        """Messages a second that the sink took meanwhile; block: of this generator's only."""
        rows = figures.read(sink.log)
        if block is not None:
            rows = [row for row in rows if row[0] // BLOCK == block]
        return figures.within(rows, self.begin, self.end)


def p99(waits):
    return figures.percentile(waits, 0.99)


def grown(before, after):
    return 100 * (after / before - 1)


def missing(bench, sent):
    """The sinks hurry; how many acknowledged messages are neither out nor waiting at the end."""
    acked = {row[0] for row in sent if row[2]}
    taken = set()
    end = time.monotonic() + DRAIN
    for sink in bench.sinks:
        sink.hurry()
    while acked - taken and time.monotonic() < end:
        time.sleep(0.5)
        taken = {row[0] for sink in bench.sinks for row in figures.read(sink.log)}
    left = len(acked - taken)
    return max(0, left - bench.machine.waiting()) if left else 0


def urgent(bench, divide):
    """50,000 bulk messages wait for a site of 5 connections; then 200 urgent ones in a minute"""
    machine = bench.start(*TAKES, setting=Setting(connections=5, priorities=LANES))
    bulk = bench.generate(50000 // divide, "-c", "50", *KEEP, "-f", BULK)
    alone = Phase(bench, 60 / divide).over()
    phase = Phase(bench, 60 / divide)
    phase.feed("urgent", 1, 200 / 60, "-c", "5", "-f", URGENT)
    phase.over()
    run, waits = phase.settle("urgent", bench.sink)
    out = {"waiting": machine.waiting(), "bulk/s alone": alone.rate(bench.sink),
           "bulk/s": phase.rate(bench.sink, 0), "urgent": len(waits), "taken": len(run.arrivals),
           "p50 ms": figures.percentile(waits, 0.5), "p99 ms": p99(waits)}
    out["p99 transactions"] = out["p99 ms"] / TRANSACTION_MS
    out["bulk kept %"] = 100 * out["bulk/s"] / out["bulk/s alone"]
    out["lost"] = missing(bench, bulk + phase.sent["urgent"])
    return out


def halves(bench, seconds, *slow):
    """Half of the mail to another site, whose sink has these options; figures of the other half."""
    fast, other = bench.add_sink(*TAKES), bench.add_sink(*slow)
    bench.start(setting=Setting(connections=10, elsewhere={"slow.test": other.host}))
    to_slow, to_fast = ("-c", "20", "-t", "u@slow.test"), ("-c", "20", "-t", "u@fast.test")
    calm = Phase(bench, seconds)
    calm.feed("fast", 1, 80, *to_fast)
    calm.feed("slow", 2, 80, *to_slow)
    calm.over()
    _, waits = calm.settle("fast", fast)
    full = Phase(bench, seconds)
    full.feed("fast", 3, 250, *to_fast)
    full.feed("slow", 4, 250, *to_slow)
    full.over()
    sent = [row for phase in (calm, full) for rows in phase.sent.values() for row in rows]
    return full.rate(fast), p99(waits), missing(bench, sent)


def tarpit(bench, divide):
    """half of the mail to a site that takes 5 s for each command"""
    rate, wait, lost = halves(bench, 60 / divide, *TAKES)
    bench.close()
    tarred = halves(bench, 60 / divide, "-d", "5000", "-e")
    return {"msg/s without": rate, "msg/s": tarred[0], "p99 ms without": wait,
            "p99 ms": tarred[1], "throughput kept %": 100 * tarred[0] / rate,
            "p99 grown %": grown(wait, tarred[1]), "lost": lost + tarred[2]}


def limit7(bench, divide):
    """a site that takes 7 connections and answers 421 to more, while 20 may be opened"""
    minute, limit = 60 / divide, 7
    sink = bench.add_sink(*TAKES, "-m", str(limit))
    capacity = limit * 1000 / TRANSACTION_MS
    straight = stand.Generator(os.path.join(bench.folder, "straight.log"), "-a", sink.address,
                               "-p", "2600", "-n", str(int(capacity * 3)), "-c", str(limit),
                               *KEEP).end()
    most = figures.Run(straight, figures.read(sink.log)).rate()
    sink.forget()
    machine = bench.start(setting=Setting(connections=20))
    sent = bench.begin(int(capacity * minute * 3.5), "-c", "20", *KEEP)
    while not figures.count(sink.log):
        time.sleep(0.01)
    Phase(bench, minute).over()
    phase = Phase(bench, 2 * minute).over()
    rate, waiting = phase.rate(sink), machine.waiting()
    refused = figures.within(figures.read(sink.refused), phase.begin, phase.end)
    return {"waiting": waiting, "msg/s": rate, "straight msg/s": most,
            "used %": 100 * rate / capacity, "of straight %": 100 * rate / most,
            "refused %": 100 * refused / (rate + refused) if rate + refused else 100,
            "lost": missing(bench, sent.end())}


def clients(bench, divide):
    """three clients of one lane: one sends 100 times as much as the others, more than goes out"""
    names = {"small": "127.8.0.1", "other": "127.8.0.2", "large": "127.8.0.3"}
    bench.start(*TAKES, setting=Setting(connections=20, clients=tuple(names.values())))
    bench.warm()
    alone, together = [], []
    sent = []
    for waits, block in ((alone, 1), (together, 4)):
        phase = Phase(bench, 60 / divide)
        for i, (name, address) in enumerate(names.items()):
            if name != "large" or waits is together:
                phase.feed(name, block + i, 370 if name == "large" else 3.7, "-c", "20", "-i",
                           address)
                time.sleep(0.1)     # not in step
        phase.over()
        for name in ("small", "other"):
            waits += phase.settle(name, bench.sink)[1]
        sent += [row for rows in phase.sent.values() for row in rows]
        large = phase.rate(bench.sink, block + 2)
    before, after = p99(sorted(alone)), p99(sorted(together))
    return {"p50 ms alone": figures.percentile(sorted(alone), 0.5), "p99 ms alone": before,
            "p50 ms": figures.percentile(sorted(together), 0.5), "p99 ms": after,
            "p99 grown %": grown(before, after), "large msg/s": large,
            "lost": missing(bench, sent)}


def flood(bench, divide):
    """bulk mail at 5 times what the site takes for five minutes, two urgent messages a second"""
    room = 16 * 1024 // divide      # KiB for what waits: full before half of the time is over
    machine = bench.start(*TAKES, setting=Setting(connections=5, priorities=LANES, memory="16MiB",
                                                  queue_memory=f"{max(1024, room)}KiB"))
    bench.warm()
    idle = machine.memory()
    phase = Phase(bench, 300 / divide)
    phase.feed("bulk", 1, 5 * 5 * 1000 / TRANSACTION_MS, "-c", "100", "-f", BULK)
    phase.feed("urgent", 2, 2, "-c", "5", "-f", URGENT)
    time.sleep(phase.seconds / 2)
    early = machine.memory()
    phase.over()
    late, waiting = machine.memory(), machine.waiting()
    run, waits = phase.settle("urgent", bench.sink)
    bulk = sum(row[2] > 0 for row in phase.sent["bulk"])
    return {"bulk accepted/s": bulk / phase.seconds, "bulk/s": phase.rate(bench.sink, 1),
            "waiting": waiting, "MiB": late / 1024, "MiB grown": (late - early) / 1024,
            "bytes each": 1024 * (late - idle) / max(1, waiting),
            "urgent": len(run.sent), "urgent accepted %": 100 * len(run.acked) / len(run.sent),
            "urgent out %": 100 * len(run.arrivals) / len(run.sent),
            "urgent p99 ms": p99(waits),
            "lost": missing(bench, phase.sent["bulk"] + phase.sent["urgent"])}


def listed(bench, divide):
    """10,000 messages wait for one address of Waypost, which a feed's file lists then"""
    machine = bench.start(*TAKES, setting=Setting(connections=5, watched=True))
    sent = bench.generate(10000 // divide, "-c", "50", *KEEP)
    waiting = machine.waiting()
    first = machine.be_listed()
    lost = missing(bench, sent)
    run = figures.Run(sent, figures.read(bench.sink_log))
    return {"waiting": waiting, "by the other after s": first, "lost": lost,
            "doubled": len(run.duplicates)}


SCENARIOS = (urgent, tarpit, limit7, clients, flood, listed)
