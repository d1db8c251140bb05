"""Two engines, one program without sense (soup.py): every bit of the processor and of memory after random numbers of
instructions."""

from random import Random

from tests.support.soup import Program, SoupWorld, disagreement

PIECES = 24


class Disagreement(AssertionError):
    """Two engines differ; the text says where and in what."""


def piece(rng: Random) -> int:
    """A number of instructions."""
    return rng.choice((1, 2, 7, 50, rng.randrange(1, 400)))


def compare(rng: Random, one: SoupWorld, another: SoupWorld, program: Program, name: str, pieces: int = PIECES) -> None:
    """Raises Disagreement. Interrupts come between pieces."""
    one.load(program)
    another.load(program)
    for number in range(pieces):
        budget, interrupted = piece(rng), rng.random() < 0.6
        if interrupted:
            one.interrupt()
            another.interrupt()
        goes_on, also = one.run(budget), another.run(budget)
        where = f"{name}, {program.setting}, piece {number} of {budget} instructions"
        if goes_on != also:
            raise Disagreement(f"{where}: only one of them shut down")
        found = disagreement(one.state(), another.state())
        if found:
            raise Disagreement(f"{where}: {found}")
        if not goes_on:
            return
