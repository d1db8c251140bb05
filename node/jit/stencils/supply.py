"""What a machine needs to copy stencils: their table, and memory for the copies."""

from collections.abc import Iterator

import numpy as np

from node.ia32.processor import Processor, Reach
from node.jit.arena import CodeArena


class Supply:
    """`table`: what `table.py` made. Lives as long as the machine, whose record points here."""

    def __init__(self, processor: Processor, table: bytes, size: int) -> None:
        """`size`: bytes for copies."""
        self._table, self._arena = np.frombuffer(table, np.uint8), CodeArena(size)
        self._machine = m = processor.machine
        m.stencils = int(self._table.ctypes.data)
        m.copies, m.copies_run = self._arena.written_at, self._arena.executed_at
        m.copies_bytes = size

    def reach(self) -> Iterator[Reach]:
        """Besides the processor's own memory, what copying touches."""
        yield "stencils", self._machine.stencils, self._table.nbytes
        yield "copies", self._arena.written_at, self._arena.size

    @property
    def bytes_used(self) -> int:
        return int(self._machine.copies_used)
