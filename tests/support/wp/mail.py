"""
mail — messages to send, and the parts of what comes back
"""
import email
import email.policy
import itertools
import os
import re

_serial = itertools.count(1)


def message(subject="test", size=0, extra=b"", sender="a@client.test", to="b@dest.test"):
    """A small, well-formed message as bytes, with its own Message-ID; `size` pads the text."""
    ident = f"{os.getpid()}.{next(_serial)}@wp.test"
    head = (f"From: <{sender}>\r\nTo: <{to}>\r\nSubject: {subject}\r\nMessage-ID: <{ident}>\r\n"
            "Date: Sun, 22 Nov 2026 12:00:00 +0000\r\n").encode()
    text = b"Hello from the test.\r\n" + extra
    line = b"The quick brown fox jumps over the lazy dog, and then it does so once more.\r\n"
    text += line * -(-max(0, size - len(text)) // len(line))
    return head + b"\r\n" + text


def message_id(data):
    return parse(data)["Message-ID"]


def received_id(data):
    """Our name for it, as in the delivery log."""
    trace = b" ".join(split_trace(data)[0].split())
    return re.search(rb" id ([^ ;]+)", trace)[1].decode()


def parse(data):
    return email.message_from_bytes(data, policy=email.policy.SMTP)


def split_trace(data):
    """(trace header field put in front, the rest): the rest must equal what was sent."""
    assert data[:9].lower() == b"received:", data[:80]
    at = 0
    while True:
        at = data.index(b"\r\n", at) + 2
        if data[at:at + 1] not in (b" ", b"\t"):
            return data[:at], data[at:]


class Report:
    """A bounce or notice of RFC 3464, taken apart: text, message fields, fields per recipient."""

    def __init__(self, data):
        self.message = parse(data)
        assert self.message.get_content_type() == "multipart/report", self.message.as_string()
        assert self.message.get_param("report-type") in ("delivery-status",
                                                         "global-delivery-status")
        parts = list(self.message.iter_parts())
        self.text = parts[0].get_content()
        groups = parts[1].get_payload()
        if isinstance(groups, str):         # message/global-delivery-status stays text
            groups = [email.message_from_string(g) for g in groups.strip().split("\n\n")]
        self.fields, self.recipients = groups[0], groups[1:]
        self.original = parts[2] if len(parts) > 2 else None

    def returned(self):
        """What was returned of the original, as text."""
        part = self.original
        return part.as_string() if part is not None else ""
