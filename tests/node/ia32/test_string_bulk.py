"""REP SCAS and CMPS over pages that the TLB knows are done at once: they end where Python's own search does, in one
piece and in many."""

import pytest

from node.ia32.flags import status
from node.ia32.semantics.strings import CMPS_, SCAS_, string
from node.ia32.state import DS, EAX, ECX, EDI, ESI, LEAVE_EXIT, REP, REPNE, STAY, ZF
from tests.node.ia32.protected_world import World
from tests.support.seeds import random_for

ONE, OTHER = 0x10F00, 0x20E84  # not far from a page's end
CASES = [(size, prefix) for size in (1, 2, 4) for prefix in (REP, REPNE)]


def run(world: World, kind: int, size: int, prefix: int, budget: int) -> int:
    """Until the instruction is done, `budget` iterations at a time; returns how many pieces that took."""
    for pieces in range(1, 10_000):
        world.m.left = budget
        assert world.do(string, kind, size, seg=DS | prefix) is None
        if world.m.leave != LEAVE_EXIT:
            return pieces
        world.m.leave = STAY
    raise AssertionError("without end")


def elements(content: bytes, size: int) -> list[int]:
    return [int.from_bytes(content[i : i + size], "little") for i in range(0, len(content), size)]


@pytest.mark.parametrize("budget", [1, 7, 1 << 20])
@pytest.mark.parametrize(("size", "prefix"), CASES)
def test_scas_ends_where_the_search_ends(size: int, prefix: int, budget: int) -> None:
    rng = random_for(f"scas {size} {prefix} {budget}")
    for length in (1, 60, 700):
        world = World()
        wanted = rng.randrange(1 << 8 * size)
        end = rng.randrange(length + 1)  # the element that ends it; `length`: none
        other = wanted ^ 1
        fill, last = (wanted, other) if prefix == REP else (other, wanted)
        content = fill.to_bytes(size, "little") * end + last.to_bytes(size, "little") * (length - end)
        world.memory.view[OTHER : OTHER + len(content)] = content
        world.c.gpr[EAX], world.c.gpr[ECX], world.c.gpr[EDI] = wanted, length, OTHER
        run(world, SCAS_, size, prefix, budget)
        done = min(end + 1, length)
        assert (world.c.gpr[EDI], world.c.gpr[ECX]) == (OTHER + done * size, length - done)
        equal = elements(content, size)[done - 1] == wanted
        assert bool(status(world.c) & ZF) == equal


@pytest.mark.parametrize("budget", [1, 7, 1 << 20])
@pytest.mark.parametrize(("size", "prefix"), CASES)
def test_cmps_ends_where_the_comparison_ends(size: int, prefix: int, budget: int) -> None:
    rng = random_for(f"cmps {size} {prefix} {budget}")
    for length in (1, 90, 1500):
        world = World()
        end = rng.randrange(length + 1)
        one = elements(rng.randbytes(length * size), size)
        other = [value if (i < end) == (prefix == REP) else value ^ 1 for i, value in enumerate(one)]
        for at, values in ((ONE, one), (OTHER, other)):
            content = b"".join(value.to_bytes(size, "little") for value in values)
            world.memory.view[at : at + len(content)] = content
        world.c.gpr[ECX], world.c.gpr[ESI], world.c.gpr[EDI] = length, ONE, OTHER
        run(world, CMPS_, size, prefix, budget)
        done = min(end + 1, length)
        assert (world.c.gpr[ECX], world.c.gpr[ESI] - ONE, world.c.gpr[EDI] - OTHER) == (
            length - done, done * size, done * size,
        )  # fmt: skip
        assert bool(status(world.c) & ZF) == (one[done - 1] == other[done - 1])
