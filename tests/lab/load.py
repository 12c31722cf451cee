"""
load — mail at a steady pace into every group, and the proof that each arrived once

    with Load(world, groups, per_second=5) as load: …
    load.check_all_arrived()
"""
import threading
import time

from topology import SOURCE
from wp import mail, net


class Load:
    """One thread and one SMTP session for each group; per_second is that of each."""

    def __init__(self, world, groups, per_second, user="b"):
        self.world, self.groups, self.user = world, list(groups), user
        self.pause = 1 / per_second
        self.sent, self.done = {}, threading.Event()    # Message-ID → (group, time accepted)
        self.errors = []

    def __enter__(self):
        self.threads = [threading.Thread(target=self._send, args=(group, i), daemon=True)
                        for i, group in enumerate(self.groups)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        for thread in self.threads:
            thread.join()

    def _send(self, group, number):
        due = time.monotonic() + self.pause * number / len(self.groups)
        while not self.done.wait(max(0, due - time.monotonic())):
            data = mail.message()
            try:
                self.world.send(data, group, self.user)
                self.sent[mail.message_id(data)] = (group, time.monotonic())
            except OSError as e:
                self.errors.append(e)
            due += self.pause

    def _unread(self, copies, killed):
        """Twice, but the answer to the first went down with the egress that carried it: nobody can
        know then that it was taken (RFC 1047)."""
        ident = mail.received_id(copies[0].data)
        told = [row["egress"] for row in self.world.here.log("delivered", id=ident)]
        return (len(copies) == 2 and len(told) == 1 and SOURCE[told[0]] == copies[1].peer
                and copies[0].peer in {SOURCE[egress] for egress in killed})

    def check_all_arrived(self, timeout=60, killed=()):
        """Every message that was accepted is at its sink, once. `killed`: egresses that were ended
        in the middle of their work."""
        assert not self.errors, self.errors

        def arrived():
            return sum(len(s.messages) for s in self.world.sinks.values()) >= len(self.sent)
        net.wait_for("every message at its sink", arrived, timeout, 0.2)
        seen = {}
        for group, sink in self.world.sinks.items():
            for m in sink.messages:
                ident = mail.message_id(m.data)
                if ident in self.sent:
                    seen.setdefault(ident, []).append((group, m))
        wrong = {i: [(group, m.peer) for group, m in copies] for i, copies in seen.items()
                 if [group for group, _ in copies] != [self.sent[i][0]]
                 and not self._unread([m for _, m in copies], killed)}
        assert not wrong, wrong             # doubled, or at the wrong sink
        missing = set(self.sent) - set(seen)
        assert not missing, missing
