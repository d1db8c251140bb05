"""Images pushed to a real service: known content is compared and not sent, damage is healed, nothing half is seen."""

import os
from pathlib import Path

import pytest

from protos.storage_pb2 import BlobChunk
from storage import client
from storage.errors import Damaged, ImageNotFound
from storage.images import ImageStore
from storage.push import push_image
from tests.support.image_service import image_service, linux_image

KERNEL = os.urandom(3 << 20)
INITRD = os.urandom(1 << 20)


def store_with_an_image(root: Path, name: str = "deb") -> ImageStore:
    store = ImageStore(root)
    store.put(linux_image(name, store.blobs.put_bytes(KERNEL), store.blobs.put_bytes(INITRD)))
    return store


async def test_a_pushed_image_is_the_same_at_the_service(tmp_path: Path) -> None:
    store, lines = store_with_an_image(tmp_path / "here"), list[str]()
    async with image_service(tmp_path / "there") as address:
        await push_image(store, "deb", address, lines.append)
        assert await client.list_images(address) == store.all()
    there = ImageStore(tmp_path / "there")
    assert there.blobs.verified(there.get("deb").boot.linux.kernel).read_bytes() == KERNEL
    assert len(lines) == 2 and all("sending sha256:" in line for line in lines)


async def test_what_the_service_has_is_not_sent_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, lines, sent = store_with_an_image(tmp_path / "here"), list[str](), list[int]()
    async with image_service(tmp_path / "there") as address:
        await push_image(store, "deb", address, lines.append)
        lines.clear()
        chunk = BlobChunk

        def counted(**fields: object) -> BlobChunk:
            sent.append(len(fields.get("data", b"")))  # type: ignore[arg-type]
            return chunk(**fields)  # type: ignore[arg-type]

        monkeypatch.setattr(client, "BlobChunk", counted)
        await push_image(store, "deb", address, lines.append)
        assert (lines, sent) == ([], [0, 0]), "only the announcements"
        (tmp_path / "other").write_bytes(b"something else")
        await client.push_blob(address, tmp_path / "other")
        assert sum(sent) == len(b"something else")


async def test_content_that_is_pushed_again_is_young_again(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(KERNEL)
    store = ImageStore(tmp_path / "there")
    async with image_service(tmp_path / "there") as address:
        await client.push_blob(address, tmp_path / "file")
        (blob,) = (tmp_path / "there" / "blobs" / "sha256").iterdir()
        os.utime(blob, (0, 0))
        await client.push_blob(address, tmp_path / "file")
        assert store.collect_garbage(now_s=blob.stat().st_mtime + 60) == []
    assert blob.read_bytes() == KERNEL


async def test_damage_at_the_service_is_healed_by_a_push(tmp_path: Path) -> None:
    store, lines = store_with_an_image(tmp_path / "here"), list[str]()
    there = ImageStore(tmp_path / "there")
    async with image_service(tmp_path / "there") as address:
        await push_image(store, "deb", address, lines.append)
        kernel = store.get("deb").boot.linux.kernel
        path = there.blobs.verified(kernel)
        path.chmod(0o644)
        path.write_bytes(KERNEL[:-1] + bytes([KERNEL[-1] ^ 1]))
        with pytest.raises(Damaged):
            there.blobs.verified(kernel)
        await push_image(store, "deb", address, lines.append)
        assert there.blobs.verified(kernel).read_bytes() == KERNEL
    assert len(lines) == 3, "both files, then the damaged one"


async def test_an_image_that_is_not_here_or_damaged_here_is_not_pushed(tmp_path: Path) -> None:
    store = store_with_an_image(tmp_path / "here")
    async with image_service(tmp_path / "there") as address:
        with pytest.raises(ImageNotFound, match="nothing"):
            await push_image(store, "nothing", address, lambda _: None)
        path = store.blobs.verified(store.get("deb").boot.linux.initrd)
        path.chmod(0o644)
        path.write_bytes(b"rot")
        with pytest.raises(Damaged, match="again"):
            await push_image(store, "deb", address, lambda _: None)
        assert await client.list_images(address) == []
