"""The client against a real service, and against links that break."""

import asyncio
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from storage import client
from storage.errors import (
    BlobNotFound,
    Damaged,
    DigestMismatch,
    ImageNotFound,
    InvalidRequest,
    MissingBlobs,
    StorageUnreachable,
    StoreFull,
    StoreUnusable,
)
from storage.images import ImageStore
from tests.storage.test_files import largest_file
from tests.support.image_service import WAIT_S, image_service, linux_image
from tests.support.node_process import free_port
from tests.support.relay import Relay

CONTENT = os.urandom(5 << 20)
DIGEST = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


async def test_an_image_travels_through_the_service_and_back(tmp_path: Path) -> None:
    (tmp_path / "vmlinuz").write_bytes(CONTENT)
    async with image_service(tmp_path / "images") as address:
        kernel = await client.push_blob(address, tmp_path / "vmlinuz")
        assert (kernel.digest, kernel.size_bytes) == (DIGEST, len(CONTENT))
        put = await client.put_image(address, linux_image("a", kernel))
        assert await client.list_images(address) == [put] == [await client.get_image(address, "a")]
        await client.fetch_blob(address, DIGEST, tmp_path / "node" / "cache" / "kernel")
        assert (tmp_path / "node" / "cache" / "kernel").read_bytes() == CONTENT
        assert client.open_local_image(tmp_path, "a").kernel.read_bytes() == CONTENT
        await client.remove_image(address, "a")
        assert await client.list_images(address) == []
        with pytest.raises(BlobNotFound):
            await client.fetch_blob(address, DIGEST, tmp_path / "again")
    assert sorted(os.listdir(tmp_path)) == ["images", "node", "vmlinuz"]


async def test_the_services_errors_are_raised_as_themselves(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 100)
    async with image_service(tmp_path / "images", blob_bytes_max=10) as address:
        with pytest.raises(ImageNotFound, match="there is no image a"):
            await client.get_image(address, "a")
        with pytest.raises(InvalidRequest):
            await client.remove_image(address, "../a")
        ref = ImageStore(tmp_path / "elsewhere").blobs.put_bytes(b"x")
        with pytest.raises(MissingBlobs):
            await client.put_image(address, linux_image("a", ref))
        with pytest.raises(StoreFull, match="larger than 10 bytes"):
            await client.push_blob(address, tmp_path / "file")
        (tmp_path / "images" / "images").mkdir(parents=True, exist_ok=True)
        (tmp_path / "images" / "images" / "a.json").write_bytes(b"rot")
        with pytest.raises(Damaged):
            await client.list_images(address)


async def test_a_service_that_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "FIRST_PAUSE_S", 0.001)
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(StorageUnreachable, match=address):
        await client.list_images(address)
    with pytest.raises(StorageUnreachable, match=address):
        await client.fetch_blob(address, DIGEST, tmp_path / "kernel")
    assert os.listdir(tmp_path) == []


async def test_a_fetch_goes_on_where_the_stream_dropped(tmp_path: Path) -> None:
    """A relay cuts the connection after every 1.5 MB: the whole arrives all the same, and little of it twice."""
    ImageStore(tmp_path / "images").blobs.put_bytes(CONTENT)
    async with image_service(tmp_path / "images") as address, Relay(address, cut_after_bytes=1_500_000) as relay:
        async with asyncio.timeout(WAIT_S * 2):
            await client.fetch_blob(relay.address, DIGEST, tmp_path / "kernel")
    assert (tmp_path / "kernel").read_bytes() == CONTENT
    print(f"{relay.connections} connections carried {relay.bytes_down} bytes")
    assert relay.connections >= 3 and relay.bytes_down < 2 * len(CONTENT)


async def test_a_fetch_goes_on_when_the_service_was_restarted(tmp_path: Path) -> None:
    ImageStore(tmp_path / "images").blobs.put_bytes(CONTENT)
    async with Relay("127.0.0.1:1", cut_after_bytes=1 << 40) as relay:  # nobody behind it yet
        fetching = asyncio.ensure_future(client.fetch_blob(relay.address, DIGEST, tmp_path / "kernel"))
        async with asyncio.timeout(WAIT_S):
            while not relay.connections:
                await asyncio.sleep(0.01)
        async with image_service(tmp_path / "images") as address:
            relay.target = address
            await asyncio.wait_for(fetching, WAIT_S)
    assert (tmp_path / "kernel").read_bytes() == CONTENT


async def test_what_a_killed_fetch_left_is_taken_up(tmp_path: Path) -> None:
    """A process dies with 4 of 5 MiB fetched: the next fetch carries the last one only, and leaves no draft."""
    ImageStore(tmp_path / "images").blobs.put_bytes(CONTENT)
    (tmp_path / "node").mkdir()
    (tmp_path / "node" / f".kernel.{DIGEST[7:23]}.dead").write_bytes(CONTENT[: 4 << 20])
    async with image_service(tmp_path / "images") as address, Relay(address, cut_after_bytes=1 << 40) as relay:
        await client.fetch_blob(relay.address, DIGEST, tmp_path / "node" / "kernel")
        assert relay.bytes_down < 3 << 19
    assert (tmp_path / "node" / "kernel").read_bytes() == CONTENT and os.listdir(tmp_path / "node") == ["kernel"]


async def test_a_bad_remainder_is_dropped_and_all_is_fetched(tmp_path: Path) -> None:
    ImageStore(tmp_path / "images").blobs.put_bytes(CONTENT)
    (tmp_path / "node").mkdir()
    (tmp_path / "node" / f".kernel.{DIGEST[7:23]}.dead").write_bytes(b"rot")
    async with image_service(tmp_path / "images") as address:
        await client.fetch_blob(address, DIGEST, tmp_path / "node" / "kernel")
    assert (tmp_path / "node" / "kernel").read_bytes() == CONTENT and os.listdir(tmp_path / "node") == ["kernel"]


async def test_fetches_of_one_file_at_once_do_not_mix(tmp_path: Path) -> None:
    ImageStore(tmp_path / "images").blobs.put_bytes(CONTENT)
    async with image_service(tmp_path / "images") as address:
        await asyncio.gather(*(client.fetch_blob(address, DIGEST, tmp_path / "node" / "kernel") for _ in range(4)))
    assert (tmp_path / "node" / "kernel").read_bytes() == CONTENT and os.listdir(tmp_path / "node") == ["kernel"]


async def test_a_file_that_is_here_already_is_not_fetched(tmp_path: Path) -> None:
    (tmp_path / "kernel").write_bytes(CONTENT)
    await client.fetch_blob(f"127.0.0.1:{free_port()}", DIGEST, tmp_path / "kernel")


async def test_a_damaged_blob_is_not_taken_and_the_old_file_stays(tmp_path: Path) -> None:
    ImageStore(tmp_path / "images").blobs.put_bytes(CONTENT)
    blob = tmp_path / "images" / "blobs" / "sha256" / DIGEST[7:]
    blob.chmod(0o644)
    blob.write_bytes(CONTENT[:-1] + b"!")
    (tmp_path / "node").mkdir()
    (tmp_path / "node" / "kernel").write_bytes(b"old")
    async with image_service(tmp_path / "images") as address:
        with pytest.raises(DigestMismatch, match=DIGEST):
            await client.fetch_blob(address, DIGEST, tmp_path / "node" / "kernel")
    assert (tmp_path / "node" / "kernel").read_bytes() == b"old" and os.listdir(tmp_path / "node") == ["kernel"]


async def test_a_full_disk_on_the_nodes_side_is_said(tmp_path: Path) -> None:
    ImageStore(tmp_path / "images").blobs.put_bytes(CONTENT)
    async with image_service(tmp_path / "images") as address:
        with largest_file(1 << 20), pytest.raises(StoreFull, match="no room"):
            await client.fetch_blob(address, DIGEST, tmp_path / "node" / "kernel")
    assert os.listdir(tmp_path / "node") == []


async def test_a_file_in_the_way_and_a_missing_file_are_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnusable):
        await client.fetch_blob("127.0.0.1:1", DIGEST, tmp_path / "file" / "kernel")
    with pytest.raises(InvalidRequest, match="no digest"):
        await client.fetch_blob("127.0.0.1:1", "sha256:..", tmp_path / "kernel")
    with pytest.raises(InvalidRequest, match="no file"):
        await client.push_blob("127.0.0.1:1", tmp_path / "nothing")


def test_opening_a_local_image_imports_no_grpc() -> None:
    """The foreground machine opens images too, and must start fast and be able to fork."""
    script = "import sys, storage.local; sys.exit('grpc' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == 0
