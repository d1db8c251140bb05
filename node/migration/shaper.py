"""A limit on the rate of sending: a token bucket over the link's clock, in octets a second.

Tokens fill at the rate up to one burst of 20 ms (longer than an event loop oversleeps, so the rate is also reached); a
send takes its octets piece by piece and sleeps until they are there. A piece is at most a burst and 64 KiB, so that a
slow link trickles instead of falling silent and the peer's stall timeout means what it says. Over any interval t, at
most rate * t + burst octets are sent.
"""

from collections.abc import Iterator, Sequence

from node.migration.link import Clock, Link

SECOND_NS = 1_000_000_000
PIECE_BYTES = 64 << 10
BURSTS_PER_S = 50


class Shaped:
    """A link that sends no faster than `bytes_per_s`."""

    def __init__(self, inner: Link, clock: Clock, bytes_per_s: int) -> None:
        assert bytes_per_s > 0
        self._inner = inner
        self._clock = clock
        self._rate = bytes_per_s
        self._burst = max(1, bytes_per_s // BURSTS_PER_S)
        self._piece = min(PIECE_BYTES, self._burst)
        self._tokens = float(self._burst)
        self._filled_at = clock.now_ns()

    async def send(self, buffers: Sequence[memoryview | bytes]) -> None:
        for piece in pieces(buffers, self._piece):
            await self._take(len(piece))
            await self._inner.send([piece])

    async def receive_into(self, *buffers: memoryview) -> None:
        await self._inner.receive_into(*buffers)

    def readable(self) -> bool:
        return self._inner.readable()

    async def close(self) -> None:
        await self._inner.close()

    async def _take(self, octets: int) -> None:
        """Wait for the tokens and use them; `octets` is at most a burst."""
        self._fill()
        while self._tokens < octets:
            missing_ns = -int((self._tokens - octets) * SECOND_NS // self._rate)
            await self._clock.sleep_until(self._clock.now_ns() + max(1, missing_ns))
            self._fill()
        self._tokens -= octets

    def _fill(self) -> None:
        now = self._clock.now_ns()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate / SECOND_NS)
        self._filled_at = now


def pieces(buffers: Sequence[memoryview | bytes], most: int) -> Iterator[memoryview]:
    """The buffers' octets in slices of at most `most`, without copying."""
    for buffer in buffers:
        view = memoryview(buffer).cast("B")
        for at in range(0, len(view), most):
            yield view[at : at + most]
