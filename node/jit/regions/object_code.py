"""The machine code of a region out of LLVM's object file (ELF, x86-64): text and constants, ready to run anywhere.

Regions reach everything through their arguments, so the only relocations that occur are between their own sections.
"""

import struct
from dataclasses import dataclass

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_RELOCATION = struct.Struct("<QQq")
_SYMBOLS, _RELOCATIONS = 2, 4  # section types
_ALLOCATED, _WRITABLE = 2, 1
_R_PC32, _R_PLT32 = 2, 4


class NotSelfContained(Exception):
    """The object needs something that lies outside it."""


@dataclass(frozen=True, slots=True)
class _Section:
    name: str
    kind: int
    flags: int
    content: bytes
    align: int
    link: int
    info: int


def extract(obj: bytes, symbol: str) -> tuple[bytes, int]:
    """The bytes of all loaded sections laid out one behind another, and where `symbol` begins."""
    sections = _sections(obj)
    placed: dict[int, int] = {}
    image = bytearray()
    for number, section in enumerate(sections):
        if section.flags & _ALLOCATED and section.content and not section.name.startswith(".eh_frame"):
            if section.flags & _WRITABLE:
                raise NotSelfContained(f"a writable section, {section.name}")
            image += bytes(-len(image) % max(section.align, 1))
            placed[number] = len(image)
            image += section.content
    for section in sections:
        if section.kind == _RELOCATIONS and section.info in placed:
            _relocate(image, sections, section, placed)
    return bytes(image), _entry(sections, placed, symbol)


def _sections(obj: bytes) -> list[_Section]:
    header = _HEADER.unpack_from(obj)
    at, size, count, names_index = header[6], header[11], header[12], header[13]
    raw = [_SECTION.unpack_from(obj, at + i * size) for i in range(count)]
    names = obj[raw[names_index][4] : raw[names_index][4] + raw[names_index][5]]
    found = []
    for name, kind, flags, _, offset, length, link, info, align, _ in raw:
        text = names[name : names.index(b"\0", name)].decode()
        content = b"" if kind == 8 else obj[offset : offset + length]
        found.append(_Section(text, kind, flags, content, align, link, info))
    return found


def _relocate(image: bytearray, sections: list[_Section], table: _Section, placed: dict[int, int]) -> None:
    symbols = sections[table.link].content
    for offset, info, addend in _RELOCATION.iter_unpack(table.content):
        _, _, _, section, value, _ = _SYMBOL.unpack_from(symbols, (info >> 32) * _SYMBOL.size)
        if info & 0xFFFFFFFF not in (_R_PC32, _R_PLT32) or section not in placed:
            raise NotSelfContained(f"a relocation of type {info & 0xFFFFFFFF} to section {section}")
        place = placed[table.info] + offset
        struct.pack_into("<i", image, place, placed[section] + value + addend - place)


def _entry(sections: list[_Section], placed: dict[int, int], symbol: str) -> int:
    for section in sections:
        if section.kind == _SYMBOLS:
            names = sections[section.link].content
            for name, _, _, index, value, _ in _SYMBOL.iter_unpack(section.content):
                if index in placed and names[name : names.index(b"\0", name)].decode() == symbol:
                    return placed[index] + int(value)
    raise NotSelfContained(f"no symbol {symbol}")
