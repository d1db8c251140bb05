"""A link that speaks records: one writer, one reader, and whether the next send begins a record.

`whole` is false while a record is half sent. An end that failed may still tell its peer why only at a record's
boundary; inside one, closing is all that can be said.
"""

from contextlib import suppress
from typing import TypeVar

from node.migration.errors import LinkLost, StreamCorrupt
from node.migration.link import Link
from node.migration.stream import Reader, Steps, Writer
from node.migration.wire import Record

DRAINED_BYTES = 64 << 10
DRAINS = 4096  # of these, at most: a peer who never stops is left

T = TypeVar("T")
R = TypeVar("R", bound=Record)


class Channel:
    """The records of one end."""

    def __init__(self, link: Link, writer: Writer, reader: Reader) -> None:
        self.link = link
        self.writer = writer
        self.reader = reader
        self.whole = True

    async def send_opening(self) -> None:
        await self._send(self.writer.opening())

    async def send(self, record: Record) -> None:
        await self._send(self.writer.record(record))

    async def receive_opening(self) -> int:
        return await self._drive(self.reader.opening())

    async def receive(self) -> Record:
        return await self._drive(self.reader.record())

    async def tell(self, record: Record) -> None:
        """Send a last word if the stream allows one; the link may be past caring."""
        if not self.whole or self.writer.closed:
            return
        with suppress(LinkLost, StreamCorrupt):
            await self.send(record)

    async def drain(self) -> None:
        """Read on, to no purpose, until the peer has heard and closes: a socket closed before its input is read resets
        the connection, and our last word is lost with it."""
        scratch = memoryview(bytearray(DRAINED_BYTES))
        with suppress(LinkLost):
            for _ in range(DRAINS):
                await self.link.receive_into(scratch)

    async def _send(self, buffers: list[bytes | memoryview]) -> None:
        self.whole = False
        await self.link.send(buffers)
        self.whole = True

    async def _drive(self, steps: Steps[T]) -> T:
        try:
            while True:
                await self.link.receive_into(*next(steps))
        except StopIteration as end:
            answer: T = end.value
            return answer


def expected(record: Record, kind: type[R]) -> R:
    """The record as the kind that the order of records leaves possible here."""
    if not isinstance(record, kind):
        raise StreamCorrupt(f"{record.TYPE.name} came where {kind.__name__} was due")
    return record
