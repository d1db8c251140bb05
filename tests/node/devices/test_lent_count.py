"""While the timer lends a count, every read of it is what the formula says, however late; and then it is as if the
count had been read by the processor: one byte after the other."""

import random

import pytest

from node.devices.pit import COUNT_2, tick_at
from tests.node.devices.pc import Pc
from tests.node.devices.programs import seeds

CONTROL, GATE = 0x43, 0x61


def meddle(pc: Pc, rng: random.Random) -> None:
    """Counts in any mode, one or two bytes, binary or decimal; latched; the gate; time."""
    match rng.randrange(6):
        case 0:
            pc.outb(CONTROL, 0x80 | rng.choice((0x30, 0x30, rng.randrange(64))))
        case 1 | 2:
            pc.outb(COUNT_2, *(rng.randrange(256) for _ in range(rng.choice((1, 2, 2)))))
        case 3:
            pc.outb(CONTROL, rng.choice((0xC8, 0xE8, 0xD8)) if rng.random() < 0.3 else 0x80)
        case 4:
            pc.outb(GATE, rng.choice((1, 1, 0)))
        case _:
            pc.now += int(10 ** rng.uniform(2, 9))


@pytest.mark.parametrize("seed", seeds(10, 100))
def test_a_lent_count_reads_as_the_counter_does(seed: int) -> None:
    print(f"seed {seed}")
    rng = random.Random(seed)
    pc = Pc()
    lent = 0
    for _ in range(2000):
        meddle(pc, rng)
        count = pc.platform.lent_count()
        for _ in range(rng.randrange(4) if count else 1):
            if count is None:
                pc.inb(COUNT_2)
                continue
            pc.now += int(10 ** rng.uniform(0, 8))
            start, initial, half = count
            value = initial - max(0, tick_at(pc.now) - start) & 0xFFFF
            before = pc.save()
            assert pc.inb(COUNT_2) == (value >> 8 if half else value & 0xFF)
            after = pc.save()
            pc.platform.take_back_count(half)
            assert pc.save() == before, "only which byte is next has changed"
            pc.platform.take_back_count(half ^ 1)
            assert pc.save() == after
            count, lent = pc.platform.lent_count(), lent + 1
    assert lent > 100


def test_what_kernels_measure_by_is_lent() -> None:
    pc = Pc()
    pc.outb(GATE, 1)
    pc.outb(CONTROL, 0xB0)
    assert pc.platform.lent_count() is None
    pc.outb(COUNT_2, 0xFF, 0xFF)
    assert pc.platform.lent_count() == (tick_at(pc.now) + 1, 0xFFFF, 0)
    pc.inb(COUNT_2)
    assert pc.platform.lent_count() == (tick_at(pc.now) + 1, 0xFFFF, 1)
    pc.outb(CONTROL, 0x80)
    assert pc.platform.lent_count() is None
