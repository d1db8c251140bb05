"""Which regions were once made of code that begins like this: so that a later run, whose counters stand differently,
asks for the same ones and finds their translations made.

A head is the mode, the entry's place in its page and the bytes from there on. The latest few shapes of a head are kept
in memory and in a file named by it; whether one still fits is for the asker to find out, byte for byte.
"""

import hashlib
import json
from typing import Any, Protocol

from node.jit.regions.shape import Block, Instruction, Piece, Shape

HEAD_BYTES = 48
SHAPES_MOST = 4  # of one head


class Files(Protocol):
    """Contents by name; what is damaged or cannot be had is None, what cannot be kept is not."""

    def read(self, name: str) -> bytes | None: ...
    def write(self, name: str, content: bytes) -> None: ...


def head_of(mode: int, offset: int, code: bytes) -> str:
    """`code`: HEAD_BYTES from the entry on, fewer at its page's end; `offset`: the entry's in the page."""
    return "head-" + hashlib.sha256(f"{mode} {offset} ".encode() + code).hexdigest()[:35]


class Catalogue:
    def __init__(self, files: Files) -> None:
        self._files = files
        self._shapes: dict[str, tuple[Shape, ...]] = {}

    def shapes(self, head: str) -> tuple[Shape, ...]:
        """The latest first."""
        known = self._shapes.get(head)
        if known is None:
            content = self._files.read(head)
            known = self._shapes[head] = decoded(content) if content is not None else ()
        return known

    def add(self, head: str, shape: Shape) -> None:
        if shape in self.shapes(head):
            return
        kept = self._shapes[head] = (shape, *self.shapes(head))[:SHAPES_MOST]
        self._files.write(head, encoded(kept))


def encoded(shapes: tuple[Shape, ...]) -> bytes:
    return json.dumps([_plain(shape) for shape in shapes]).encode()


def decoded(content: bytes) -> tuple[Shape, ...]:
    """`content`: just as it was written, which `Files` vouches for."""
    return tuple(_shape(fields) for fields in json.loads(content))


def _plain(shape: Shape) -> list[Any]:
    blocks = [
        [b.at, b.page, [[i.handler, i.length, i.operands.hex()] for i in b.instructions], b.target, b.following]
        for b in shape.blocks
    ]
    pieces = [[p.page, p.offset, p.code.hex()] for p in shape.pieces]
    return [shape.mode, shape.start, blocks, shape.returns, pieces, shape.page_numbers]


def _shape(fields: list[Any]) -> Shape:
    mode, start, blocks, returns, pieces, page_numbers = fields
    return Shape(
        mode,
        start,
        tuple(Block(at, page, _instructions(made), target, following) for at, page, made, target, following in blocks),
        tuple(returns),
        tuple(Piece(page, offset, bytes.fromhex(code)) for page, offset, code in pieces),
        tuple(page_numbers),
    )


def _instructions(made: list[Any]) -> tuple[Instruction, ...]:
    return tuple(Instruction(handler, length, bytes.fromhex(operands)) for handler, length, operands in made)
