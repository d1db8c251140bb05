"""The image store: nothing half, nothing lost, nothing outside its directory."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protos.common_pb2 import BiosBoot, BlobRef, BootSource, MultibootBoot
from protos.storage_pb2 import Image
from storage.errors import (
    BlobNotFound,
    Damaged,
    DigestMismatch,
    ImageNotFound,
    InvalidRequest,
    MissingBlobs,
    StoreFull,
)
from storage.images import ORPHAN_GRACE_S, RECORD_BYTES_MAX, ImageStore
from storage.local import open_local_image
from storage.names import checked_name, hex_of
from tests.support.image_service import linux_image

SOON_S = 0.0  # before every blob's grace time ends
LATE_S = 1e12  # long after


def store_with(root: Path, *names: str) -> ImageStore:
    """A store in which each image has a kernel of its own and all share one initrd."""
    store = ImageStore(root)
    initrd = store.blobs.put_bytes(b"initrd")
    for name in names:
        store.put(linux_image(name, store.blobs.put_bytes(name.encode()), initrd))
    return store


def stored_files(root: Path) -> set[str]:
    return {path.name for path in (root / "blobs" / "sha256").iterdir()}


def test_what_is_put_is_listed_and_got_back(tmp_path: Path) -> None:
    store = store_with(tmp_path, "b", "a")
    assert [image.name for image in store.all()] == ["a", "b"]
    image = store.get("a")
    assert store.blobs.verified(image.boot.linux.kernel).read_bytes() == b"a"
    assert ImageStore(tmp_path).get("a") == image


def test_an_empty_place_is_an_empty_store_and_reading_makes_nothing(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "none")
    assert store.all() == []
    with pytest.raises(ImageNotFound, match="no image x"):
        store.get("x")
    with pytest.raises(ImageNotFound):
        store.remove("x", now_s=SOON_S)
    with pytest.raises(BlobNotFound):
        store.blobs.open(f"sha256:{'0' * 64}")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "/etc/passwd", ".hidden", "-o", "A", "a\0", "a\n", "é", "x" * 65]
)
def test_a_name_that_is_a_path_or_an_option_is_refused_everywhere(tmp_path: Path, name: str) -> None:
    store = store_with(tmp_path / "store", "good")
    kernel = store.get("good").boot.linux.kernel
    for act in (store.get, lambda n: store.remove(n, now_s=SOON_S), lambda n: store.put(linux_image(n, kernel))):
        with pytest.raises(InvalidRequest, match="no image name"):
            act(name)
    assert os.listdir(tmp_path) == ["store"]


@given(st.text(max_size=70))
def test_an_accepted_name_is_one_plain_path_component(name: str) -> None:
    try:
        checked_name(name)
    except InvalidRequest:
        return
    assert os.path.basename(name) == name and not name.startswith((".", "-")) and name.isascii()


@pytest.mark.parametrize(
    "digest",
    [
        "",
        "sha256:",
        f"sha256:{'A' * 64}",
        f"sha256:{'0' * 63}",
        f"sha256:{'0' * 64}\n",
        "sha256:../../../../etc/passwd",
        f"md5:{'0' * 64}",
    ],
)
def test_a_malformed_digest_is_refused_everywhere(tmp_path: Path, digest: str) -> None:
    store = ImageStore(tmp_path)
    for act in (hex_of, store.blobs.open, store.blobs.writer, lambda d: store.put(linux_image("a", BlobRef(digest=d)))):
        with pytest.raises(InvalidRequest, match="no digest"):
            act(digest)


def test_an_image_whose_files_are_not_there_is_refused(tmp_path: Path) -> None:
    store = store_with(tmp_path, "a")
    kernel = store.get("a").boot.linux.kernel
    with pytest.raises(MissingBlobs, match=f"sha256:{'1' * 64}"):
        store.put(linux_image("b", kernel, BlobRef(digest=f"sha256:{'1' * 64}", size_bytes=6)))
    with pytest.raises(MissingBlobs):
        store.put(linux_image("b", BlobRef(digest=kernel.digest, size_bytes=kernel.size_bytes + 1)))
    assert [image.name for image in store.all()] == ["a"]


@pytest.mark.parametrize(
    "image", [Image(name="x"), Image(name="x", boot=BootSource()), Image(name="x", boot=BootSource(bios=BiosBoot()))]
)
def test_an_image_that_boots_nothing_is_refused(tmp_path: Path, image: Image) -> None:
    with pytest.raises(InvalidRequest):
        ImageStore(tmp_path).put(image)


def test_a_record_of_any_size_is_refused(tmp_path: Path) -> None:
    store = store_with(tmp_path, "a")
    image = store.get("a")
    image.description = "x" * RECORD_BYTES_MAX
    with pytest.raises(InvalidRequest, match="larger"):
        store.put(image)
    assert store.get("a").description == ""


def test_a_blob_with_another_digest_is_not_kept(tmp_path: Path) -> None:
    store = store_with(tmp_path, "a")
    before = stored_files(tmp_path)
    with pytest.raises(DigestMismatch, match="3 bytes"), store.blobs.writer(f"sha256:{'0' * 64}") as writer:
        writer.write(b"abc")
        writer.commit()
    assert stored_files(tmp_path) == before and os.listdir(tmp_path / "drafts") == []


def test_a_blob_above_the_limit_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    store = ImageStore(tmp_path, blob_bytes_max=10)
    with pytest.raises(StoreFull, match="larger than 10 bytes"):
        store.blobs.put_bytes(bytes(11))
    assert stored_files(tmp_path) == set() and os.listdir(tmp_path / "drafts") == []


def test_a_damaged_blob_is_found_when_read_and_healed_when_stored_again(tmp_path: Path) -> None:
    store = store_with(tmp_path / "images", "a")
    path = open_local_image(tmp_path, "a").kernel
    path.chmod(0o644)
    path.write_bytes(b"b")  # of the same size
    with pytest.raises(Damaged, match="pull or push"):
        open_local_image(tmp_path, "a")
    store.blobs.put_bytes(b"a")
    assert open_local_image(tmp_path, "a").kernel.read_bytes() == b"a"


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"\xff\xfe", b"{}", b'{"name": "b"}', b'{"name": "a"}', b"[1]", b"{" * 100_000, b"[" * 60_000]
)
def test_a_damaged_record_is_named_and_can_be_removed_and_costs_no_other_image_a_file(
    tmp_path: Path, damage: bytes
) -> None:
    store = store_with(tmp_path, "a", "b", "c")
    files = stored_files(tmp_path)
    (tmp_path / "images" / "a.json").write_bytes(damage)
    for act in (store.all, lambda: store.get("a")):
        with pytest.raises(Damaged, match=r"a\.json is damaged"):
            act()
    assert store.get("b").name == "b"
    store.remove("c", now_s=LATE_S)
    assert stored_files(tmp_path) == files  # "a" might need any of them
    store.remove("a", now_s=LATE_S)
    assert [image.name for image in store.all()] == ["b"] and len(stored_files(tmp_path)) == 2


def test_removing_an_image_removes_what_only_it_named(tmp_path: Path) -> None:
    store = store_with(tmp_path, "a", "b")
    shared, own = store.get("a").boot.linux.initrd, store.get("a").boot.linux.kernel
    assert store.remove("a", now_s=SOON_S) == [own.digest]
    assert store.blobs.holds(shared) and not store.blobs.holds(own)
    assert len(store.remove("b", now_s=SOON_S)) == 2 and stored_files(tmp_path) == set()


def test_a_blob_waits_for_its_image_for_the_grace_time_only(tmp_path: Path) -> None:
    store = store_with(tmp_path, "a")
    orphan = store.blobs.put_bytes(b"orphan")
    written_s = dict(store.blobs.stored())[orphan.digest]
    assert store.collect_garbage(now_s=written_s + ORPHAN_GRACE_S) == []
    assert store.collect_garbage(now_s=written_s + ORPHAN_GRACE_S + 1) == [orphan.digest]
    assert len(stored_files(tmp_path)) == 2


def test_a_blob_stays_readable_for_whoever_has_it_open(tmp_path: Path) -> None:
    store = store_with(tmp_path, "a")
    with store.blobs.open(store.get("a").boot.linux.kernel.digest) as file:
        store.remove("a", now_s=SOON_S)
        assert file.read() == b"a"


def test_a_multiboot_image_opens_with_its_modules(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "images")
    kernel, module = store.blobs.put_bytes(b"kernel"), store.blobs.put_bytes(b"module")
    store.put(
        Image(name="m", boot=BootSource(multiboot=MultibootBoot(kernel=kernel, command_line="tick", modules=[module])))
    )
    image = open_local_image(tmp_path, "m")
    assert (image.kind, image.command_line, image.kernel.read_bytes()) == ("multiboot", "tick", b"kernel")
    assert [path.read_bytes() for path in image.modules] == [b"module"]


def test_a_bios_image_opens_as_its_rom_and_the_built_in_guest_has_no_file(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "images")
    store.put(Image(name="b", boot=BootSource(bios=BiosBoot(rom=store.blobs.put_bytes(b"rom")))))
    store.put(Image(name="m", boot=BootSource(multiboot=MultibootBoot(command_line="tick"))))
    assert open_local_image(tmp_path, "b").kernel.read_bytes() == b"rom"
    with pytest.raises(InvalidRequest, match="built-in guest"):
        open_local_image(tmp_path, "m")
