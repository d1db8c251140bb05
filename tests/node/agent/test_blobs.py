"""The node's cache of files by content, over an in-memory storage service."""

import asyncio
import hashlib
from pathlib import Path

import pytest

from node.agent.blobs import BlobCache
from node.agent.errors import FailedPrecondition, InvalidArgument, Unavailable

CONTENT = b"a kernel" * 1000


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class Storage:
    """Serves blobs, counts, and fails when told."""

    def __init__(self, *contents: bytes) -> None:
        self.blobs = {digest_of(content): content for content in contents}
        self.fetches = 0
        self.failing = False

    async def fetch(self, address: str, digest: str, destination: Path) -> None:
        assert address == "storage:1"
        self.fetches += 1
        await asyncio.sleep(0)
        if self.failing:
            raise Unavailable("the storage service does not answer")
        beside = destination.with_name(f".{destination.name}")
        beside.write_bytes(self.blobs[digest])
        beside.replace(destination)


def cache(directory: Path, storage: Storage) -> BlobCache:
    blobs = BlobCache(directory, storage.fetch)
    blobs.storage_address = "storage:1"
    return blobs


async def test_blob_is_fetched_once_for_many_askers(tmp_path: Path) -> None:
    storage = Storage(CONTENT)
    blobs = cache(tmp_path, storage)
    paths = await asyncio.gather(*(blobs.path(digest_of(CONTENT)) for _ in range(10)))
    assert len(set(paths)) == 1 and paths[0].read_bytes() == CONTENT
    assert storage.fetches == 1


async def test_blob_of_an_earlier_agent_is_used_again(tmp_path: Path) -> None:
    storage = Storage(CONTENT)
    await cache(tmp_path, storage).path(digest_of(CONTENT))
    assert (await cache(tmp_path, storage).path(digest_of(CONTENT))).read_bytes() == CONTENT
    assert storage.fetches == 1


async def test_blob_that_rotted_on_disk_is_fetched_anew(tmp_path: Path) -> None:
    storage = Storage(CONTENT)
    file = await cache(tmp_path, storage).path(digest_of(CONTENT))
    file.chmod(0o644)
    file.write_bytes(b"rot" + CONTENT[3:])
    assert (await cache(tmp_path, storage).path(digest_of(CONTENT))).read_bytes() == CONTENT


async def test_failed_fetch_is_tried_again_by_the_next_asker(tmp_path: Path) -> None:
    storage = Storage(CONTENT)
    blobs = cache(tmp_path, storage)
    storage.failing = True
    with pytest.raises(Unavailable):
        await blobs.path(digest_of(CONTENT))
    storage.failing = False
    assert (await blobs.path(digest_of(CONTENT))).exists()


@pytest.mark.parametrize(
    "digest", ["", "sha256:..", "sha256:" + "A" * 64, "md5:" + "0" * 32, "sha256:../../etc/passwd"]
)
async def test_what_is_no_digest_never_becomes_a_path(tmp_path: Path, digest: str) -> None:
    with pytest.raises(InvalidArgument, match="no digest"):
        await cache(tmp_path, Storage()).path(digest)


async def test_without_a_storage_service_a_missing_blob_is_a_clear_refusal(tmp_path: Path) -> None:
    blobs = BlobCache(tmp_path, Storage(CONTENT).fetch)
    with pytest.raises(FailedPrecondition, match="no storage service"):
        await blobs.path(digest_of(CONTENT))
