"""Translations on disk, by content: shared by all machines of a host, and by later runs.

A file a region, named by its shape's key, written aside and renamed, with a checksum in front: any number of processes
read and write at once. A disk that is full or may not be written costs the translating again and nothing else. When
the directory has grown beyond its size, the files not used for longest go.
"""

import contextlib
import hashlib
import os
import struct
import tempfile
from pathlib import Path

from node.jit.regions.compiler import Translation

BYTES_MOST = 256 << 20
SWEEP_EVERY = 512  # files written between looks at the directory's size
KEPT_SHARE = 0.75
_HEAD = struct.Struct("<16sIII")  # checksum of the rest; entry, number of Ops, bytes of each


class DiskStore:
    """`directory` is for one version of the translator on one kind of host."""

    def __init__(self, directory: Path, bytes_most: int = BYTES_MOST) -> None:
        self._directory, self._bytes_most = directory, bytes_most
        self._written = 0
        self._writable = True

    def get(self, key: str) -> Translation | None:
        path = self._path(key)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return decoded(content)

    def put(self, key: str, translation: Translation) -> None:
        if not self._writable:
            return
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_aside(path, encoded(translation))
        except OSError:
            self._writable = False  # for this process: it has been tried
            return
        self._written += 1
        if self._written % SWEEP_EVERY == 0:
            self.sweep()

    def sweep(self) -> None:
        """Remove the files that were not used for longest, down to a part of the size allowed."""
        files: list[tuple[float, int, Path]] = []
        for path in self._directory.glob("*/*"):
            with contextlib.suppress(OSError):
                status = path.stat()
                files.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, _ in files)
        if total <= self._bytes_most:
            return
        for _, size, path in sorted(files):
            if total <= self._bytes_most * KEPT_SHARE:
                return
            with contextlib.suppress(OSError):
                path.unlink()
                total -= size

    def _path(self, key: str) -> Path:
        return self._directory / key[:2] / key[2:]


def _write_aside(path: Path, content: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as aside:
        try:
            aside.write(content)
            aside.flush()
            os.replace(aside.name, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(aside.name)
            raise


def encoded(translation: Translation) -> bytes:
    operations = translation.operations
    size = len(operations[0]) if operations else 0
    body = b"".join(operations) + translation.code
    numbers = struct.pack("<III", translation.entry, len(operations), size)
    return hashlib.sha256(numbers + body).digest()[:16] + numbers + body


def decoded(content: bytes) -> Translation | None:
    """None if the file is not what was written."""
    if len(content) < _HEAD.size:
        return None
    digest, entry, count, size = _HEAD.unpack_from(content)
    if hashlib.sha256(content[16:]).digest()[:16] != digest:
        return None
    at = _HEAD.size
    operations = tuple(content[at + i * size : at + (i + 1) * size] for i in range(count))
    return Translation(content[at + count * size :], entry, operations)
