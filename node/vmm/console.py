"""What the guest wrote to its first serial port. Part of the machine: it travels, so a reader can go on at the same
offset
on another node and neither miss nor repeat a byte."""

from collections.abc import Callable
from typing import Annotated

import numpy as np

from node.jitted import I64, record_dtype

KEPT = 1 << 16


class ConsoleState:
    total: I64  # bytes ever written
    ring: Annotated[list[int], np.uint8, KEPT]  # byte number n lies at n % KEPT


CONSOLE = record_dtype(ConsoleState)


class ConsoleLog:
    """`on_write` is called in the machine's thread after each write."""

    def __init__(self) -> None:
        self.array = np.zeros(1, CONSOLE)
        self._total = self.array["total"]
        self._ring = memoryview(self.array["ring"][0])
        self.on_write: Callable[[], None] | None = None

    @property
    def total(self) -> int:
        return int(self._total[0])

    def write(self, data: bytes) -> None:
        at = self.total
        for byte in data:
            self._ring[at % KEPT] = byte
            at += 1
        self._total[0] = at
        if self.on_write is not None:
            self.on_write()

    def read(self, from_offset: int) -> tuple[int, bytes]:
        """Everything from `from_offset` on that is still kept, and the offset at which it really begins."""
        total = self.total
        begin = min(max(from_offset, total - KEPT, 0), total)
        first, count = begin % KEPT, total - begin
        data = bytes(self._ring[first : first + count])
        return begin, data + bytes(self._ring[: count - len(data)])
