"""Runs of instructions that translated code executes at once (node.ia32.semantics.stack_runs), numbered behind all
handlers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from node.ia32.handlers import Handler, handlers
from node.ia32.semantics.stack_runs import MOST, RUNS, may_run
from node.ia32.state import OP
from node.jit.regions.shape import Instruction

_OPERANDS_AT = OP.fields["disp"][1]  # type: ignore[index]
_A, *_FURTHER = (OP.fields[name][1] - _OPERANDS_AT for name in ("a", "b", "base", "index"))  # type: ignore[index]


@dataclass(frozen=True, slots=True)
class Run:
    """`count` instructions of handler number `of`, executed by `handler`, number `number`."""

    of: int
    count: int
    number: int
    handler: Handler


@cache
def runs() -> tuple[Run, ...]:
    found: list[Run] = []
    for of, handler in enumerate(handlers()):
        if handler is None or handler.semantic not in RUNS or handler.constants != (4,):
            continue
        for count in range(2, MOST + 1):
            several = Handler(RUNS[handler.semantic], (count,), may_leave=True, ends="", counts=False, direct=False)
            found.append(Run(of, count, len(handlers()) + len(found), several))
    return tuple(found)


@cache
def handlers_and_runs() -> tuple[Handler | None, ...]:
    """By number."""
    return (*handlers(), *(run.handler for run in runs()))


@cache
def _run_of(handler: int, count: int) -> Run | None:
    return next((run for run in runs() if (run.of, run.count) == (handler, count)), None)


def merged(instructions: Sequence[Instruction]) -> Iterator[tuple[int, Instruction]]:
    """What executes them, each with how many come before it."""
    at = 0
    while at < len(instructions):
        count = _length(instructions[at : at + MOST])
        run = _run_of(instructions[at].handler, count)
        yield at, instructions[at] if run is None else _at_once(run, instructions[at : at + count])
        at += count


def _length(instructions: Sequence[Instruction]) -> int:
    """Of the run that begins here; 1: there is none."""
    first = instructions[0].handler
    if _run_of(first, MOST) is None:
        return 1
    fit = [each.handler == first and may_run(each.operands[_A]) for each in instructions]
    return max(1, (*fit, False).index(False))


def _at_once(run: Run, instructions: Sequence[Instruction]) -> Instruction:
    operands = bytearray(instructions[0].operands)
    for at, each in zip(_FURTHER, instructions[1:], strict=False):
        operands[at] = each.operands[_A]
    return Instruction(run.number, sum(each.length for each in instructions), bytes(operands))
