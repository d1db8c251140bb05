"""Whatever a guest does to its ports, in any order, width and time: an answer of that width, never an exception."""

import random

import pytest

from tests.node.devices.pc import Pc
from tests.node.devices.programs import program, run, seeds


@pytest.mark.parametrize("seed", seeds(10, 150))
def test_random_programs_get_answers_and_time_moves_on(seed: int) -> None:
    print(f"seed {seed}")
    rng = random.Random(seed)
    pc = Pc()
    steps = program(rng, 2000, any_port=True)
    for step, seen in zip(steps, run(pc, steps), strict=True):
        answer = seen.answer
        if step.kind == "read":
            assert isinstance(answer, int) and 0 <= answer < 1 << 8 * step.width, step
        if step.kind in ("wait", "deadline"):
            due = pc.platform.deadline()
            assert due is None or due > pc.now, step
        if step.kind == "acknowledge" and answer is not None:
            assert isinstance(answer, int) and 0 <= answer <= 0xFF, step


def test_every_port_can_be_read_and_written_in_every_width() -> None:
    pc = Pc()
    for port in range(0x10000):
        for width in (1, 2, 4):
            value = pc.platform.read(port, width, port)
            assert 0 <= value < 1 << 8 * width
            pc.platform.write(port, width, (1 << 8 * width) - 1, port)


def test_an_unclaimed_port_reads_all_ones_in_every_width() -> None:
    pc = Pc()
    for port in (0x1F0, 0x2F8, 0x3C0, 0x279, 0xA79, 0x402, 0xFFFF):
        assert [pc.platform.read(port, width, 0) for width in (1, 2, 4)] == [0xFF, 0xFFFF, 0xFFFF_FFFF]


@pytest.mark.parametrize("mode", range(6))
@pytest.mark.parametrize("count", [0, 1, 2, 3, 0xFFFF])
def test_the_shortest_and_longest_counts_never_stop_the_machine(mode: int, count: int) -> None:
    pc = Pc()
    pc.outb(0x43, 0x30 | mode << 1)
    pc.outb(0x40, count & 0xFF, count >> 8)
    pc.run_until(2_000_000)
    pc.now = 1 << 62  # a century and a half later
    pc.platform.tick(pc.now)
    due = pc.platform.deadline()
    assert due is None or due > pc.now
