"""What the disk and other processes do to the image store: full, read-only, closed, crowded."""

import contextlib
import os
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from storage.errors import ImageNotFound, MissingBlobs, StoreFull, StoreUnusable
from storage.images import ImageStore
from storage.local import open_local_image
from storage.names import blobs_of, hex_of
from tests.storage.test_files import largest_file
from tests.storage.test_images import LATE_S, SOON_S, store_with, stored_files
from tests.support.image_service import linux_image


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    store = store_with(tmp_path, "a")
    before = stored_files(tmp_path)
    with largest_file(64 << 10), pytest.raises(StoreFull):
        store.blobs.put_bytes(bytes(100_000))
    with largest_file(16), pytest.raises(StoreFull):
        store.put(linux_image("a", store.get("a").boot.linux.initrd))
    assert stored_files(tmp_path) == before and os.listdir(tmp_path / "drafts") == []
    assert store.get("a").boot.linux.kernel.size_bytes == 1


@pytest.fixture
def plain_place() -> Iterator[Path]:
    """A directory that an ordinary user can reach: pytest's own is closed to others."""
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        yield Path(place)


@contextlib.contextmanager
def ordinary_user() -> Iterator[None]:
    """Root may write everywhere, so the tests of rights step down."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


def test_a_read_only_store_can_be_read_and_says_so_when_written(plain_place: Path) -> None:
    store = store_with(plain_place / "images", "a")
    before = {path: path.stat().st_mtime_ns for path in plain_place.rglob("*")}
    for path in before:
        path.chmod(0o555 if path.is_dir() else 0o444)
    with ordinary_user():
        assert open_local_image(plain_place, "a").kernel.read_bytes() == b"a"
        image = store.get("a")
        for act in (lambda: store.blobs.put_bytes(b"x"), lambda: store.put(image), lambda: store.remove("a", now_s=0)):
            with pytest.raises(StoreUnusable, match="Permission denied"):
                act()
    assert {path: path.stat().st_mtime_ns for path in plain_place.rglob("*")} == before


def test_a_store_that_may_not_be_read_says_so(plain_place: Path) -> None:
    store = store_with(plain_place / "images", "a")
    (plain_place / "images" / "images").chmod(0)
    with ordinary_user():
        for act in (store.all, lambda: store.get("a")):
            with pytest.raises(StoreUnusable, match="Permission denied"):
                act()
    (plain_place / "images" / "images").chmod(0o755)


def test_many_writers_at_once_leave_a_whole_store(tmp_path: Path) -> None:
    """Eight threads push, put and remove the same few images; every image that is there at the end is whole."""
    start = threading.Barrier(8)

    def work(worker: int) -> None:
        store = ImageStore(tmp_path / "images")
        start.wait(20)
        for turn in range(15):
            name = f"image-{(worker + turn) % 3}"
            with contextlib.suppress(MissingBlobs, ImageNotFound):  # a remover was faster
                kernel, initrd = store.blobs.put_bytes(name.encode() * 1000), store.blobs.put_bytes(b"shared")
                store.put(linux_image(name, kernel, initrd))
                if turn % 4 == worker % 4:
                    store.remove(name, now_s=SOON_S)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8), timeout=60))
    store = ImageStore(tmp_path / "images")
    for image in store.all():
        assert open_local_image(tmp_path, image.name).kernel.read_bytes() == image.name.encode() * 1000
    needed = {hex_of(ref.digest) for image in store.all() for ref in blobs_of(image.boot)}
    store.collect_garbage(now_s=LATE_S)
    assert stored_files(tmp_path / "images") == needed and os.listdir(tmp_path / "images" / "drafts") == []
