"""What carries a migration, and what lets it wait: the small interfaces that the algorithms know of the outside.

`Link` is one end of a byte channel in both directions. Two kinds: modelled.py's, in memory and virtual time; and
node/domain/page_channel.py's, of real sockets. Wrappers with the same interface: shaper.py limits the rate,
faults.py breaks it at a chosen byte, `Captured` below keeps what was sent.

`Clock` says how late it is on this side, and `Workers` do long work beside the loop (a thread in a domain, at once in
the twin). No wall clock, no socket, no event loop below this line.
"""

from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import BinaryIO, Protocol, TypeVar

T = TypeVar("T")


class Link(Protocol):
    """One end. Calls are made one at a time; every failure is a LinkLost."""

    async def send(self, buffers: Sequence[memoryview | bytes]) -> None:
        """Hand over all of the buffers, in order; they may be reused when this returns."""

    async def receive_into(self, *buffers: memoryview) -> None:
        """Fill all of the buffers, in order, or raise LinkLost."""

    def readable(self) -> bool:
        """Would a receive get something (or the news that the peer is gone) without waiting?"""

    async def close(self) -> None:
        """End both directions; what was sent still arrives. Never raises, may be called again."""


class Clock(Protocol):
    """One side's time; never compared with another side's."""

    def now_ns(self) -> int: ...

    async def sleep_until(self, ns: int) -> None: ...


class Workers(Protocol):
    """Where work goes that would hold up the loop."""

    def begin(self, work: Callable[[], T]) -> Awaitable[T]:
        """Start it now; await the answer later, or never."""


class Inline:
    """Workers that do it at once."""

    def begin(self, work: Callable[[], T]) -> Awaitable[T]:
        return _Answered(work())


class _Answered(Awaitable[T]):
    """An answer that is there; unlike a coroutine it may be left unawaited."""

    def __init__(self, answer: T) -> None:
        self._answer = answer

    def __await__(self) -> Generator[None, None, T]:
        yield from ()
        return self._answer


class Captured:
    """A link that also writes what is sent to a file, for verify.py."""

    def __init__(self, inner: Link, sink: BinaryIO) -> None:
        self._inner = inner
        self._sink = sink

    async def send(self, buffers: Sequence[memoryview | bytes]) -> None:
        for buffer in buffers:
            self._sink.write(buffer)
        await self._inner.send(buffers)

    async def receive_into(self, *buffers: memoryview) -> None:
        await self._inner.receive_into(*buffers)

    def readable(self) -> bool:
        return self._inner.readable()

    async def close(self) -> None:
        await self._inner.close()
