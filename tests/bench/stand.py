"""
stand — sinks, generators and one machine between them

Times are bounded: whatever hangs ends with what it has.
"""
import os
import subprocess
import time

import figures
import machines
from wp import net, process, waypost

PATIENCE = 400          # seconds for the generator
STILL = 30              # seconds without a message: no more will come


def tool(name):
    return os.path.join(os.path.dirname(waypost.binary()), "tests", "bench-" + name)


class Sink:
    """Where mail goes; its logs are those of figures."""

    def __init__(self, folder, *options):
        self.address, self.log = net.loopback(), os.path.join(folder, "sink.log")
        self.refused = os.path.join(folder, "refused.log")
        self.child = process.Child([tool("sink"), "-a", self.address, "-p", "2600", "-l", self.log,
                                    "-R", self.refused, *options], folder + "/sink.err")
        net.wait_for("the sink", lambda: net.greets(self.address, 2600))
        self.host = f"{self.address}:2600"

    def take_mail(self):
        """SIGUSR1: from now on it takes mail, or no longer."""
        self.child.popen.send_signal(10)

    def hurry(self):
        """SIGHUP: a transaction takes no time any more."""
        self.child.popen.send_signal(1)

    def forget(self):
        """SIGUSR2: what came so far does not count."""
        self.child.popen.send_signal(12)
        time.sleep(0.4)


class Generator:
    """One that runs; options given later win."""

    def __init__(self, log, *options):
        self.log = log
        self.popen = subprocess.Popen([tool("gen"), "-l", log, *options],
                                      stdout=subprocess.DEVNULL)

    def end(self, stop=False):
        """Waits for its end, or ends it; gives its records."""
        if stop:
            self.popen.terminate()
        self.popen.wait()
        return figures.read(self.log)


class Bench:
    """A sink and one machine in front of it."""

    def __init__(self, folder, machine):
        self.folder, self.sinks, self.round = folder, [], 0
        self.make, self.machine = machine, None

    @property
    def sink(self):
        return self.sinks[0]

    @property
    def sink_log(self):
        return self.sink.log

    def add_sink(self, *options):
        folder = os.path.join(self.folder, f"sink{self.round}.{len(self.sinks)}")
        os.mkdir(folder)
        self.sinks.append(Sink(folder, *options))
        return self.sinks[-1]

    def start(self, *sink_options, setting=machines.Setting()):
        """The sink first, unless there is one."""
        if not self.sinks:
            self.add_sink(*sink_options)
        self.machine = self.make(self.sink.host, setting)
        return self.machine

    def generate(self, count, *options, log="gen.log"):
        """Runs the generator to its end; gives its records."""
        return self.begin(count, *options, log=log).end()

    def begin(self, count, *options, log="gen.log"):
        return Generator(os.path.join(self.folder, log), "-a", self.machine.address, "-p",
                         str(self.machine.port), "-n", str(count), "-T", str(PATIENCE), *options)

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
        self.sink.forget()

    def close(self):
        """Ends all of it; the bench may be set up anew."""
        if self.machine:
            self.machine.close()
        for sink in self.sinks:
            sink.child.stop()
        self.machine, self.sinks, self.round = None, [], self.round + 1
