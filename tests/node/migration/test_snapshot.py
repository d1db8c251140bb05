"""Snapshots: what goes in comes out, and what does not fit is named."""

import random

import numpy as np
import pytest

from node.migration import snapshot
from node.migration.snapshot import SnapshotError, decode, encode, first_difference

LATCH = np.dtype([("armed", "?"), ("value", "<u2", (2, 3))])
TIMER = np.dtype([("count", "<u2"), ("latch", LATCH), ("rate", "<f8"), ("big_endian", ">u4")], align=True)


def machine(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    timer = np.zeros(1, TIMER)
    timer["count"], timer["rate"], timer["big_endian"] = rng.integers(1 << 16), rng.random(), rng.integers(1 << 32)
    timer["latch"]["value"] = rng.integers(0, 1 << 16, (1, 2, 3))
    timer["latch"]["armed"] = True
    return {"timer": timer, "console": rng.integers(0, 256, 100).astype(np.uint8)}


def test_a_machine_restored_is_the_machine_saved_whatever_was_there() -> None:
    saved, other = machine(1), machine(2)
    live = other["timer"]
    decode(encode(saved), other)
    assert other["timer"] is live and (live == saved["timer"]).all()
    assert encode(other) == encode(saved)


def test_equal_machines_have_equal_snapshots_whatever_lies_in_the_padding_and_the_order() -> None:
    one, two = machine(1), machine(1)
    raw = two["timer"].view(np.uint8)
    raw[2 + LATCH.itemsize] = 0xAA  # between latch and rate
    assert (one["timer"] == two["timer"]).all() and one["timer"].tobytes() != two["timer"].tobytes()
    assert encode(one) == encode(dict(reversed(two.items())))


def changed(**records: np.ndarray) -> dict[str, np.ndarray]:
    return machine(1) | records


MISFITS = {
    "lacks the record console": {"timer": machine(1)["timer"]},
    "has the unknown record extra": changed(extra=np.zeros(1, np.uint8)),
    "has console as": changed(console=np.zeros(101, np.uint8)),
    "has timer.count as": changed(
        timer=np.zeros(1, [("count", "<i2"), ("latch", LATCH), ("rate", "<f8"), ("big_endian", "<u4")])
    ),
    "lacks the field timer.rate": changed(
        timer=np.zeros(1, [("count", "<u2"), ("latch", LATCH), ("big_endian", "<u4")])
    ),
    "has the unknown field timer.more": changed(timer=np.zeros(1, [*TIMER.descr[:1], ("more", "u1")])),
}


@pytest.mark.parametrize("words", MISFITS)
def test_what_does_not_fit_is_named_and_nothing_is_changed(words: str) -> None:
    live = machine(3)
    before = encode(live)
    with pytest.raises(SnapshotError, match=words if "unknown field" not in words else "field timer."):
        decode(encode(MISFITS[words]), live)
    assert encode(live) == before


def test_types_that_mean_different_things_on_different_hosts_are_refused() -> None:
    for dtype in (np.longdouble, np.object_, "S8"):
        with pytest.raises(SnapshotError, match=r"cpu\.odd"):
            encode({"cpu": np.zeros(1, [("odd", dtype)])})


def test_damage_is_an_error_never_a_half_restored_machine() -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    rng, good = random.Random(seed), encode(machine(1))
    schema_ends = 16 + int.from_bytes(good[12:16], "little")
    for _ in range(300):
        live = machine(3)
        before = encode(live)
        damaged = bytearray(good)
        damaged[rng.randrange(schema_ends)] ^= 1 << rng.randrange(8)
        with pytest.raises(SnapshotError):
            decode(bytes(damaged), live)
        assert encode(live) == before
    for end in range(0, len(good), 7):
        with pytest.raises(SnapshotError):
            decode(good[:end], machine(3))


@pytest.mark.parametrize("schema", [b"{}", b"[1]", b'[{"record":1}]', b'[{"fields":[[1]]}]', b"[" * 5000, b"null"])
def test_a_schema_that_is_json_but_none_is_an_error(schema: bytes) -> None:
    data = snapshot.HEAD.pack(snapshot.MAGIC, 1, 0, len(schema)) + schema
    with pytest.raises(SnapshotError):
        decode(data, machine(1))


def test_the_first_difference_is_named() -> None:
    one, two = machine(1), machine(1)
    assert first_difference(encode(one), encode(two)) is None
    two["timer"]["latch"]["value"][0, 1, 2] ^= 1
    assert first_difference(encode(one), encode(two)) == "timer.latch.value"
    two["console"][99] ^= 1
    assert first_difference(encode(one), encode(two)) == "console"
