"""What a region is: the code it is made of, as data that does not depend on where in memory it lies.

Addresses are EIPs relative to the region's entry, so one translation serves every place and machine where the same
bytes stand in the same layout of pages.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

PAGE = 4096


@dataclass(frozen=True, slots=True)
class Instruction:
    handler: int
    length: int
    operands: bytes  # of its Op, from `disp` to the end, with `at` counted from its block's first byte


@dataclass(frozen=True, slots=True)
class Block:
    """Straight code. Its last instruction may branch: to `target` if that is known, and to `following` unless it
    always branches."""

    at: int
    page: int  # number in the region's list of pages
    instructions: tuple[Instruction, ...]
    target: int | None
    following: int | None

    @property
    def length(self) -> int:
        return sum(i.length for i in self.instructions)


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of code within one page."""

    page: int
    offset: int
    code: bytes


@dataclass(frozen=True, slots=True)
class Shape:
    """`blocks[0]` is the entry. `returns`: where indirect branches may be expected to go."""

    mode: int  # Machine.mode
    start: int  # the entry's offset in its page
    blocks: tuple[Block, ...]
    returns: tuple[int, ...]
    pieces: tuple[Piece, ...]
    page_numbers: tuple[int, ...]  # linear pages relative to the entry's, in the order of `Block.page`

    @property
    def instructions(self) -> int:
        return sum(len(b.instructions) for b in self.blocks)

    def key(self) -> str:
        """The name of its translation: a digest of everything that the translation depends on but the translator."""
        digest = hashlib.sha256()
        for part in self._parts():
            digest.update(part.encode() + b"\0")
        return digest.hexdigest()[:40]

    def _parts(self) -> Iterator[str]:
        yield f"{self.mode} {self.start} {self.returns} {self.page_numbers}"
        for block in self.blocks:
            yield f"{block.at} {block.page} {block.target} {block.following}"
            yield " ".join(str(i.handler) for i in block.instructions)  # processor models decode differently
        for piece in self.pieces:
            yield f"{piece.page} {piece.offset} {piece.code.hex()}"
