"""From a hot block to a region: follow the paths that have been taken, until it is large enough.

Runs beside the guest and reads its memory while that may change: nothing here is relied on before the installation has
compared every byte again.
"""

import heapq
import struct
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from node.ia32.access import store_slow
from node.ia32.handlers import Handler, handlers, relative_target
from node.ia32.state import M32
from node.jit.hot_fields import closure_of
from node.jit.regions.shape import PAGE, Block, Instruction, Piece, Shape

OPERANDS = struct.Struct("<IIBBBBBBBB")  # of an Op, from `disp` on: disp imm length at a b base index scale seg
BLOCK_BYTES_MOST = 200  # `at` is a byte
BLOCK_INSTRUCTIONS_MOST = 64


@dataclass(frozen=True, slots=True)
class Limits:
    """`share`: of the translator's patience, the executions that a successor must have had to be taken in. It is no
    part of the entry's, because what other regions contain is no longer counted."""

    instructions: int = 160
    pages: int = 6
    returns: int = 32
    share: float = 0.1


class Code(Protocol):
    """The guest's memory as fetches see it now."""

    def page(self, linear: int) -> int | None:
        """Backing offset of the page from which code at this linear address is fetched."""

    def content(self, backing: int) -> bytes:
        """The whole page."""

    def decode(self, content: bytes, offset: int) -> tuple[int, bytes] | None:
        """Handler number and operands of the instruction at an offset in a page; None: not whole on the page."""

    def warmth(self, backing: int) -> float:
        """How often the block at this backing offset has been executed, in units of the translator's patience."""


@cache
def is_call(handler: Handler) -> bool:
    """A branch that stores something first: where to come back to."""
    return store_slow in closure_of(handler.semantic)


def pages_of(shape: Shape, code: Code, linear: int, backing: int) -> tuple[int, ...] | None:
    """The backing offsets of a shape's pages with its entry at `linear` and `backing`; None if it is not there."""
    first = linear & ~(PAGE - 1)
    pages = [backing & ~(PAGE - 1)]
    for number in shape.page_numbers[1:]:
        page = code.page(first + number * PAGE & M32)
        if page is None:
            return None
        pages.append(page)
    contents = [code.content(page) for page in pages]
    for piece in shape.pieces:
        if contents[piece.page][piece.offset : piece.offset + len(piece.code)] != piece.code:
            return None
    return tuple(pages)


class Former:
    """Forms one region; a fresh one each time."""

    def __init__(self, code: Code, limits: Limits, linear: int, backing: int, mode: int) -> None:
        """`linear` and `backing`: where the hot block lies."""
        self._code, self._limits, self._entry, self._mode = code, limits, linear, mode
        first = backing & ~(PAGE - 1)  # linear page → number, backing offset, content
        self._pages = {linear & ~(PAGE - 1): (0, first, code.content(first))}
        self._blocks: dict[int, Block] = {}
        self._waiting: list[tuple[float, int, int]] = []
        self._returns: list[int] = []
        self._count = 0

    def form(self) -> tuple[Shape, tuple[int, ...]] | None:
        """The shape, and its pages' backing offsets; None if there is nothing to translate."""
        self._await(0, 2.0)
        while self._waiting and self._count < self._limits.instructions:
            _, _, at = heapq.heappop(self._waiting)
            if at not in self._blocks:
                self._take(at)
        if 0 not in self._blocks:
            return None
        return self._shape(), tuple(backing for _, backing, _ in self._pages.values())

    def _await(self, at: int, warmth: float) -> None:
        heapq.heappush(self._waiting, (-warmth, len(self._waiting), at))

    def _page(self, at: int) -> tuple[int, int, bytes] | None:
        linear = (self._entry + at & M32) & ~(PAGE - 1)
        known = self._pages.get(linear)
        if known is None and len(self._pages) < self._limits.pages:
            backing = self._code.page(linear)
            if backing is not None:
                known = self._pages[linear] = (len(self._pages), backing, self._code.content(backing))
        return known

    def _warmth(self, at: int) -> float:
        """0 for what was never executed, and for what cannot be taken in."""
        page = self._page(at)
        return self._code.warmth(page[1] + (self._entry + at & PAGE - 1)) if page else 0.0

    def _take(self, at: int) -> None:
        page = self._page(at)
        if page is None:
            return
        block, last = self._decoded(at, page)
        if not block.instructions:
            return
        self._blocks[at] = block
        self._count += len(block.instructions)
        if block.target is not None:
            self._consider(block.target)
        if block.following is not None and not self._is_left(block, last):
            self._await(block.following, 1.0)
        if last is not None and last.ends == "branch" and is_call(last):
            back = block.at + block.length
            if self._warmth(back) and back not in self._returns and len(self._returns) < self._limits.returns:
                self._returns.append(back)
                self._consider(back)

    def _consider(self, at: int) -> None:
        warmth = self._warmth(at)
        if warmth >= self._limits.share:
            self._await(at, warmth)

    def _is_left(self, block: Block, last: Handler | None) -> bool:
        """Whether the way behind a loop's closing branch is seldom taken, as far as one knows."""
        if last is None or last.ends != "cc" or block.target is None or block.target > block.at:
            return False
        assert block.following is not None
        return self._warmth(block.following) < self._limits.share

    def _decoded(self, at: int, page: tuple[int, int, bytes]) -> tuple[Block, Handler | None]:
        """Straight code from `at`, and the handler with which it ends if that branches."""
        number, _, content = page
        offset = self._entry + at & PAGE - 1
        made: list[Instruction] = []
        length = 0
        while length < BLOCK_BYTES_MOST and len(made) < BLOCK_INSTRUCTIONS_MOST:
            if length and at + length in self._blocks:
                break
            decoded = self._code.decode(content, offset + length) if offset + length < PAGE else None
            handler = handlers()[decoded[0]] if decoded else None
            if decoded is None or handler is None or handler.ends == "always":
                break
            fields = list(OPERANDS.unpack(decoded[1]))
            instruction_length, fields[3] = fields[2], length
            made.append(Instruction(decoded[0], instruction_length, OPERANDS.pack(*fields)))
            length += instruction_length
            if handler.ends:
                target = relative_target(handler, at + length, fields[1]) if handler.direct else None
                following = at + length if handler.ends == "cc" else None
                return Block(at, number, tuple(made), target, following), handler
            if handler.counts:
                break
        return Block(at, number, tuple(made), None, at + length), None

    def _shape(self) -> Shape:
        blocks = tuple(self._blocks.values())
        pieces = tuple(self._piece(block) for block in blocks)
        first = self._entry & ~(PAGE - 1)
        numbers = tuple((linear - first & M32) // PAGE for linear in self._pages)
        returns = tuple(at for at in self._returns if at in self._blocks)
        return Shape(self._mode, self._entry & PAGE - 1, blocks, returns, pieces, numbers)

    def _piece(self, block: Block) -> Piece:
        content = next(c for number, _, c in self._pages.values() if number == block.page)
        offset = self._entry + block.at & PAGE - 1
        return Piece(block.page, offset, content[offset : offset + block.length])
