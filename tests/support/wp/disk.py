"""
disk — a small file system of its own (tmpfs), to be filled to the last byte; takes root
"""
import errno
import os
import subprocess
import tempfile

BLOCK = b"\0" * 4096


class Disk:
    """A mounted folder. What lies in it goes with it."""

    def __init__(self, mib=96):
        self.dir = tempfile.mkdtemp(prefix="wp-disk-")
        os.chmod(self.dir, 0o755)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=755", "tmpfs", self.dir],
                       check=True)

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def free(self):
        fs = os.statvfs(self.dir)
        return fs.f_bavail * fs.f_frsize

    def fill(self, leave=0):
        """Takes all space but so many bytes."""
        with open(self.path("filler"), "ab", buffering=0) as f:
            try:
                while self.free() > leave:
                    f.write(BLOCK)
            except OSError as e:
                assert e.errno == errno.ENOSPC, e

    def empty(self):
        if os.path.exists(self.path("filler")):
            os.unlink(self.path("filler"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.dir], check=True)
        os.rmdir(self.dir)
