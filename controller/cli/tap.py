"""A console that a program listens to: collects everything from the first byte, in a thread, and types when told."""

import threading
import time
from collections.abc import Callable

from controller.cli.console import Keys, attach
from controller.cli.session import Session
from controller.errors import ControllerError, Timeout

POLL_S = 0.5


class ConsoleTap:
    """Listens from now until the session is closed."""

    def __init__(self, session: Session, vm: str) -> None:
        self._vm = vm
        self._received = bytearray()
        self._grown = threading.Condition()
        self._keys: Keys | None = None
        self._ready = threading.Event()
        self._ended: str | None = None
        threading.Thread(target=self._listen, args=(session,), daemon=True, name=f"tap {vm}").start()

    def received(self) -> bytes:
        """Everything so far."""
        with self._grown:
            return bytes(self._received)

    def type(self, data: bytes) -> None:
        """Send to the guest's serial port."""
        self._ready.wait(POLL_S)
        assert self._keys is not None
        self._keys.put(data)

    def until(self, condition: Callable[[bytes], bool], bound_s: float) -> bytes:
        """Wait for output that satisfies the condition; returns all of it."""
        deadline = time.monotonic() + bound_s
        with self._grown:
            while not condition(bytes(self._received)):
                if self._ended is not None:
                    raise Timeout(f"the console of {self._vm} ended: {self._ended}\n{self._last()}")
                if time.monotonic() > deadline:
                    raise Timeout(f"{self._vm} did not write what was waited for in {bound_s:.0f} s\n{self._last()}")
                self._grown.wait(POLL_S)
            return bytes(self._received)

    def _last(self) -> str:
        return "its last output: " + bytes(self._received[-500:]).decode(errors="replace")

    def _listen(self, session: Session) -> None:
        try:
            why = attach(session, self._vm, 0, self._take_keys, self._take)
        except (ControllerError, ValueError) as error:  # ValueError: the session was closed under us
            why = str(error)
        with self._grown:
            self._ended = why
            self._grown.notify_all()

    def _take_keys(self, keys: Keys) -> None:
        self._keys = keys
        self._ready.set()

    def _take(self, data: bytes) -> None:
        with self._grown:
            self._received += data
            self._grown.notify_all()
