"""All device state is in the records: at any moment a second platform, given their bytes, goes on identically."""

import random

import pytest

from tests.node.devices.pc import Pc
from tests.node.devices.programs import Step, program, run, seeds


@pytest.mark.parametrize("seed", seeds(15, 200))
def test_a_platform_restored_at_any_moment_behaves_as_the_one_that_went_on(seed: int) -> None:
    print(f"seed {seed}")
    rng = random.Random(seed)
    original = Pc()
    for _ in run(original, program(rng, rng.randrange(1500))):
        pass
    restored = Pc(wall=0, memory_bytes=8 << 20)  # nothing may come from how it was built
    for _ in run(restored, program(rng, 50)):
        pass
    restored.now = original.now
    restored.load(original.save())
    later = program(rng, 500)
    for number, (theirs, ours) in enumerate(zip(run(original, later), run(restored, later), strict=True)):
        assert theirs == ours, f"step {number}: {later[number]}"
        if number % 50 == 0:
            assert original.save() == restored.save(), f"step {number}: {later[number]}"
    assert original.save() == restored.save()


@pytest.mark.parametrize("seed", seeds(5, 50))
def test_the_same_program_gives_the_same_bytes(seed: int) -> None:
    print(f"seed {seed}")
    steps = program(random.Random(seed), 1000)
    first, second = Pc(), Pc()
    assert list(run(first, steps)) == list(run(second, steps))
    assert first.save() == second.save()


@pytest.mark.parametrize("seed", seeds(5, 50))
def test_a_tick_before_the_deadline_changes_nothing(seed: int) -> None:
    """So the state does not depend on where the machine happened to stop, for a snapshot or the end of a slice."""
    print(f"seed {seed}")
    rng = random.Random(seed)
    pc = Pc()
    for _ in run(pc, program(rng, 600)):
        due = pc.platform.deadline()
        soon = pc.now + rng.randrange(1_000_000)
        before = pc.save()
        pc.platform.tick(soon if due is None else min(soon, due - 1))
        assert pc.save() == before


def test_records_are_live_packed_and_of_shape_1() -> None:
    pc = Pc()
    records = pc.platform.records()
    for name, record in records.items():
        assert record.shape == (1,) and record.dtype.fields, name
        assert sum(dtype.itemsize for dtype, *_ in record.dtype.fields.values()) == record.dtype.itemsize, name
    before = records["uart"]["scr"][0]
    pc.outb(0x3FF, 0x77)
    assert before == 0 and records["uart"]["scr"][0] == 0x77
    saved = {name: record.copy() for name, record in records.items()}
    pc.outb(0x3FF, 0x11)
    for name, record in records.items():
        record[...] = saved[name]
    assert pc.inb(0x3FF) == 0x77


def test_a_request_made_before_the_snapshot_is_still_there_after_it() -> None:
    pc, other = Pc(), Pc()
    pc.outb(0xCF9, 0x06)
    other.load(pc.save())
    assert other.request() == pc.request() is not None


def test_input_waiting_in_the_queue_moves_with_the_records() -> None:
    pc, other = Pc(), Pc()
    pc.platform.serial_input(b"moved", 0)
    other.load(pc.save())
    list(run(other, [Step("write", 0x3FA, 1, 1), Step("write", 0x3FC, 1, 0x0B)]))
    other.run_until(10_000_000)
    assert bytes(other.inb(0x3F8) for _ in range(5)) == b"moved"
