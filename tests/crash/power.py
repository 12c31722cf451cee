"""
power — a power cut: puts a folder into the state a disk would have that kept what was synced

kill -9 alone proves nothing about fsync, since the page cache survives it. powerfs.c writes down
what was synced; cut() goes back to it: every file is cut to its synced length, and changes of names
that no sync of their folder covered are taken back. A real disk may have kept more: the mild cut
leaves a random part of what was not synced, of each file, and of the names a first part, since file
systems keep those in order.

What was there when the journal began counts as synced. Files only grow, as RocksDB's do; one that
is written anew under its old name is not modelled, nor is a disk that lies about a sync.
"""
import os
import shutil


def sizes(folder):
    """(path, inode, size) of every file below."""
    for top, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(top, name)
            st = os.stat(path)
            yield path, st.st_ino, st.st_size


class Journal:
    """What was synced in one folder. It begins anew with each cut."""

    def __init__(self, path, folder):
        self.path, self.folder, self.kept = path, folder, os.path.join(folder, "kept")
        self.begin()

    def begin(self):
        shutil.rmtree(self.kept, ignore_errors=True)
        self.base = {inode: size for _, inode, size in sizes(self.folder)}
        with open(self.path, "wb"):
            pass
        os.chmod(self.path, 0o666)          # the relay is another user

    def read(self):
        """Synced bytes by inode; changes of names that are not synced, the oldest first."""
        synced, changes = dict(self.base), []
        with open(self.path) as f:
            for line in f:
                kind, *rest = line.split()
                if kind == "F":
                    inode, size = map(int, rest)
                    synced[inode] = max(size, synced.get(inode, 0))
                elif kind == "S":
                    changes = [c for c in changes if c[0] != rest[0]]
                elif rest[0] != self.kept:
                    changed = rest[1 if kind == "R" else 0].rstrip("/")
                    changes.append((os.path.dirname(changed), kind, rest))
        return synced, changes

    def cut(self, rnd=None):
        """After kill -9 of all that writes there. With rnd: the mild one. Says what was lost."""
        synced, changes = self.read()
        changes = changes[rnd.randint(0, len(changes)) if rnd else 0:]
        for _, kind, rest in reversed(changes):
            take_back(kind, *rest)
        shutil.rmtree(self.kept, ignore_errors=True)
        lost = 0
        for path, inode, size in list(sizes(self.folder)):
            length = min(size, synced.get(inode, 0))
            if rnd:
                length = rnd.randint(length, size)
            lost += size - length
            os.truncate(path, length)
        self.begin()
        return f"{lost} bytes and {len(changes)} changes of names not synced"


def take_back(kind, path, *more):
    if kind in "CL" and os.path.isdir(path):
        shutil.rmtree(path)
    elif kind in "CL" and os.path.lexists(path):
        os.unlink(path)
    elif kind == "U" and more[0] != "-":
        os.rename(more[0], path)
    elif kind == "R":
        new, kept = more
        if os.path.lexists(new):
            os.rename(new, path)
        if kept != "-":
            os.rename(kept, new)
