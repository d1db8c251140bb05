"""Virtual time: a small deterministic trampoline, and a modelled link on it.

Coroutines are tasks; they wait for a moment or for a `Signal`, and the trampoline resumes them in the order (moment,
order of waiting). Nothing here reads a clock or draws a random number, so a run is a function of its inputs: the same
inputs give the same trace, octet for octet, on any host. When nobody can go on, that is a Deadlock, never a hang.

    link model   a send occupies the line for octets / bandwidth, the octets are there one latency later;
                 `cut_at_ns` ends both directions; a receiver who gets nothing for `stall_ns` finds the link lost
"""

import heapq
import types
from collections import deque
from collections.abc import Coroutine, Generator, Sequence
from dataclasses import dataclass
from typing import Any

from node.migration.errors import LinkLost

SECOND_NS = 1_000_000_000


class Deadlock(RuntimeError):
    """Every task waits for another one."""


class Interrupted(BaseException):
    """Thrown into a task by `VirtualTime.interrupt`, as an event loop's cancellation would be."""


@types.coroutine
def _suspend() -> Generator[None, None, None]:
    yield


class Task:
    """A coroutine on the trampoline."""

    def __init__(self, name: str, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.name = name
        self.coroutine = coroutine
        self.done = False
        self.answer: Any = None
        self.error: BaseException | None = None
        self.steps = 0
        self.epoch = 0  # counts resumptions: a wake-up meant for an earlier wait is stale
        self._thrown: BaseException | None = None

    def step(self) -> None:
        thrown, self._thrown = self._thrown, None
        self.epoch += 1
        self.steps += 1
        try:
            if thrown is None:
                self.coroutine.send(None)
            else:
                self.coroutine.throw(thrown)
        except StopIteration as end:
            self.done, self.answer = True, end.value
        except BaseException as error:
            self.done, self.error = True, error

    def throw(self, error: BaseException) -> None:
        self._thrown = error

    def result(self) -> Any:
        """What the coroutine returned; raises what it raised."""
        assert self.done, f"{self.name} has not ended"
        if self.error is not None:
            raise self.error
        return self.answer


class VirtualTime:
    """The trampoline and its clock."""

    def __init__(self) -> None:
        self._now = 0
        self._order = 0
        self._timers: list[tuple[int, int, int, Task]] = []  # when, order, epoch, who
        self._current: Task | None = None
        self.tasks: list[Task] = []

    def now_ns(self) -> int:
        return self._now

    def spawn(self, name: str, coroutine: Coroutine[Any, Any, Any]) -> Task:
        task = Task(name, coroutine)
        self.tasks.append(task)
        self.wake(task, self._now)
        return task

    def wake(self, task: Task, when: int) -> None:
        """Resume the task at this moment, unless something else does before."""
        self._order += 1
        heapq.heappush(self._timers, (max(when, self._now), self._order, task.epoch, task))

    def interrupt(self, task: Task) -> None:
        """Throw Interrupted into a waiting task."""
        task.throw(Interrupted())
        self.wake(task, self._now)

    def current(self) -> Task:
        assert self._current is not None, "only a task can wait"
        return self._current

    async def sleep_until(self, ns: int) -> None:
        self.wake(self.current(), ns)
        await _suspend()

    def step(self) -> bool:
        """Resume one task; False when nobody is waiting for a moment."""
        while self._timers:
            when, _, epoch, task = heapq.heappop(self._timers)
            if task.done or task.epoch != epoch:
                continue
            self._now = when
            self._current = task
            task.step()
            self._current = None
            return True
        return False

    def run(self, *until: Task) -> None:
        """Until all of these have ended."""
        while not all(task.done for task in until):
            if not self.step():
                stuck = ", ".join(task.name for task in until if not task.done)
                raise Deadlock(f"at {self._now} ns nobody can go on; waiting: {stuck}")

    def close(self) -> None:
        """End the tasks that still wait."""
        for task in self.tasks:
            if not task.done:
                task.coroutine.close()
                task.done = True


class Signal:
    """Something to wait for; tasks woken go on in the order in which they waited."""

    def __init__(self, time: VirtualTime) -> None:
        self._time = time
        self._waiting: list[Task] = []

    async def wait(self, until_ns: int | None = None) -> None:
        """Until fired, or until the moment; the caller looks which it was."""
        task = self._time.current()
        self._waiting.append(task)
        if until_ns is not None:
            self._time.wake(task, until_ns)
        try:
            await _suspend()
        finally:
            if task in self._waiting:
                self._waiting.remove(task)

    def fire(self) -> None:
        waiting, self._waiting = self._waiting, []
        for task in waiting:
            self._time.wake(task, self._time.now_ns())


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
