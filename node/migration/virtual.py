"""Virtual time: a small deterministic trampoline for coroutines.

Coroutines are tasks; they wait for a moment or for a `Signal`, and the trampoline resumes them in the order (moment,
order of waiting). Nothing here reads a clock or draws a random number, so a run is a function of its inputs: the same
inputs give the same trace on any host. When nobody can go on, that is a Deadlock, never a hang.
"""

import heapq
import types
from collections.abc import Coroutine, Generator
from typing import Any

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
