"""Images by name over files by content, in one directory that any number of processes may use at once.

    blobs/sha256/<64 hex digits>   see storage.blobs
    images/<name>.json             one `Image` record (protos/storage.proto) as JSON; it refers to blobs by digest
    drafts/                        files being written, see storage.files
    lock                           held while a record is put or removed

Invariants: what has its final name is whole and durable. A record is put only while all of its blobs are there, and a
blob is removed only if no record names it; both under the lock. If a record cannot be read, no blob is removed at all,
because it might be the one that needs them. Nothing here reads a clock.
"""

import contextlib
import os
from pathlib import Path

from google.protobuf import json_format

from protos.storage_pb2 import Image
from storage.blobs import BLOB_BYTES_MAX, BlobStore
from storage.errors import Damaged, ImageNotFound, InvalidRequest, MissingBlobs
from storage.files import disk_errors, locked, make_directory, sync_directory
from storage.names import blobs_of, checked_name, hex_of

RECORD_BYTES_MAX = 64 << 10
ORPHAN_GRACE_S = 3600  # a blob may wait this long for the image that is to name it


class ImageStore:
    """The store in the directory `root`."""

    def __init__(self, root: Path, *, blob_bytes_max: int = BLOB_BYTES_MAX) -> None:
        self.root = root
        self.blobs = BlobStore(root, bytes_max=blob_bytes_max)
        self._images, self._lock = root / "images", root / "lock"

    def put(self, image: Image) -> Image:
        """Makes `image` the one of its name, provided that every blob that it names is here."""
        path = self._record(image.name)
        refs = list(blobs_of(image.boot))
        data = _serialised(image)
        self._prepare()
        with locked(self._lock):
            missing = [ref.digest for ref in refs if not self.blobs.holds(ref)]
            if missing:
                raise MissingBlobs(f"image {image.name} names files that the store lacks: {', '.join(missing)}")
            with self.blobs.draft() as draft:
                draft.write(data)
                draft.publish(path)
        return image

    def get(self, name: str) -> Image:
        """The image called `name`."""
        path = self._record(name)
        try:
            return _parse(path)
        except FileNotFoundError as error:
            raise ImageNotFound(f"there is no image {name}") from error

    def all(self) -> list[Image]:
        """All images by name. A damaged record is an error that names its file, not a gap in the list."""
        images = []
        for name in self._records():
            with contextlib.suppress(FileNotFoundError):  # removed since the directory was read
                images.append(_parse(self._images / name))
        return images

    def count(self) -> int:
        """How many images there are, damaged ones too; no record is read."""
        return len(self._records())

    def remove(self, name: str, *, now_s: float) -> list[str]:
        """Removes the image with the blobs that only it named, and garbage; returns the removed blobs' digests."""
        path = self._record(name)
        if not path.exists():
            raise ImageNotFound(f"there is no image {name}")
        self._prepare()
        with locked(self._lock):
            try:
                own = {ref.digest for ref in blobs_of(_parse(path).boot)}
            except FileNotFoundError as error:
                raise ImageNotFound(f"there is no image {name}") from error
            except Damaged:
                own = set()  # a damaged record can be removed all the same; its blobs wait out the grace time
            with disk_errors(self._images):
                path.unlink()
                sync_directory(self._images)
            return self._collect(own, now_s)

    def collect_garbage(self, *, now_s: float) -> list[str]:
        """Removes what interrupted writers left: dead drafts, and blobs that no image named within the grace time."""
        self._prepare()
        with locked(self._lock):
            return self._collect(set(), now_s)

    def _collect(self, own: set[str], now_s: float) -> list[str]:
        self.blobs.sweep()
        try:
            needed = {ref.digest for image in self.all() for ref in blobs_of(image.boot)}
        except Damaged:
            return []
        unneeded = [(digest, written_s) for digest, written_s in self.blobs.stored() if digest not in needed]
        removed = [digest for digest, written_s in unneeded if digest in own or now_s - written_s > ORPHAN_GRACE_S]
        for digest in removed:
            self.blobs.remove(digest)
        return removed

    def _prepare(self) -> None:
        self.blobs.prepare()
        make_directory(self._images)

    def _records(self) -> list[str]:
        try:
            with disk_errors(self._images):
                return sorted(os.listdir(self._images))
        except FileNotFoundError:
            return []  # nothing was ever put here

    def _record(self, name: str) -> Path:
        return self._images / f"{checked_name(name)}.json"


def _serialised(image: Image) -> bytes:
    text = json_format.MessageToJson(image, preserving_proto_field_name=True, ensure_ascii=False)
    if len(data := f"{text}\n".encode()) > RECORD_BYTES_MAX:
        raise InvalidRequest(f"the record of image {image.name} is larger than {RECORD_BYTES_MAX} bytes")
    return data


def _parse(path: Path) -> Image:
    with disk_errors(path), path.open("rb") as file:
        data = file.read(RECORD_BYTES_MAX + 1)
    try:
        image = json_format.Parse(data.decode(), Image())
        if f"{image.name}.json" != path.name or len(data) > RECORD_BYTES_MAX:
            raise InvalidRequest("it is not the record of this name")
        for ref in blobs_of(image.boot):
            hex_of(ref.digest)
    except (UnicodeDecodeError, RecursionError, json_format.ParseError, InvalidRequest) as error:
        raise Damaged(
            f"the image record {path} is damaged ({error}): remove the image, then pull or push it"
        ) from error
    return image
