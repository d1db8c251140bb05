"""Runs one machine in this process until it stops, its time is up, or the user leaves; no output is lost.

Three threads: the guest's, which writes to the console log; one that reads the user's input; and this one, which
writes the guest's output and waits for an end. When the output's reader is slow, the guest waits (`_on_write`), so that
the log never overruns what is still to be shown.
"""

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

from node.domain import terminal
from node.domain.machinery import GuestMachine, GuestStopped, Machinery

UNSHOWN_BYTES = 32 * 1024
STDIN, STDOUT = 0, 1
TIMED_OUT = 124
OUTPUT_CLOSED = 1


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended: the process's exit status, and a sentence if the user should hear one."""

    status: int
    text: str
    by_guest: bool = False


class ForegroundRun:
    def __init__(self, machine: GuestMachine, kind: Machinery) -> None:
        self._machine = machine
        self._changed = threading.Condition()
        self._shown = machine.console.read(0)[0]
        self._ended: Ended | None = None
        self._deadline: float | None = None
        self._broken = False  # nobody takes the output any more
        machine.console.on_write = self._on_write
        self._thread = kind.thread(machine, lambda stopped: self._end(_ending(stopped)), lambda: None)

    def run(self, *, timeout_s: float | None) -> Ended:
        """Returns when the guest will run no more; the terminal is as before."""
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, self._on_signal)
        if timeout_s is not None:
            self._deadline = time.monotonic() + timeout_s
        with terminal.raw(STDIN) as is_terminal:
            if is_terminal:
                terminal.say("Ctrl+] leaves, and ends the machine")
            self._thread.start()
            threading.Thread(target=self._read, args=(is_terminal,), daemon=True).start()
            try:
                self._show_until_end()
            finally:
                self._let_go()
                self._thread.stop()
        assert self._ended is not None, "the loop above ends with the machine"
        return self._ended

    def _show_until_end(self) -> None:
        """The guest's own end comes after its last byte; an end from outside does not wait for a slow reader."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ended or self._unshown(), self._time_left())
                ended = self._ended
            try:
                self._show()
            except OSError as error:
                self._end(Ended(OUTPUT_CLOSED, f"the output cannot be written any more: {error.strerror}"))
                return
            if ended is not None or self._hurried():
                return

    def _show(self) -> None:
        """Write all that the guest wrote so far."""
        while self._unshown() and not self._hurried():
            offset, data = self._machine.console.read(self._shown)
            terminal.write_all(STDOUT, data, enough=self._hurried)
            with self._changed:
                self._shown = offset + len(data)
                self._changed.notify_all()

    def _hurried(self) -> bool:
        """Has somebody outside decided that it is over?"""
        if self._time_left() == 0.0:
            self._end(Ended(TIMED_OUT, "its time was up, and the guest was still running"))
        return self._ended is not None and not self._ended.by_guest

    def _time_left(self) -> float | None:
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def _unshown(self) -> int:
        return self._machine.console.total - self._shown

    def _on_write(self) -> None:
        """In the guest's thread: tell, and wait while too much is unshown."""
        with self._changed:
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._broken or self._unshown() <= UNSHOWN_BYTES)

    def _let_go(self) -> None:
        with self._changed:
            self._broken = True
            self._changed.notify_all()

    def _read(self, is_terminal: bool) -> None:
        typed: Callable[[bytes], None] = self._thread.serial_input
        try:
            terminal.read_keys(STDIN, is_terminal=is_terminal, typed=typed, left=lambda: self._end(Ended(0, "left")))
        except OSError:
            return  # the same as its end: the guest runs on

    def _end(self, ended: Ended) -> None:
        """The first end counts."""
        with self._changed:
            self._ended = self._ended or ended
            self._changed.notify_all()

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        self._end(Ended(128 + number, f"ended by {signal.Signals(number).name}"))


def _ending(stopped: GuestStopped) -> Ended:
    match stopped.kind:
        case "exit":
            return Ended(stopped.exit_status, "", by_guest=True)
        case "halted":
            return Ended(0, "", by_guest=True)
        case "reset":
            return Ended(0, f"the guest reset the machine: {stopped.text}", by_guest=True)
        case _:
            return Ended(1, f"the guest crashed: {stopped.text}", by_guest=True)
