"""Handlers and their numbers, derived from the opcode table.

A *handler* is a semantic with all its integer constants: what one decoded instruction executes. Handler numbers
follow the order of `ROWS`, so they are the same in every process of one version, and for every processor model: what a
model lacks is left out of the table that its decoder reads (`decoder_table.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from node.ia32.blocks import FIRST_HANDLER
from node.ia32.encodings import FORM_UNKNOWN, Encoding, encodings_of, forms_of, operand_letters, rows
from node.ia32.operands import MEM
from node.ia32.rows import Row


@dataclass(frozen=True, slots=True)
class Handler:
    semantic: Callable[..., Any]
    constants: tuple[int, ...]
    may_leave: bool
    ends: str  # as in Row
    counts: bool  # reads or spends m.left
    direct: bool  # a branch whose target is fixed relative to it


@dataclass(frozen=True, slots=True)
class Numbered:
    """An encoding, and by form of its operand the number of what it executes."""

    encoding: Encoding
    handlers: dict[int, int]


@cache
def handlers() -> tuple[Handler | None, ...]:
    """By number; the first are no instruction's (`blocks.py`)."""
    return _numbering()[0]


@cache
def numbered() -> tuple[tuple[Row, tuple[Numbered, ...]], ...]:
    """The encodings of every row."""
    return _numbering()[1]


@cache
def _numbering() -> tuple[tuple[Handler | None, ...], tuple[tuple[Row, tuple[Numbered, ...]], ...]]:
    numbers: dict[tuple[Any, ...], int] = {}
    found: list[Handler | None] = [None] * FIRST_HANDLER

    def number(row: Row, constants: tuple[int, ...], form: int, direct: bool) -> int:
        known = tuple(form if c == FORM_UNKNOWN else c for c in constants)
        may_leave = row.faults == "always" or (row.faults == "mem" and form == MEM)
        key = (row.semantic, known, may_leave, row.ends, row.counts, direct)
        if key not in numbers:
            numbers[key] = len(found)
            found.append(Handler(*key))
        return numbers[key]

    of_rows: list[tuple[Row, tuple[Numbered, ...]]] = []
    for row in rows():
        forms, direct = forms_of(row), row.ends in ("branch", "cc") and any(o[0] == "J" for o in operand_letters(row))
        spread = [
            Numbered(x, {form: number(row, x.constants, form, direct) for form in forms}) for x in encodings_of(row)
        ]
        of_rows.append((row, tuple(spread)))
    return tuple(found), tuple(of_rows)


def relative_target(handler: Handler, following: int, displacement: int) -> int | None:
    """Where a direct branch leads, relative to wherever `following`, the address behind it, is counted from; `None` if
    that depends on the whole EIP (16-bit branches wrap). The displacement is an Op's `imm`."""
    if handler.constants[-1] != 4:
        return None
    return following + ((displacement ^ 0x8000_0000) - 0x8000_0000)
