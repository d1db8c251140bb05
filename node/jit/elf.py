"""LLVM's object files (ELF, x86-64), as far as code is taken out of them by hand."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_RELOCATION = struct.Struct("<QQq")
SYMBOLS, RELOCATIONS, _NO_BITS = 2, 4, 8  # section types
ALLOCATED, WRITABLE = 2, 1


@dataclass(frozen=True, slots=True)
class Section:
    name: str
    kind: int
    flags: int
    content: bytes
    align: int
    link: int
    info: int


@dataclass(frozen=True, slots=True)
class Symbol:
    name: str
    section: int
    value: int


@dataclass(frozen=True, slots=True)
class Relocation:
    offset: int
    kind: int
    symbol: int
    addend: int


def sections_of(obj: bytes) -> list[Section]:
    header = _HEADER.unpack_from(obj)
    at, size, count, names_index = header[6], header[11], header[12], header[13]
    raw = [_SECTION.unpack_from(obj, at + i * size) for i in range(count)]
    names = obj[raw[names_index][4] : raw[names_index][4] + raw[names_index][5]]
    found = []
    for name, kind, flags, _, offset, length, link, info, align, _ in raw:
        content = b"" if kind == _NO_BITS else obj[offset : offset + length]
        found.append(Section(_name(names, name), kind, flags, content, align, link, info))
    return found


def symbols_of(sections: list[Section]) -> list[Symbol]:
    for section in sections:
        if section.kind == SYMBOLS:
            names = sections[section.link].content
            return [
                Symbol(_name(names, name), index, value)
                for name, _, _, index, value, _ in _SYMBOL.iter_unpack(section.content)
            ]
    return []


def relocations_of(section: Section) -> Iterator[Relocation]:
    """Those of the section whose number is `section.info`."""
    if section.kind == RELOCATIONS:
        for offset, info, addend in _RELOCATION.iter_unpack(section.content):
            yield Relocation(offset, info & 0xFFFFFFFF, info >> 32, addend)


def _name(names: bytes, at: int) -> str:
    return names[at : names.index(b"\0", at)].decode()
