"""Files by content: `blobs/sha256/<64 hex digits>`, read-only, named by what they hold.

A blob is written as a draft (storage.files) and appears only when its bytes have the digest announced, so equal names
are equal bytes and any number of writers may store the same blob at once. Storing a blob that is there makes it young,
which keeps the garbage collection of `storage.images` off it; one that is there but damaged is written again.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Self

from protos.common_pb2 import BlobRef
from storage.errors import BlobNotFound, Damaged, DigestMismatch, StoreFull
from storage.files import Draft, disk_errors, make_directory, sweep
from storage.names import hex_of

BLOB_BYTES_MAX = 4 << 30  # a 32-bit guest can address no larger file
DRAFT = "draft-"
CHUNK = 1 << 20


class BlobWriter:
    """One blob on its way into the store; leaving the `with` block without `commit` forgets it."""

    def __init__(self, draft: Draft, blobs: Path, expected: str | None, bytes_max: int) -> None:
        self._draft, self._blobs, self._expected, self._bytes_max = draft, blobs, expected, bytes_max
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> None:
        """Appends `data`."""
        if self._draft.size_bytes + len(data) > self._bytes_max:
            raise StoreFull(f"the file is larger than {self._bytes_max} bytes, the most that this store takes")
        self._draft.write(data)
        self._hash.update(data)

    def commit(self) -> BlobRef:
        """Publishes the blob, durably, if its bytes have the digest announced."""
        hexadecimal, size = self._hash.hexdigest(), self._draft.size_bytes
        if self._expected not in (None, f"sha256:{hexadecimal}"):
            raise DigestMismatch(f"the {size} bytes received are sha256:{hexadecimal}, not {self._expected}")
        self._draft.publish(self._blobs / hexadecimal, 0o444)
        return BlobRef(digest=f"sha256:{hexadecimal}", size_bytes=size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._draft.discard()


class BlobStore:
    """The blobs under `root`; directories are made at the first write, so reading needs no rights to write."""

    def __init__(self, root: Path, *, bytes_max: int = BLOB_BYTES_MAX) -> None:
        self._directory, self._drafts, self._bytes_max = root / "blobs" / "sha256", root / "drafts", bytes_max

    def prepare(self) -> None:
        """Makes the directories, or says that the place is unusable."""
        make_directory(self._directory)
        make_directory(self._drafts)

    def writer(self, expected: str | None = None) -> BlobWriter:
        """A writer for a blob that must turn out to have the digest `expected`, if one is given."""
        if expected is not None:
            hex_of(expected)
        self.prepare()
        return BlobWriter(self.draft(), self._directory, expected, self._bytes_max)

    def draft(self) -> Draft:
        """A draft on the store's file system."""
        return Draft.create(self._drafts, DRAFT)

    def put_bytes(self, data: bytes) -> BlobRef:
        """Stores `data`."""
        with self.writer() as writer:
            for start in range(0, len(data), CHUNK):
                writer.write(data[start : start + CHUNK])
            return writer.commit()

    def put_file(self, path: Path) -> BlobRef:
        """Stores the bytes of the file at `path`."""
        with disk_errors(path), path.open("rb") as file, self.writer() as writer:
            while chunk := file.read(CHUNK):
                writer.write(chunk)
            return writer.commit()

    def open(self, digest: str) -> BufferedReader:
        """The blob, opened: it stays readable even if it is removed meanwhile."""
        path = self._directory / hex_of(digest)
        try:
            with disk_errors(path):
                return path.open("rb")
        except FileNotFoundError as error:
            raise BlobNotFound(f"the store holds no file {digest}") from error

    def renewed(self, digest: str) -> BlobRef | None:
        """The blob, read and found undamaged, and young as if stored just now; None: it has to be stored."""
        with contextlib.suppress(BlobNotFound), self.open(digest) as file:
            if f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}" == digest:
                os.utime(file.fileno())
                return BlobRef(digest=digest, size_bytes=file.tell())
        return None

    def verified(self, ref: BlobRef) -> Path:
        """The blob's path, after reading it all and finding it to be what the reference says."""
        with self.open(ref.digest) as file:
            actual = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
            size = file.tell()
        path = self._directory / hex_of(ref.digest)
        if (actual, size) != (ref.digest, ref.size_bytes):
            raise Damaged(f"{path} is damaged ({size} bytes, {actual}): pull or push its image again")
        return path

    def holds(self, ref: BlobRef) -> bool:
        """Whether a blob of this digest and size is here; its bytes are not read."""
        path = self._directory / hex_of(ref.digest)
        return path.is_file() and path.stat().st_size == ref.size_bytes

    def stored(self) -> Iterator[tuple[str, float]]:
        """Every blob's digest and when it was last written (seconds of the epoch)."""
        for path in sorted(self._directory.iterdir()):
            yield f"sha256:{path.name}", path.stat().st_mtime

    def remove(self, digest: str) -> None:
        """Removes the blob; who asks has made sure that no image needs it."""
        path = self._directory / hex_of(digest)
        with disk_errors(path):
            path.unlink(missing_ok=True)

    def sweep(self) -> int:
        """Removes what writers left that died; returns how many drafts."""
        return sweep(self._drafts, DRAFT)
