"""The compiled interpreter against the same semantics in plain Python: every bit of the processor and of memory, and
which pages were written, after random numbers of instructions of random programs.

Straight code and loops, faults, raw bytes, code that overwrites itself, page tables that change, 16- and 32-bit code,
level 3 and level 0, single-stepping, repeated string instructions, interrupts at any instruction.
"""

from collections.abc import Iterator
from random import Random

import pytest

from tests.support.comparison import compare, piece
from tests.support.engine import engine_named
from tests.support.seeds import random_for
from tests.support.soup import KINDS, SoupWorld, disagreement, random_program

pytestmark = pytest.mark.timeout(900)  # the first test may have to compile


@pytest.fixture(scope="module")
def native() -> Iterator[SoupWorld]:
    world = SoupWorld(engine_named("native"))
    yield world
    world.close()


@pytest.fixture(scope="module")
def other() -> Iterator[SoupWorld]:
    """A second processor with the compiled interpreter."""
    world = SoupWorld(engine_named("native"))
    yield world
    world.close()


@pytest.fixture(scope="module")
def translated() -> Iterator[SoupWorld]:
    """Everything that has been executed once is translated before it is executed again."""
    world = SoupWorld(engine_named("translated"))
    yield world
    figures = world.processor.engine.stats()
    world.close()
    print(figures)
    assert figures["regions_installed"] > 20 and figures["instructions_translated"] > 1_000, figures


@pytest.fixture(scope="module")
def copied() -> Iterator[SoupWorld]:
    """Every block is executed as copied stencils from the first time on."""
    world = SoupWorld(engine_named("copied"))
    yield world
    figures = world.processor.engine.stats()
    world.close()
    assert figures["copied_bytes"] > 10_000 and figures["regions_installed"] == 0, figures


@pytest.fixture(scope="module")
def plain() -> Iterator[SoupWorld]:
    world = SoupWorld(engine_named("plain"))
    yield world
    world.close()


def compare_many(label: str, kind: str, programs: int, one: SoupWorld, another: SoupWorld) -> None:
    for number in range(programs):
        name = f"{label} {number}"
        rng = random_for(name)
        compare(rng, one, another, random_program(rng, kind), name)


@pytest.mark.parametrize("kind", KINDS)
def test_compiled_and_plain_interpreter_agree(kind: str, plain: SoupWorld, native: SoupWorld) -> None:
    compare_many(kind, kind, 3, plain, native)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_compiled_and_plain_interpreter_agree_on_many_programs(kind: str, plain: SoupWorld, native: SoupWorld) -> None:
    compare_many(kind, kind, 40, plain, native)


@pytest.mark.parametrize("kind", KINDS)
def test_copied_and_interpreted_code_agree(kind: str, native: SoupWorld, copied: SoupWorld) -> None:
    compare_many(f"copied {kind}", kind, 10, native, copied)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_copied_and_interpreted_code_agree_on_many_programs(kind: str, native: SoupWorld, copied: SoupWorld) -> None:
    compare_many(f"copied {kind}", kind, 100, native, copied)


@pytest.mark.parametrize("kind", KINDS)
def test_translated_and_interpreted_code_agree(kind: str, native: SoupWorld, translated: SoupWorld) -> None:
    for number in range(4):
        name = f"translated {kind} {number}"
        rng = random_for(name)
        compare(rng, native, translated, random_program(rng, kind), name)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_translated_and_interpreted_code_agree_on_many_programs(
    kind: str, native: SoupWorld, translated: SoupWorld
) -> None:
    for number in range(15):
        name = f"translated {kind} {number} of many"
        rng = random_for(name)
        compare(rng, native, translated, random_program(rng, kind), name)


def in_pieces(rng: Random, world: SoupWorld, instructions: int) -> bool:
    done = 0
    while done < instructions:
        budget = min(piece(rng), instructions - done)
        if not world.run(budget):
            return False
        done += budget
    return True


def compare_pieces(kind: str, instructions: int, programs: int, whole: SoupWorld, pieces: SoupWorld) -> None:
    for number in range(programs):
        rng = random_for(f"pieces of {kind} {number}")
        program = random_program(rng, kind)
        whole.load(program)
        pieces.load(program)
        assert whole.run(instructions) == in_pieces(rng, pieces, instructions), (kind, number)
        found = disagreement(whole.state(), pieces.state())
        assert not found, f"{kind} {number}, {program.setting}: {found}"


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_in_pieces_is_the_run_in_one_go(kind: str, native: SoupWorld, other: SoupWorld) -> None:
    compare_pieces(kind, 20_000, 6, native, other)


@pytest.mark.parametrize("kind", KINDS)
def test_a_plain_run_in_pieces_is_the_compiled_run_in_one_go(kind: str, native: SoupWorld, plain: SoupWorld) -> None:
    compare_pieces(kind, 1_500, 2, native, plain)
