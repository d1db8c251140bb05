"""Translations on disk, by content, and the catalogue beside them: shared by all machines of a host, and by later runs.

A file a region, named by its shape's key, and a file a head (`catalogue.py`), written aside and renamed, with a
checksum in front: any number of processes read and write at once. A disk that is full or may not be written costs the
translating again and nothing else. When the directory has grown beyond its size, the files not used for longest go.
"""

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

from node.jit.regions.translation import Translation, decoded, encoded

BYTES_MOST = 256 << 20
SWEEP_EVERY = 512  # files written between looks at the directory's size
KEPT_SHARE = 0.75
CHECKSUM_BYTES = 16  # in front of each file, of the rest


class DiskStore:
    """`directory` is for one version of the translator on one kind of host. What other processes write later is found
    by those that begin later."""

    def __init__(self, directory: Path, bytes_most: int = BYTES_MOST) -> None:
        self._directory, self._bytes_most = directory, bytes_most
        self._names: set[str] | None = None  # of files that were there at first, and of those written since
        self._written = 0
        self._writable = True

    def get(self, key: str) -> Translation | None:
        content = self.read(key)
        return None if content is None else decoded(content)

    def put(self, key: str, translation: Translation) -> None:
        self.write(key, encoded(translation))

    def read(self, name: str) -> bytes | None:
        """None, too, if the file is not what was written."""
        if self._names is None:  # most of what is asked for is not there
            self._names = {path.name for path in self._directory.glob("*/*")}
        if name not in self._names:
            return None
        path = self._path(name)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        body = content[CHECKSUM_BYTES:]
        return body if _checksum(body) == content[:CHECKSUM_BYTES] else None

    def write(self, name: str, content: bytes) -> None:
        if not self._writable:
            return
        path = self._path(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_aside(path, _checksum(content) + content)
        except OSError:
            self._writable = False  # for this process: it has been tried
            return
        if self._names is not None:
            self._names.add(name)
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

    def _path(self, name: str) -> Path:
        return self._directory / name[-2:] / name


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


def _checksum(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()[:CHECKSUM_BYTES]
