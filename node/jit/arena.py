"""Executable memory for translated code: one piece, filled from the bottom, emptied as a whole.

The same pages are mapped twice, to be written and to be executed: no mapping is both.
"""

import mmap
import os

import numpy as np

ALIGNMENT = 64


class CodeArena:
    def __init__(self, size: int) -> None:
        descriptor = os.memfd_create("limosa-code", os.MFD_CLOEXEC)
        try:
            os.ftruncate(descriptor, size)
            self._writable = mmap.mmap(descriptor, size, prot=mmap.PROT_READ | mmap.PROT_WRITE)
            self._executable = mmap.mmap(descriptor, size, prot=mmap.PROT_READ | mmap.PROT_EXEC)
        finally:
            os.close(descriptor)
        self.written_at = int(np.frombuffer(self._writable, np.uint8).ctypes.data)
        self.executed_at = int(np.frombuffer(self._executable, np.uint8).ctypes.data)
        self.size, self.used = size, 0

    def add(self, code: bytes) -> int | None:
        """Address of a copy of `code`, or None when there is no room."""
        if self.used + len(code) > self.size:
            return None
        at = self.used
        self._writable[at : at + len(code)] = code
        self.used += -(-len(code) // ALIGNMENT) * ALIGNMENT
        return self.executed_at + at

    def clear(self) -> None:
        """Nobody executes what was there, nor ever will."""
        self.used = 0
