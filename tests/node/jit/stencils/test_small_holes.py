"""Holes of one byte, which are found by assembling twice, are filled like what the assembler would have made of the
number itself."""

import llvmlite.binding as llvm
import pytest

from node.jit.stencils.assembly import two_objects
from node.jit.stencils.cutting import Stencil, cut
from node.jit.stencils.kinds import SMALL
from node.jit.stencils.writing import DECLARATIONS, NEXT, SMALL_PREFIX, function, small_hole
from node.jit.target import host_level, target_machine

FORMS = {
    "displacement": "  %p = getelementptr i8, ptr %c, i64 {hole}\n  %v = load i64, ptr %p\n  store i64 %v, ptr %m",
    "displacement and more": (
        "  %q = getelementptr i8, ptr %c, i64 {hole}\n  %p = getelementptr i8, ptr %q, i64 5\n"
        "  %v = load i8, ptr %p\n  store i8 %v, ptr %m"
    ),
    "operand": "  %v = load i64, ptr %c\n  %w = add i64 %v, {hole}\n  store i64 %w, ptr %c",
}
SHORTER = {0, 1, -1, -5}  # numbers of which LLVM makes something else: no displacement, or INC


def stencil(lines: list[str]) -> Stencil:
    target = target_machine(host_level())
    module = llvm.parse_assembly("\n".join([DECLARATIONS, function("0_0", [*lines, NEXT])]))
    return cut(two_objects(module, target))["0_0"]


def filled(made: Stencil, values: dict[str, int]) -> bytes:
    code = bytearray(made.code)
    for at, kind in made.holes:
        code[at] = (code[at] + values[kind]) & 0xFF
    return bytes(code)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", SMALL)
def test_a_filled_hole_is_the_number_itself(kind: str, form: str) -> None:
    made = stencil([small_hole("hole", kind), FORMS[form].format(hole="%hole")])
    assert [name for _, name in made.holes] == [kind]
    lowest, bound, multiple = SMALL[kind]
    for number in {lowest, lowest + multiple, bound - 1} - SHORTER:
        expected = stencil([f"  %hole = add i64 {number}, 0", FORMS[form].format(hole="%hole")])
        assert filled(made, {kind: number}) == expected.code, (kind, number)


def test_holes_in_one_stencil_are_told_apart() -> None:
    lines = []
    for kind in SMALL:
        lines += [small_hole(kind, kind), f"  %p{kind} = getelementptr i8, ptr %c, i64 %{kind}"]
        lines += [f"  store volatile i64 0, ptr %p{kind}"]
    assert [kind for _, kind in stencil(lines).holes] == list(SMALL)


def test_no_symbol_is_left() -> None:
    module = llvm.parse_assembly(
        DECLARATIONS + function("0_0", [small_hole("h", "a_place"), "  store i64 %h, ptr %c", NEXT])
    )
    for each in two_objects(module, target_machine(host_level())):
        assert SMALL_PREFIX.encode() not in each
