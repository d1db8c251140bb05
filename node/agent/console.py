"""What a VM wrote to its console, as its agent keeps it: the last 64 KiB at absolute offsets, for many readers.

The mirror outlives the domain process, so the last words of a crashed or stopped guest can still be read. Each reader
follows at its own pace; one that falls behind by more than is kept goes on at the oldest byte, and sees so in the
offset. `close` says once why nothing more will come: "moved", "stopped", "crashed", "destroyed".
"""

import asyncio
from collections.abc import AsyncIterator

from protos.node_pb2 import ConsoleOutput

KEPT_BYTES = 64 * 1024
CHUNK_BYTES = 32 * 1024


class ConsoleMirror:
    def __init__(self) -> None:
        self._kept = bytearray()
        self._start = 0
        self._closed = ""
        self._changed = asyncio.Event()

    @property
    def end(self) -> int:
        """Absolute offset behind the last byte known."""
        return self._start + len(self._kept)

    def append(self, offset: int, data: bytes) -> None:
        if offset > self.end:  # the domain kept no more either: a gap
            self._start, self._kept = offset, bytearray()
        self._kept += data[self.end - offset :]
        surplus = len(self._kept) - KEPT_BYTES
        if surplus > 0:
            del self._kept[:surplus]
            self._start += surplus
        self._wake()

    def close(self, why: str) -> None:
        self._closed = self._closed or why
        self._wake()

    async def follow(self, from_offset: int) -> AsyncIterator[ConsoleOutput]:
        """Everything from `from_offset` on, to the end of the VM here; the last message is `closed`."""
        if from_offset > self.end and self.end:
            from_offset = 0  # an offset of an earlier boot
        offset = from_offset
        while True:
            changed = self._changed
            offset = max(offset, self._start)
            while offset < self.end:
                begin = offset - self._start
                data = bytes(self._kept[begin : begin + CHUNK_BYTES])
                yield ConsoleOutput(offset=offset, data=data)
                offset = max(offset + len(data), self._start)
            if changed is self._changed:
                if self._closed:
                    yield ConsoleOutput(offset=offset, closed=self._closed)
                    return
                await changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
