"""A modelled link: two ends in memory, in virtual time. The default model is perfect, and so the in-memory twin.

A send occupies the line for octets / bandwidth, and its octets are there one latency later. `cut_at_ns` ends both
directions at that moment, whatever is under way. A receiver who gets nothing for `stall_ns` finds the link lost, as
the socket link does.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from node.migration.errors import LinkLost
from node.migration.virtual import SECOND_NS, Signal, VirtualTime


@dataclass(frozen=True, slots=True)
class LinkModel:
    """One cable. The default is a perfect one: an in-memory link."""

    bandwidth_bytes_per_s: float = float("inf")
    latency_ns: int = 0
    cut_at_ns: int | None = None
    stall_ns: int = 30 * SECOND_NS

    def line_ns(self, octets: int) -> int:
        return round(octets * SECOND_NS / self.bandwidth_bytes_per_s)


class _Direction:
    """What one end has sent and the other has not yet taken."""

    def __init__(self, time: VirtualTime) -> None:
        self.under_way: deque[tuple[int, memoryview]] = deque()  # when it is there, what
        self.closed = False
        self.changed = Signal(time)


class ModelledLink:
    """One end of a modelled link; `pair` makes two."""

    def __init__(self, time: VirtualTime, model: LinkModel, out: _Direction, into: _Direction) -> None:
        self._time = time
        self._model = model
        self._out = out
        self._in = into
        self._free_at = 0
        self.octets_sent = 0

    async def send(self, buffers: Sequence[memoryview | bytes]) -> None:
        self._check_sending()
        data = b"".join(buffers)
        self._free_at = max(self._free_at, self._time.now_ns()) + self._model.line_ns(len(data))
        self._out.under_way.append((self._free_at + self._model.latency_ns, memoryview(data)))
        self.octets_sent += len(data)
        self._out.changed.fire()
        await self._time.sleep_until(self._free_at)
        if self._cut():
            raise LinkLost("the link was cut")

    async def receive_into(self, *buffers: memoryview) -> None:
        for buffer in buffers:
            at = 0
            while at < len(buffer):
                piece = await self._next_piece(len(buffer) - at)
                buffer[at : at + len(piece)] = piece
                at += len(piece)

    def readable(self) -> bool:
        queue = self._in.under_way
        return self._cut() or (queue[0][0] <= self._time.now_ns() if queue else self._in.closed)

    async def close(self) -> None:
        for direction in (self._out, self._in):
            direction.closed = True
            direction.changed.fire()

    async def _next_piece(self, most: int) -> memoryview:
        """Up to `most` octets of the oldest piece that is there; waits for one."""
        patience = self._time.now_ns() + self._model.stall_ns
        while True:
            queue, now = self._in.under_way, self._time.now_ns()
            if self._cut():
                raise LinkLost("the link was cut")
            if queue and queue[0][0] <= now:
                when, piece = queue.popleft()
                if len(piece) > most:
                    queue.appendleft((when, piece[most:]))
                return piece[:most]
            if not queue and self._in.closed:
                raise LinkLost("the peer closed the link")
            if now >= patience:
                raise LinkLost(f"nothing came for {self._model.stall_ns / SECOND_NS:g} s")
            await self._in.changed.wait(min(self._wakes(patience)))

    def _wakes(self, patience: int) -> list[int]:
        due = [when for when, _ in list(self._in.under_way)[:1]]
        cut = [] if self._model.cut_at_ns is None else [self._model.cut_at_ns]
        return [patience, *due, *cut]

    def _cut(self) -> bool:
        return self._model.cut_at_ns is not None and self._time.now_ns() >= self._model.cut_at_ns

    def _check_sending(self) -> None:
        if self._cut():
            raise LinkLost("the link was cut")
        if self._out.closed:
            raise LinkLost("the peer closed the link")


def pair(time: VirtualTime, model: LinkModel | None = None) -> tuple[ModelledLink, ModelledLink]:
    """The two ends of one link."""
    model = model or LinkModel()
    there, back = _Direction(time), _Direction(time)
    return ModelledLink(time, model, there, back), ModelledLink(time, model, back, there)
