"""Stencils out of LLVM's object file: each function's section, and its holes by what they are to be filled with."""

from collections.abc import Iterator
from dataclasses import dataclass

from node.ia32.state import M8
from node.jit.elf import Relocation, Section, Symbol, relocations_of, sections_of, symbols_of
from node.jit.stencils.assembly import DIFFERENCES, FIRST
from node.jit.stencils.kinds import HOLES, NEXT, PAUSE, SLOW

PREFIX = ".limosa."
_R_64, _R_PC32, _R_PLT32, _R_32 = 1, 2, 4, 10
_ABSOLUTE = {f"limosa_hole_{hole}": hole for hole in HOLES}
_RELATIVE = {f"limosa_{hole}": hole for hole in (NEXT, SLOW, PAUSE)}
_JUMP, _JUMP_BYTES = 0xE9, 5


@dataclass(frozen=True, slots=True)
class Stencil:
    code: bytes
    holes: tuple[tuple[int, str], ...]  # (offset in `code`, one of HOLES)


def cut(objects: tuple[bytes, bytes]) -> dict[str, Stencil]:
    """By name, from what `assembly.two_objects` made. A function that needs anything but its holes has no stencil."""
    first, second = (_cut(each) for each in objects)
    return {name: _with_small_holes(stencil, second[name]) for name, stencil in first.items()}


def _with_small_holes(one: Stencil, other: Stencil) -> Stencil:
    """Where the two differ; what is to be added to the hole's value stays in its place."""
    code, holes = bytearray(one.code), list(one.holes)
    for at, (first, second) in enumerate(zip(one.code, other.code, strict=True)):
        if first != second:
            holes.append((at, DIFFERENCES[second - first]))
            code[at] = (first - FIRST) & M8
    return Stencil(bytes(code), tuple(holes))


def _cut(obj: bytes) -> dict[str, Stencil]:
    sections = sections_of(obj)
    names = {number: s.name[len(PREFIX) :] for number, s in enumerate(sections) if s.name.startswith(PREFIX)}
    relocations: dict[int, list[Relocation]] = {number: [] for number in names}
    for section in sections:
        if section.info in relocations:
            relocations[section.info] += relocations_of(section)
    symbols = symbols_of(sections)
    found = {}
    for number, name in names.items():
        holes = list(_holes(relocations[number], symbols))
        if None not in holes:
            found[name] = _without_last_jump(sections[number], [hole for hole in holes if hole is not None])
    return found


def _holes(relocations: list[Relocation], symbols: list[Symbol]) -> Iterator[tuple[int, str] | None]:
    for relocation in relocations:
        symbol = symbols[relocation.symbol].name
        if symbol in _ABSOLUTE and relocation.kind in (_R_64, _R_32) and relocation.addend == 0:
            yield relocation.offset, _ABSOLUTE[symbol]
        elif symbol in _RELATIVE and relocation.kind in (_R_PC32, _R_PLT32) and relocation.addend == -4:
            yield relocation.offset, _RELATIVE[symbol]
        else:
            yield None


def _without_last_jump(section: Section, holes: list[tuple[int, str]]) -> Stencil:
    """What comes next is copied right behind."""
    code = section.content
    last = (len(code) - 4, NEXT)
    if last in holes and code[-_JUMP_BYTES] == _JUMP:
        holes.remove(last)
        code = code[:-_JUMP_BYTES]
    return Stencil(code, tuple(holes))
