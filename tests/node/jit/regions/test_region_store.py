"""The disk cache of translations: many writers, damaged files, and disks that do not want any."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from node.jit.regions.store import CHECKSUM_BYTES, DiskStore
from node.jit.regions.translation import Translation, encoded
from tests.support.seeds import random_for

KEYS = [f"{'0' * 38}{i:02x}" for i in range(16)]


def translation(seed: str, length: int = 300) -> Translation:
    rng = random_for(seed)
    operations = tuple(rng.randbytes(16) for _ in range(rng.randrange(4)))
    return Translation(rng.randbytes(length), rng.randrange(length), operations)


def test_what_was_put_is_got_by_another_process_too(tmp_path: Path) -> None:
    for key in KEYS:
        DiskStore(tmp_path).put(key, translation(key))
    for key in KEYS:
        assert DiskStore(tmp_path).get(key) == translation(key)
    assert DiskStore(tmp_path).get("f" * 40) is None


def test_any_damage_is_noticed(tmp_path: Path) -> None:
    store = DiskStore(tmp_path)
    store.put(KEYS[3], translation("damage"))
    (path,) = (p for p in tmp_path.rglob("*") if p.is_file())
    whole = path.read_bytes()
    rng = random_for("damage to a translation")
    for _ in range(100):
        damaged = bytearray(whole)
        damaged[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        path.write_bytes(rng.choice((bytes(damaged), whole[: rng.randrange(len(whole))], whole + b"x")))
        assert store.get(KEYS[3]) is None
    path.write_bytes(whole)
    assert store.get(KEYS[3]) == translation("damage")


def test_writers_of_the_same_key_do_not_disturb_each_other(tmp_path: Path) -> None:
    value = translation("many writers", 200_000)

    def work(_: int) -> bool:
        store = DiskStore(tmp_path)
        store.put(KEYS[0], value)
        return store.get(KEYS[0]) == value

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(64)))
    assert len([p for p in tmp_path.rglob("*") if p.is_file()]) == 1, "something written aside was left"


def test_a_directory_that_cannot_be_made_costs_nothing_but_the_cache(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = DiskStore(tmp_path / "file" / "regions")
    store.put(KEYS[0], translation("nowhere"))
    assert store.get(KEYS[0]) is None


def test_a_full_disk_leaves_no_part_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: str, target: str) -> None:
        raise OSError(28, "No space left on device")

    store = DiskStore(tmp_path)
    monkeypatch.setattr(os, "replace", full)
    store.put(KEYS[0], translation("full"))
    monkeypatch.undo()
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]
    assert store.get(KEYS[0]) is None


def test_what_was_not_used_for_longest_goes_when_the_directory_has_grown(tmp_path: Path) -> None:
    size = CHECKSUM_BYTES + len(encoded(Translation(bytes(1000), 0, ())))
    store = DiskStore(tmp_path, bytes_most=8 * size)
    for age, key in enumerate(KEYS):
        store.put(key, Translation(bytes(1000), 0, ()))
        os.utime(tmp_path / key[-2:] / key, (1_000_000 + age, 1_000_000 + age))
    store.get(KEYS[0])  # used just now
    store.sweep()
    kept = [key for key in KEYS if store.get(key) is not None]
    assert kept == [KEYS[0], *KEYS[-5:]], "three quarters of the size allowed, the newest ones"
