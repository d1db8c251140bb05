"""Private copies of the records' hot fields: where they lie, and the text that fetches them and writes them back.

A copy has the layout of its record, but only the hot fields of it are used (`hot_fields.py`), and in the place of two
others stand the addresses of the record itself and of the helpers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from node.ia32.state import CPU, M32, MACHINE

LAYOUTS = {"cpu": CPU, "machine": MACHINE}
REGISTERS = 8  # of the nine elements of gpr, the last is always zero


def offset(kind: str, field: str) -> int:
    return int(LAYOUTS[kind].fields[field][1])  # type: ignore[index]


# Places of the two addresses in a copy: of fields that no copy holds
REAL = {"cpu": offset("cpu", "cpl"), "machine": offset("machine", "cpu_address")}
HELPERS = {"cpu": offset("cpu", "gdt_base"), "machine": offset("machine", "helpers")}

START_AGAIN = 8  # in a copy's `leave`: the interpreter shall execute the instruction


@dataclass(frozen=True, slots=True)
class Place:
    """One hot int64: where it lies, and whether it is known to be below 2^32."""

    offset: int
    narrow: bool


def places(kind: str, field: str) -> Iterator[Place]:
    """The int64s of a field that may have any value."""
    shape: np.dtype[Any] = LAYOUTS[kind].fields[field][0]  # type: ignore[index]
    count = REGISTERS if field == "gpr" else shape.itemsize // 8
    for i in range(count):
        yield Place(offset(kind, field) + 8 * i, field in NARROW)


NARROW_RANGE = "!2"  # metadata of the texts: so that what is stored as it was fetched is seen to change nothing
NARROW_RANGE_TEXT = f"{NARROW_RANGE} = !{{i64 0, i64 {M32 + 1}}}"
NARROW = frozenset({"gpr", "eip", "cc_dst", "cc_src", "base", "limit", "stack_mask"})


def fetch_text(kind: str, fields: Sequence[str], record: str, copy: str, prefix: str) -> list[str]:
    """LLVM lines that copy fields from a record to a region's copy. Names begin with %prefix."""
    lines = []
    for field in fields:
        for place in places(kind, field):
            name, known = f"%{prefix}{place.offset}", f", !range {NARROW_RANGE}" if place.narrow else ""
            lines += [f"{name}s = getelementptr i8, ptr {record}, i64 {place.offset}"]
            lines += [f"{name}t = getelementptr i8, ptr {copy}, i64 {place.offset}"]
            lines += [f"{name}v = load i64, ptr {name}s, align 8{known}", f"store i64 {name}v, ptr {name}t, align 8"]
    return lines


def write_back_text(kind: str, fields: Sequence[str], copy: str, record: str, prefix: str) -> list[str]:
    """The other way."""
    lines = []
    for field in fields:
        for place in places(kind, field):
            name, value = f"%{prefix}{place.offset}", "v"
            lines += [f"{name}s = getelementptr i8, ptr {copy}, i64 {place.offset}"]
            lines += [f"{name}t = getelementptr i8, ptr {record}, i64 {place.offset}"]
            lines += [f"{name}v = load i64, ptr {name}s, align 8"]
            if place.narrow:
                lines += [f"{name}n = and i64 {name}v, {M32}"]
                value = "n"
            lines += [f"store i64 {name}{value}, ptr {name}t, align 8"]
    return lines
