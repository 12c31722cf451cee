"""
figures — what the logs of generator and sink say together

Both write 32-byte records (tests/bench/tools/tool.h) with times of the same monotonic clock.
"""
import os
import struct

RECORD = struct.Struct("=QQQII")


def read(path):
    """Whole records of a log; one that is being written at this moment is left out."""
    if not os.path.exists(path):
        return []
    with open(path, "rb") as f:
        data = f.read()
    return list(RECORD.iter_unpack(data[:len(data) // RECORD.size * RECORD.size]))


def count(path):
    """Records in a log so far."""
    return os.path.getsize(path) // RECORD.size if os.path.exists(path) else 0


def percentile(values, p):
    return values[min(len(values) - 1, int(len(values) * p))] if values else float("nan")


class Run:
    """Sent and taken put together. Times in seconds, latencies in ms."""

    def __init__(self, sent, taken):
        """sent, taken: records as read() gives them."""
        self.sent = {row[0]: row for row in sent}
        self.acked = {seq for seq, row in self.sent.items() if row[2]}
        self.arrivals, self.alien = {}, 0
        for seq, time_ns, size, crc, _ in taken:
            if seq in self.sent:
                self.arrivals.setdefault(seq, []).append((time_ns, size, crc))
            else:
                self.alien += 1
        self.lost = self.acked - set(self.arrivals)
        self.duplicates = {s: a for s, a in self.arrivals.items() if len(a) > 1}
        kinds = {(size, crc) for a in self.arrivals.values() for _, size, crc in a}
        self.texts = len(kinds)             # all texts are the same: 1 when none is damaged

    def rate(self):
        """Messages a second from the first begun to the last taken."""
        if not self.arrivals:
            return 0.0
        begun = min(row[1] for row in self.sent.values())
        return len(self.arrivals) * 1e9 / (max(a[0][0] for a in self.arrivals.values()) - begun)

    def accepted_rate(self):
        acked = [self.sent[s] for s in self.acked]
        if not acked:
            return 0.0
        begun = min(row[1] for row in self.sent.values())
        return len(acked) * 1e9 / (max(row[2] for row in acked) - begun)

    def latency(self, p):
        """From the first act for a message to the sink's 250."""
        return percentile(sorted((a[0][0] - self.sent[s][1]) / 1e6
                                 for s, a in self.arrivals.items()), p)

    def waits(self, until_ns):
        """ms from each 250 in to the 250 out, sorted; what is still there counts as taken then."""
        return sorted(((self.arrivals[s][0][0] if s in self.arrivals else until_ns) -
                       self.sent[s][2]) / 1e6 for s in self.acked)


def within(rows, begin_ns, end_ns):
    """How many a second were taken between the two."""
    return sum(begin_ns <= row[1] < end_ns for row in rows) * 1e9 / (end_ns - begin_ns)
