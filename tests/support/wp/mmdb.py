"""
mmdb — writes MaxMind DB files (format 2.0): any networks, loopback too, any record

    database = Database("GeoLite2-ASN")
    database.add("127.1.0.0/16", {"autonomous_system_number": U32(4134)})
    database.write(path)

Later networks lie over earlier ones. Python's values become the format's: dict, list, str, bool,
float, bytes; int becomes uint32 (U16, U64 force another width). Equal records are stored once and
their texts are shared by pointers, as real files do.
"""
import ipaddress
import os
import struct

U16, U32, U64, U128 = (type(name, (int,), {"kind": kind}) for name, kind in
                       (("U16", 5), ("U32", 6), ("U64", 9), ("U128", 10)))
MARKER = b"\xab\xcd\xefMaxMind.com"
SHARED_FROM = 4                             # shorter texts are not worth a pointer


def control(kind, size):
    """The bytes in front of a value."""
    extended = bytes([kind - 7]) if kind > 7 else b""
    top = 0 if kind > 7 else kind << 5
    if size < 29:
        return bytes([top | size]) + extended
    if size < 285:
        return bytes([top | 29]) + extended + bytes([size - 29])
    if size < 65821:
        return bytes([top | 30]) + extended + struct.pack(">H", size - 285)
    return bytes([top | 31]) + extended + (size - 65821).to_bytes(3, "big")


def pointer(at):
    """To offset `at` of the data section, in the shortest form."""
    if at < 2048:
        return struct.pack(">H", 0x2000 | at)
    if at < 526336:
        at -= 2048
        return bytes([0x28 | at >> 16]) + struct.pack(">H", at & 0xffff)
    return bytes([0x38]) + struct.pack(">I", at)


class Section:
    """Values one after the other; texts that come again are pointers."""

    def __init__(self):
        self.data = bytearray()
        self.texts = {}

    def put(self, value):
        """Appends the value; its offset."""
        at = len(self.data)
        if isinstance(value, dict):
            self.data += control(7, len(value))
            for key, below in value.items():
                self.put_text(key)
                self.put(below)
        elif isinstance(value, list):
            self.data += control(11, len(value))
            for below in value:
                self.put(below)
        elif isinstance(value, str):
            self.put_text(value)
        else:
            self.data += scalar(value)
        return at

    def put_text(self, text):
        raw = text.encode()
        known = self.texts.get(raw)
        if known is not None:
            self.data += pointer(known)
            return
        if len(raw) >= SHARED_FROM:
            self.texts[raw] = len(self.data)
        self.data += control(2, len(raw)) + raw


def scalar(value):
    if isinstance(value, bool):
        return control(14, int(value))
    if isinstance(value, float):
        return control(3, 8) + struct.pack(">d", value)
    if isinstance(value, bytes):
        return control(4, len(value)) + value
    raw = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return control(getattr(value, "kind", 6), len(raw)) + raw


class Database:
    """A search tree of networks and the records they lead to."""

    def __init__(self, kind, ip_version=6, record_size=24, epoch=1700000000, **metadata):
        self.kind, self.ip_version, self.record_size = kind, ip_version, record_size
        self.epoch, self.metadata = epoch, metadata
        self.root = [None, None]
        self.section = Section()
        self.stored = {}

    def add(self, network, record):
        net = ipaddress.ip_network(network)
        bits, value = net.prefixlen, int(net.network_address)
        width = net.max_prefixlen
        if net.version == 4 and self.ip_version == 6:
            bits, width = bits + 96, 128
        key = repr(record)
        if key not in self.stored:
            self.stored[key] = self.section.put(record)
        node = self.root
        for i in range(bits - 1):
            side = value >> (width - 1 - i) & 1
            if not isinstance(node[side], list):
                node[side] = [node[side], node[side]]
            node = node[side]
        node[value >> (width - bits) & 1] = self.stored[key]

    def nodes(self):
        """All nodes in the order of their numbers."""
        found, at = [self.root], 0
        while at < len(found):
            found += [side for side in found[at] if isinstance(side, list)]
            at += 1
        return found

    def record(self, side, numbers):
        if side is None:
            return len(numbers)
        if isinstance(side, list):
            return numbers[id(side)]
        return len(numbers) + 16 + side

    def pack_node(self, left, right):
        if self.record_size == 28:
            middle = (left >> 24) << 4 | right >> 24
            return ((left & 0xffffff).to_bytes(3, "big") + bytes([middle]) +
                    (right & 0xffffff).to_bytes(3, "big"))
        width = self.record_size // 8
        return left.to_bytes(width, "big") + right.to_bytes(width, "big")

    def pack(self):
        nodes = self.nodes()
        numbers = {id(node): i for i, node in enumerate(nodes)}
        tree = b"".join(self.pack_node(*(self.record(side, numbers) for side in node))
                        for node in nodes)
        metadata = Section()
        metadata.put({"binary_format_major_version": U16(2), "binary_format_minor_version": U16(0),
                      "build_epoch": U64(self.epoch), "database_type": self.kind,
                      "description": {"en": "made for tests"}, "ip_version": U16(self.ip_version),
                      "languages": ["en"], "node_count": U32(len(nodes)),
                      "record_size": U16(self.record_size), **self.metadata})
        return tree + bytes(16) + bytes(self.section.data) + MARKER + bytes(metadata.data)

    def write(self, path):
        """As a publisher's updater does: a new file, renamed over the old one."""
        with open(f"{path}.temporary", "wb") as f:
            f.write(self.pack())
        os.rename(f"{path}.temporary", path)
