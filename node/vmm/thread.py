"""The one thread in which a machine's guest executes, and the rules by which others touch the machine.

    state: held --resume--> running --pause--> held ; stop ends the thread from either

The guest executes only while nobody asks for the machine. `held()` waits for the present slice to end, runs its body,
and lets the guest go on.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from node.vmm.machine import Idle, Machine, Stopped


class MachineThread:
    """`on_stopped` and `on_first_instruction` are called in the thread."""

    def __init__(
        self,
        machine: Machine,
        on_stopped: Callable[[Stopped], None],
        on_first_instruction: Callable[[], None] | None = None,
    ) -> None:
        self.machine = machine
        self._on_stopped, self._on_first = on_stopped, on_first_instruction
        self._condition = threading.Condition()
        self._running = self._ended = self._executing = False
        self._asking = 0  # how many want the machine
        self._awake = False  # input came while the guest idles
        self._thread = threading.Thread(target=self._loop, name="guest", daemon=True)

    @property
    def running(self) -> bool:
        return self._running

    def start(self) -> None:
        self._running = True
        self._thread.start()

    def pause(self) -> None:
        """Returns once no guest instruction executes; guest time stands still from then on."""
        with self._condition:
            self._running = False
            self._ask()
            self.machine.hold()

    def resume(self) -> None:
        with self._condition:
            self._running = True
            self._condition.notify_all()
        if not self._thread.is_alive() and not self._ended:
            self._thread.start()

    def stop(self) -> None:
        """End the thread for good. Callable from any thread, also from `on_stopped`."""
        with self._condition:
            self._running, self._ended = False, True
            self.machine.ask()
            self._condition.notify_all()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join()

    @contextmanager
    def held(self) -> Iterator[None]:
        """The guest does not execute inside."""
        with self._condition:
            self._asking += 1
            try:
                self._ask()
                yield
            finally:
                self._asking -= 1
                self._condition.notify_all()

    def _ask(self) -> None:
        """Wait until the guest does not execute; the condition is held."""
        self.machine.ask()
        self._condition.notify_all()
        self._condition.wait_for(lambda: not self._executing)

    def serial_input(self, data: bytes) -> None:
        with self.held():
            self.machine.serial_input(data)
            self._awake = True

    def _loop(self) -> None:
        while self._wait_for_turn():
            self.machine.release()
            try:
                outcome = self.machine.advance()
            except Exception as error:
                outcome = Stopped("error", f"{type(error).__name__} in the emulator: {error}")
            self._give_back(outcome)
            if isinstance(outcome, Stopped):
                self._on_stopped(outcome)
                return
            if isinstance(outcome, Idle):
                self._idle(outcome.wait_ns)

    def _wait_for_turn(self) -> bool:
        """Until the guest may execute (True) or the thread shall end (False)."""
        with self._condition:
            self._condition.wait_for(lambda: self._ended or (self._running and not self._asking))
            self._executing = not self._ended
            self.machine.answer()
            if self._on_first is not None:  # the first stretch is a short one, to say that it runs
                self.machine.ask()
            self._awake = False
            return self._executing

    def _give_back(self, outcome: Stopped | Idle | None) -> None:
        first, self._on_first = self._on_first, None
        if first is not None:
            first()
        with self._condition:
            self._executing = False
            if isinstance(outcome, Stopped) or not self._running:
                self._running = self._running and not isinstance(outcome, Stopped)
                self.machine.hold()
            self._condition.notify_all()

    def _idle(self, wait_ns: int) -> None:
        with self._condition:
            self._condition.wait_for(lambda: self._awake or self._ended or not self._running, wait_ns / 1e9)
