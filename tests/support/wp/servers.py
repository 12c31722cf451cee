"""
servers — real peers from Debian, each in a folder and on an address of its own

Postfix runs as an instance of ours (own configuration, queue and data); the system's own service is
never touched. knot and unbound serve the zone given as text, rbldnsd data files; smtp-sink and
smtp-source come with Postfix.
"""
import atexit
import glob
import os
import shutil
import subprocess
import tempfile

from dnslib import DNSRecord

from . import net, process

MASTER = "/usr/share/postfix/master.cf.dist"
BASE = """compatibility_level = 3.6
queue_directory = {dir}/queue
data_directory = {dir}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
maillog_file = {dir}/log
maillog_file_prefixes = {dir}
inet_interfaces = all
inet_protocols = ipv4
smtpd_peername_lookup = no
mynetworks = 127.0.0.0/8
alias_maps =
notify_classes =
mailbox_size_limit = 0
virtual_mailbox_limit = 0
message_size_limit = 0
"""


def _folder(prefix):
    path = tempfile.mkdtemp(prefix=prefix)
    os.chmod(path, 0o755)
    atexit.register(shutil.rmtree, path, True)
    return path


class Postfix:
    """settings are lines of main.cf. submit() is what a local program would do with sendmail."""

    def __init__(self, **settings):
        self.dir, self.address, self.port = _folder("wp-postfix-"), net.loopback(), 25
        # Apart from the queue: "postfix start" looks at the owner of every file beside main.cf.
        self.conf = self.dir + "/etc"
        for folder in ("etc", "data", "queue"):
            os.makedirs(f"{self.dir}/{folder}")
        os.chmod(self.dir + "/data", 0o700)
        shutil.chown(self.dir + "/data", "postfix")
        with open(self.conf + "/main.cf", "w") as f:
            f.write(BASE.format(dir=self.dir, address=self.address))
            f.writelines(f"{k} = {v}\n" for k, v in settings.items())
        with open(MASTER) as source, open(self.conf + "/master.cf", "w") as f:
            f.writelines(self._services(source))
        self.run("postfix", "start")
        net.wait_for("postfix", lambda: net.greets(self.address, self.port))

    def _services(self, source):
        """master.cf without chroot, listening on our address only, and with the log service."""
        for line in source:
            words = line.split()
            if words and not line.startswith(("#", " ")):
                words[4] = "n"              # no chroot
                if words[:2] == ["smtp", "inet"]:
                    words[0] = f"{self.address}:{self.port}"
                line = "\t".join(words) + "\n"
            yield line
        yield "postlog unix-dgram n - n - 1 postlogd\n"

    def run(self, command, *args, data=None):
        return subprocess.run([command, "-c", self.conf, *args], input=data, check=False,
                              capture_output=True, timeout=60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.run("postfix", "stop")
        shutil.rmtree(self.dir, ignore_errors=True)

    def submit(self, data, sender, *to):
        # -C: sendmail's own letter for the configuration folder
        done = subprocess.run(["sendmail", "-C", self.conf, "-i", "-f", sender, *to], input=data,
                              capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr

    def queued(self):
        return sum(len(files) for q in ("maildrop", "incoming", "active", "deferred")
                   for _, _, files in os.walk(f"{self.dir}/queue/{q}"))

    def flush(self):
        self.run("postqueue", "-f")

    def log(self):
        with open(self.dir + "/log", errors="replace") as f:
            return f.read()

    def mailbox(self, user="nobody"):
        """Messages delivered to DIR/mail/USER/ (virtual_mailbox), as bytes."""
        out = []
        for path in sorted(glob.glob(f"{self.dir}/mail/{user}/new/*")):
            with open(path, "rb") as f:
                out.append(f.read())
        return out


def postfix_with_mailboxes(domain, *users, **settings):
    """A Postfix that is the final destination of the domain; see mailbox()."""
    uid = 65534
    boxes = _folder("wp-boxes-")
    os.makedirs(boxes + "/mail")
    shutil.chown(boxes + "/mail", uid, uid)
    names = ", ".join(f"{u}@{domain}={u}/" for u in users)
    server = Postfix(virtual_mailbox_domains=domain, virtual_mailbox_base=boxes + "/mail",
                     virtual_mailbox_maps="inline:{ " + names + " }", mydestination="",
                     virtual_uid_maps=f"static:{uid}", virtual_gid_maps=f"static:{uid}",
                     myhostname="mx." + domain, **settings)
    os.symlink(boxes + "/mail", server.dir + "/mail")
    return server


class Knot:
    """knotd with one zone; text is a zone file without its SOA and NS."""

    def __init__(self, zone, text):
        self.dir, self.address = _folder("wp-knot-"), net.loopback()
        with open(f"{self.dir}/zone", "w") as f:
            f.write(f"$ORIGIN {zone}.\n$TTL 60\n@ SOA ns root 1 60 60 60 1\n@ NS ns\n"
                    f"ns A {self.address}\n{text}")
        with open(f"{self.dir}/knot.conf", "w") as f:
            f.write(f"""server:
    listen: {self.address}@53
    rundir: {self.dir}
    pidfile: {self.dir}/knot.pid
database:
    storage: {self.dir}
control:
    listen: {self.dir}/knot.sock
log:
  - target: stderr
    any: info
zone:
  - domain: {zone}
    file: {self.dir}/zone
""")
        self.child = process.Child(["knotd", "-c", f"{self.dir}/knot.conf"], self.dir + "/log")
        net.wait_for("knotd", lambda: net.listens(self.address, 53))

    @property
    def host(self):
        return f"{self.address}:53"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.stop()
        shutil.rmtree(self.dir, ignore_errors=True)


class Unbound:
    """unbound in front of another server for `zone`, as a caching resolver is."""

    def __init__(self, zone, forward):
        self.dir, self.address = _folder("wp-unbound-"), net.loopback()
        address, _, port = forward.partition(":")
        with open(f"{self.dir}/conf", "w") as f:
            f.write(f"""server:
    interface: {self.address}
    chroot: ""
    username: ""
    directory: "{self.dir}"
    pidfile: ""
    use-syslog: no
    do-not-query-localhost: no
    module-config: "iterator"
    access-control: 127.0.0.0/8 allow
    local-zone: "test." nodefault
remote-control:
    control-enable: no
stub-zone:
    name: "{zone}"
    stub-addr: {address}@{port}
""")
        self.child = process.Child(["unbound", "-d", "-c", self.dir + "/conf"], self.dir + "/log")
        net.wait_for("unbound", lambda: net.listens(self.address, 53))

    host = Knot.host
    __enter__ = Knot.__enter__
    __exit__ = Knot.__exit__


class SmtpSink:
    """Postfix's smtp-sink; dumps each message with its envelope into a file of its own."""

    def __init__(self, *options):
        self.dir, self.address, self.port = _folder("wp-sink-"), net.loopback(), 25
        os.makedirs(self.dir + "/mail")
        shutil.chown(self.dir + "/mail", "nobody")
        self.child = process.Child(["smtp-sink", "-u", "nobody", "-R", self.dir + "/mail",
                                    "-d", "%Y.", *options, f"{self.address}:25", "1000"],
                                   self.dir + "/log")
        net.wait_for("smtp-sink", lambda: net.greets(self.address, 25))

    @property
    def host(self):
        return f"{self.address}:{self.port}"

    @property
    def messages(self):
        out = []
        for path in sorted(glob.glob(self.dir + "/mail/*")):
            with open(path, "rb") as f:
                out.append(f.read())
        return out

    __enter__ = Knot.__enter__
    __exit__ = Knot.__exit__


class Rbldnsd:
    """rbldnsd with zones {name: (type, text of its data file)}; looks for changes every second."""

    def __init__(self, zones):
        self.dir, self.address = _folder("wp-rbldnsd-"), net.loopback()
        for name, (_, text) in zones.items():
            self.write(name, text)
        specs = [f"{name}:{kind}:{name}.data" for name, (kind, _) in zones.items()]
        self.child = process.Child(["rbldnsd", "-n", "-u", "nobody", "-b", f"{self.address}/53",
                                    "-w", self.dir, "-c", "1", *specs], self.dir + "/log")
        first = next(iter(zones))
        net.wait_for("rbldnsd", lambda: answers(self.address, first))

    def write(self, name, text):
        with open(f"{self.dir}/{name}.new", "w") as f:
            f.write(text)
        os.replace(f"{self.dir}/{name}.new", f"{self.dir}/{name}.data")

    host = Knot.host
    __enter__ = Knot.__enter__
    __exit__ = Knot.__exit__


def answers(address, name):
    """True when a name server answers there over UDP."""
    try:
        DNSRecord.question(name, "A").send(address, 53, timeout=0.5)
        return True
    except OSError:
        return False
