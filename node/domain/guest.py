"""A machine and the thread that runs it, as the domain's event loop handles them: begin, hold still, go on, end.

What the guest's thread reports arrives in the loop: `stopped` is a future that completes once, when the guest will not
run on (powered off, crashed); the first instruction is an event that `start` waits for, because "started" means that
the guest runs, not that a thread exists.
"""

import asyncio
from contextlib import AbstractContextManager
from typing import TypeVar

from node.domain.machinery import GuestMachine, GuestStopped, Machinery, Refused
from node.memory.ram import PageNumbers

T = TypeVar("T")
FIRST_INSTRUCTION_S = 30.0


class Guest:
    def __init__(self, machine: GuestMachine, kind: Machinery) -> None:
        self.machine = machine
        self._loop = asyncio.get_running_loop()
        self.stopped: asyncio.Future[GuestStopped] = self._loop.create_future()
        self._running = self._loop.create_future()
        self.started = False
        self.dirty_pages_found = 0  # by all collections
        self._thread = kind.thread(machine, self._on_stopped, self._on_first_instruction)

    async def start(self) -> None:
        """Run; returns when the first instruction was executed (or the guest has stopped already)."""
        if self.started:
            raise Refused("failed-precondition", "the guest has been started already")
        self.started = True
        self._thread.start()
        done, _ = await asyncio.wait(
            {self._running, self.stopped}, timeout=FIRST_INSTRUCTION_S, return_when=asyncio.FIRST_COMPLETED
        )
        if not done:
            raise Refused("internal", f"the guest executed nothing within {FIRST_INSTRUCTION_S:.0f} s")

    def pause(self) -> None:
        """Returns once no guest instruction executes."""
        self._require_started()
        self._thread.pause()

    def resume(self) -> None:
        self._require_started()
        self._thread.resume()

    def stop(self) -> None:
        """Power off: no instruction executes again."""
        if self.started:
            self._thread.stop()

    def serial_input(self, data: bytes) -> None:
        self._require_started()
        self._thread.serial_input(data)

    def collect_dirty(self) -> PageNumbers:
        """The pages written since the last collection; the guest stands still for the look."""
        with self.held():
            pages = self.machine.collect_dirty()
        self.dirty_pages_found += len(pages)
        return pages

    def held(self) -> AbstractContextManager[object]:
        """A moment in which the guest does not execute, whether it was running or not."""
        return self._thread.held()

    def _require_started(self) -> None:
        if not self.started:
            raise Refused("failed-precondition", "the guest has not been started")

    def _on_stopped(self, stopped: GuestStopped) -> None:
        self._loop.call_soon_threadsafe(_complete, self.stopped, stopped)

    def _on_first_instruction(self) -> None:
        self._loop.call_soon_threadsafe(_complete, self._running, None)


def _complete(future: "asyncio.Future[T]", value: T) -> None:
    if not future.done():
        future.set_result(value)
