"""Writing files so that a crash at any instant leaves the old file or the new one, never a part of one.

A `Draft` is a temporary file on the destination's file system: write, then `publish` (fsync, rename, fsync of the
directory) or `discard`. It is locked (flock) while its writer lives, so `sweep` can tell a dead writer's draft from a
living one's without looking at a clock and nothing piles up.
Errors of the disk become the storage package's own in `disk_errors`.
"""

import contextlib
import errno
import fcntl
import glob
import os
import tempfile
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Self

from storage.errors import StoreFull, StoreUnusable

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
UNUSABLE = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.EIO}


@contextlib.contextmanager
def disk_errors(where: Path) -> Iterator[None]:
    """Turns what the disk says into an error that names the place."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise StoreFull(f"no room in {where}: {error.strerror}; the file was not kept") from error
        if error.errno in UNUSABLE:
            raise StoreUnusable(f"{where} cannot be used: {error.strerror}") from error
        raise


class Draft:
    """A file in the making, locked by its writer and invisible under its final name until published."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._file = FileIO(descriptor, "r+b")
        self.size_bytes = self._file.seek(0, os.SEEK_END)

    @classmethod
    def create(cls, directory: Path, prefix: str) -> Self:
        """A new, empty draft."""
        with disk_errors(directory):
            while True:  # again only if a sweep came between creating and locking
                descriptor, name = tempfile.mkstemp(prefix=prefix, dir=directory)
                if (draft := cls._lock(Path(name), descriptor)) is not None:
                    return draft

    @classmethod
    def adopt(cls, directory: Path, prefix: str) -> Self | None:
        """A draft whose writer died, with what it had written; None if there is none."""
        for path in sorted(directory.glob(f"{glob.escape(prefix)}*")):
            with contextlib.suppress(OSError):  # gone by now, or no regular file of ours
                descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
                if (draft := cls._lock(path, descriptor)) is not None:
                    return draft
        return None

    @classmethod
    def _lock(cls, path: Path, descriptor: int) -> Self | None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.lstat().st_ino == os.fstat(descriptor).st_ino:
                return cls(path, descriptor)
        except (BlockingIOError, FileNotFoundError):
            pass  # its writer lives, or has just published or discarded it
        os.close(descriptor)
        return None

    def write(self, data: bytes | memoryview) -> None:
        """Appends all of `data`."""
        rest = memoryview(data)
        with disk_errors(self.path.parent):
            while rest:
                written = self._file.write(rest)
                self.size_bytes += written
                rest = rest[written:]

    def publish(self, destination: Path, permissions: int = 0o644) -> None:
        """Makes the file appear as `destination`, whole and on the disk, in place of what was there."""
        with disk_errors(destination.parent):
            os.fchmod(self._file.fileno(), permissions)
            os.fsync(self._file.fileno())
            os.rename(self.path, destination)
            self._file.close()
            sync_directory(destination.parent)

    def discard(self) -> None:
        """Forgets the draft; after `publish` this does nothing."""
        if not self._file.closed:
            with contextlib.suppress(OSError):  # the directory became read-only: a later sweep gets it
                self.path.unlink(missing_ok=True)
            self._file.close()

    def release(self) -> None:
        """Leaves the draft where it is, for someone to adopt."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()


def sweep(directory: Path, prefix: str) -> int:
    """Removes the drafts whose writers died; returns how many."""
    removed = 0
    while (draft := Draft.adopt(directory, prefix)) is not None:
        draft.discard()
        removed += 1
    return removed


def write_atomically(destination: Path, data: bytes, permissions: int = 0o644) -> None:
    """Replaces `destination` with `data` in one step."""
    with Draft.create(destination.parent, f".{destination.name}.") as draft:
        draft.write(data)
        draft.publish(destination, permissions)


def sync_directory(directory: Path) -> None:
    """Makes renames and removals in `directory` durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(directory: Path) -> None:
    """Creates `directory` and its parents, durably."""
    if not directory.is_dir():
        make_directory(directory.parent)
        with disk_errors(directory):
            directory.mkdir(exist_ok=True)
            sync_directory(directory.parent)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock file `path` against other processes and threads."""
    with disk_errors(path.parent):
        file = path.open("ab")
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
