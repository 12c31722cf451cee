"""
dns — a name server that answers as a test wants, also wrongly

A Zone maps names to records in the words of a zone file: zone.add("d.test", "MX 10 mx.d.test.").
What is not there is NXDOMAIN; a name with other types only is an empty answer (both with a SOA).
zone.fault(name, what) makes answers for a name wrong: see FAULTS. Served over UDP and TCP.
"""
import socket
import struct
import threading
import time

from dnslib import DNSRecord, QTYPE, RCODE, RR

from . import net

# What can be wrong about an answer: reply bytes from (query bytes, right answer), None is silence.
FAULTS = {
    "silent": lambda q, a: None,
    "servfail": lambda q, a: _rcode(q, 2),
    "refused": lambda q, a: _rcode(q, 5),
    "notimp": lambda q, a: _rcode(q, 4),
    "formerr": lambda q, a: _rcode(q, 1),
    "no_edns": lambda q, a: _rcode(q, 1) if q[10:12] != b"\0\0" else a,
    "wrong_id": lambda q, a: bytes([a[0] ^ 0x55]) + a[1:],
    "wrong_question": lambda q, a: _other_question(a),
    "garbage": lambda q, a: q[:2] + b"\x84" + bytes(range(40)),
    "short": lambda q, a: a[:14],
    "pointer_loop": lambda q, a: _pointer_loop(q),
    "truncated": lambda q, a: q[:2] + b"\x86\x00\x00\x01\x00\x00\x00\x00\x00\x00" + q[12:],
}


def _rcode(query, code):
    reply = DNSRecord.parse(query).reply()
    reply.header.rcode = code
    return reply.pack()


def _other_question(answer):
    """The same, of a name whose first letter is another."""
    return answer[:13] + bytes([answer[13] ^ 1]) + answer[14:]


def _pointer_loop(query):
    """One answer whose owner name points to itself."""
    question = query[12:query.index(b"\0", 12) + 5]
    head = query[:2] + b"\x84\x00\x00\x01\x00\x01\x00\x00\x00\x00"
    return head + question + bytes([0xc0, 12 + len(question), 0, 15, 0, 1]) + bytes(8)


class Zone:
    """Names and records; safe to change while it is served."""

    def __init__(self, *lines, ttl=60, negative=1):
        self.ttl, self.negative = ttl, negative
        self.records, self.faults, self.queries, self.askers = {}, {}, [], set()
        self.rewrites = None                # the address that names which do not exist have
        for line in lines:
            self.add(*line.split(" ", 1))

    def add(self, name, record, ttl=None):
        ttl = self.ttl if ttl is None else ttl
        rows = RR.fromZone(f"{name}. {ttl} IN {record}\n", origin=".")
        self.records.setdefault(name.lower(), []).extend(rows)
        return self

    def host(self, name, address):
        return self.add(name, ("AAAA " if ":" in address else "A ") + address)

    def mail(self, domain, *servers):
        """The domain's MX hosts mx1.DOMAIN, mx2.DOMAIN… with these addresses, best first."""
        for i, address in enumerate(servers, 1):
            self.add(domain, f"MX {i * 10} mx{i}.{domain}.")
            self.host(f"mx{i}.{domain}", address)
        return self

    def remove(self, name):
        self.records.pop(name.lower(), None)

    def fault(self, name, what=None, **types):
        """Every answer for the name is wrong; with A="silent" the answers of that type only."""
        self.faults[name.lower()] = types or {"*": what}

    def mend(self, name=None):
        if name is None:
            self.faults.clear()
        else:
            self.faults.pop(name.lower(), None)

    def asked(self, name, kind=None):
        return [q for q in list(self.queries) if q[0] == name.lower() and kind in (None, q[1])]

    def answer(self, query, tcp):
        """Reply bytes, or None to say nothing."""
        question = DNSRecord.parse(query)
        name, kind = str(question.q.qname).rstrip(".").lower(), QTYPE[question.q.qtype]
        self.queries.append((name, kind, "tcp" if tcp else "udp"))
        right = self._right(question, name, kind)
        wrong = self.faults.get(name, self.faults.get("*", {}))
        what = wrong.get(kind, wrong.get("*"))
        if what is None or (what == "truncated" and tcp):
            return right
        if what.startswith("slow:"):
            time.sleep(float(what[5:]))
            return right
        return FAULTS[what](query, right)

    def _right(self, question, name, kind):
        reply, seen = question.reply(aa=1, ra=1), set()
        while name not in seen:             # a CNAME is followed within the zone
            seen.add(name)
            rows = self.records.get(name, [])
            reply.add_answer(*[r for r in rows if QTYPE[r.rtype] == kind])
            alias = [r for r in rows if QTYPE[r.rtype] == "CNAME"]
            if not alias or kind == "CNAME":
                break
            reply.add_answer(*alias)
            name = str(alias[0].rdata.label).rstrip(".").lower()
        known = self.records.get(name)
        if self.rewrites and not known and kind == "A":
            reply.add_answer(*RR.fromZone(f"{name}. {self.ttl} IN A {self.rewrites}\n", origin="."))
        if not reply.rr:
            reply.header.rcode = RCODE.NOERROR if known else RCODE.NXDOMAIN
            reply.add_auth(*RR.fromZone(f"test. {self.negative} IN SOA ns.test. root.test. "
                                        f"1 60 60 60 {self.negative}"))
        return reply.pack()


class Server:
    """Serves a zone on port 53 of an address of its own; without TCP connections are refused."""

    def __init__(self, zone, address=None, tcp=True):
        self.zone, self.address, self.open = zone, address or net.loopback(), True
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        self.udp = socket.socket(family, socket.SOCK_DGRAM)
        self.udp.bind((self.address, 53))
        threading.Thread(target=self._serve_udp, daemon=True).start()
        self.tcp = socket.create_server((self.address, 53), family=family) if tcp else None
        if tcp:
            threading.Thread(target=self._serve_tcp, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """From now on nobody answers."""
        self.open = False
        for s in filter(None, (self.udp, self.tcp)):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()

    @property
    def host(self):
        return net.host(self.address, 53)

    def _serve_udp(self):
        while self.open:
            try:
                query, peer = self.udp.recvfrom(4096)
            except OSError:
                return
            if query:
                threading.Thread(target=self._one_udp, args=(query, peer), daemon=True).start()

    def _one_udp(self, query, peer):
        self.zone.askers.add(peer[0])
        reply = self.zone.answer(query, False)
        if reply and len(reply) > 1232:
            reply = FAULTS["truncated"](query[:query.index(b"\0", 12) + 5], reply)
        try:
            reply and self.udp.sendto(reply, peer)
        except OSError:
            pass

    def _serve_tcp(self):
        while self.open:
            try:
                sock, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self._one_tcp, args=(sock,), daemon=True).start()

    def _one_tcp(self, sock):
        with sock:
            sock.settimeout(10)
            try:
                while head := sock.recv(2, socket.MSG_WAITALL):
                    query = sock.recv(struct.unpack(">H", head)[0], socket.MSG_WAITALL)
                    reply = self.zone.answer(query, True)
                    if reply:
                        sock.sendall(struct.pack(">H", len(reply)) + reply)
            except OSError:
                pass
