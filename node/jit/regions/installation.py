"""From a finished translation to a block's first Op: in the guest's thread, while no guest instruction executes.

What is installed is checked against memory first, byte for byte, and is then as safe as any decoded block: a store to
its bytes kills it.
"""

from collections.abc import Callable
from dataclasses import dataclass

from node.ia32.blocks import BLOCK, BLOCK_BYTES, BLOCKS_CAPACITY, OPS_CAPACITY, op_at
from node.ia32.processor import Processor
from node.ia32.state import OP_BYTES
from node.jit.arena import CodeArena
from node.jit.regions.settings import Figures
from node.jit.regions.shape import Shape
from node.jit.regions.text import OPERANDS_AT, operations_offset
from node.jit.regions.translation import Translation
from node.jitted import poke64, record_at


@dataclass(frozen=True, slots=True)
class Finished:
    block: int  # key of the block that it begins with
    shape: Shape
    pages: tuple[int, ...]  # backing offsets
    name: str
    translation: Translation


class Installation:
    def __init__(
        self,
        processor: Processor,
        lookup: Callable[[int, int], int],
        add_piece: Callable[[int, int, int, int], None],
        code_bytes: int,
        figures: Figures,
    ) -> None:
        self._processor, self._machine, self._figures = processor, processor.machine, figures
        self._lookup, self._add_piece = lookup, add_piece
        self._arena = CodeArena(code_bytes)
        self._addresses: dict[str, int] = {}  # of code in the arena, by the name of the translation

    @property
    def bytes_used(self) -> int:
        return self._arena.used

    def install(self, finished: Finished) -> bool:
        """False if the memory for code was full: then everything decoded and translated is forgotten, as when the
        block cache is full."""
        m = self._machine
        number = self._lookup(self._processor.machine_address, finished.block)
        data_ops = -(-self._data_bytes(finished) // OP_BYTES)
        room = m.ops_used + data_ops < OPS_CAPACITY and m.blocks_used + len(finished.shape.pieces) < BLOCKS_CAPACITY - 1
        if not number or not room or not self._still_holds(finished):
            self._figures.stale += 1
            return True
        address = self._code_address(finished)
        if address is None:
            return False
        data = m.ops + m.ops_used * OP_BYTES
        m.ops_used += data_ops
        self._fill_data(data, finished)
        for piece in finished.shape.pieces:
            offset = finished.pages[piece.page] + piece.offset
            self._add_piece(self._processor.machine_address, number, offset, len(piece.code))
        block = record_at(m.blocks + (number - 1) * BLOCK_BYTES, BLOCK)
        entry = op_at(block.ops)
        entry.link = data
        entry.handler = address
        self._figures.installed += 1
        return True

    def _still_holds(self, finished: Finished) -> bool:
        view = self._processor.memory.view
        for piece in finished.shape.pieces:
            at = finished.pages[piece.page] + piece.offset
            if view[at : at + len(piece.code)] != piece.code:
                return False
        return True

    def _code_address(self, finished: Finished) -> int | None:
        """Where its code lies, put there now if it is new."""
        known = self._addresses.get(finished.name)
        if known is not None:
            return known
        at = self._arena.add(finished.translation.code)
        if at is None:
            self._processor.engine.forget_all()
            self._arena.clear()
            self._addresses.clear()
            self._figures.emptied += 1
            return None
        self._addresses[finished.name] = at + finished.translation.entry
        return at + finished.translation.entry

    def _data_bytes(self, finished: Finished) -> int:
        return operations_offset(finished.shape) + OP_BYTES * len(finished.translation.operations)

    def _fill_data(self, data: int, finished: Finished) -> None:
        at = data + operations_offset(finished.shape)
        for place in range(data, at, 8):
            poke64(place, 0)
        for i, backing in enumerate(finished.pages):
            poke64(data + 8 * i, self._machine.ram + backing)
        content = b"".join(bytes(OPERANDS_AT) + operands for operands in finished.translation.operations)
        for i in range(0, len(content), 8):
            poke64(at + i, int.from_bytes(content[i : i + 8], "little", signed=True))
