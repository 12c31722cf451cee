"""
clock — a wall clock that a test sets while a program runs

clock_shim.c stands between the program and the C library; the monotonic clock goes on as it does.
A Clock gives the environment that a program needs to see it: Waypost(env=clock.env).
"""
import os
import shutil
import struct
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def sanitizer_of(program):
    """The library that must come first in a program built with AddressSanitizer; "" for others."""
    libraries = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return next((line.split()[2] for line in libraries.splitlines() if "libasan" in line), "")


class Clock:
    """Ahead of the real one by so many seconds: 0, until set() says something else."""

    def __init__(self, program):
        self.dir = tempfile.mkdtemp(prefix="wp-clock-")
        os.chmod(self.dir, 0o755)
        self.file, shim = os.path.join(self.dir, "ahead"), os.path.join(self.dir, "shim.so")
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", shim,
                        os.path.join(HERE, "clock_shim.c")], check=True)
        self.set(0)
        before = filter(None, [sanitizer_of(program), shim])
        self.env = {"LD_PRELOAD": " ".join(before), "CLOCK_SHIM": self.file}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.dir, ignore_errors=True)

    def set(self, seconds):
        """In place: the program has the file mapped."""
        with open(os.open(self.file, os.O_WRONLY | os.O_CREAT, 0o644), "wb") as f:
            f.write(struct.pack("q", seconds))
