"""The machine code of a region out of LLVM's object file: text and constants, ready to run anywhere.

Regions reach everything through their arguments, so the only relocations that occur are between their own sections.
"""

import struct

from node.jit.elf import ALLOCATED, WRITABLE, Section, Symbol, relocations_of, sections_of, symbols_of

_R_PC32, _R_PLT32 = 2, 4


class NotSelfContained(Exception):
    """The object needs something that lies outside it."""


def extract(obj: bytes, symbol: str) -> tuple[bytes, int]:
    """The bytes of all loaded sections laid out one behind another, and where `symbol` begins."""
    sections = sections_of(obj)
    symbols = symbols_of(sections)
    placed: dict[int, int] = {}
    image = bytearray()
    for number, section in enumerate(sections):
        if section.flags & ALLOCATED and section.content and not section.name.startswith(".eh_frame"):
            if section.flags & WRITABLE:
                raise NotSelfContained(f"a writable section, {section.name}")
            image += bytes(-len(image) % max(section.align, 1))
            placed[number] = len(image)
            image += section.content
    for section in sections:
        if section.info in placed:
            _relocate(image, section, symbols, placed)
    return bytes(image), _entry(symbols, placed, symbol)


def _relocate(image: bytearray, table: Section, symbols: list[Symbol], placed: dict[int, int]) -> None:
    for relocation in relocations_of(table):
        symbol = symbols[relocation.symbol]
        if relocation.kind not in (_R_PC32, _R_PLT32) or symbol.section not in placed:
            raise NotSelfContained(f"a relocation of type {relocation.kind} to section {symbol.section}")
        place = placed[table.info] + relocation.offset
        target = placed[symbol.section] + symbol.value + relocation.addend
        struct.pack_into("<i", image, place, target - place)


def _entry(symbols: list[Symbol], placed: dict[int, int], name: str) -> int:
    for symbol in symbols:
        if symbol.section in placed and symbol.name == name:
            return placed[symbol.section] + symbol.value
    raise NotSelfContained(f"no symbol {name}")
