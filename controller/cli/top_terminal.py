"""The terminal that `limosa top` draws on: a screen of its own, keys as they are typed, and everything put back.

However the program leaves (a key, a signal, an exception), the terminal is as it was: modes, cursor and what it showed.
What happens is one queue of events: keys, what signals say, and whatever other threads put there.
"""

import os
import queue
import select
import signal
import sys
import termios
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum, auto
from typing import Any

from controller.cli.top_frame import Line
from controller.cli.top_view import Key


class Happened(Enum):
    """What signals say."""

    RESIZED = auto()
    ENDED = auto()
    SUSPENDED = auto()


SIGNALS = {
    signal.SIGWINCH: Happened.RESIZED,
    signal.SIGTERM: Happened.ENDED,
    signal.SIGTSTP: Happened.SUSPENDED,
}


class Events:
    """What happens, in its order.

    Keys are read one by one and only when the next event is asked for: what is typed after q is the shell's.
    """

    def __init__(self) -> None:
        self._put: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._woken, self._wake = os.pipe()  # open to the end of the process: a thread may put something at any time
        self._keys = [sys.stdin.fileno()] if sys.stdin.isatty() else []

    def put(self, event: object) -> None:
        """From any thread, and from signal handlers."""
        self._put.put(event)
        os.write(self._wake, b".")

    def next(self) -> Any:
        """Wait for it."""
        ready, _, _ = select.select([self._woken, *self._keys], [], [])
        if self._woken in ready:
            os.read(self._woken, 1)
            return self._put.get_nowait()
        typed = os.read(self._keys[0], 1)
        return Key(typed.decode(errors="ignore")) if typed else Happened.ENDED


class Screen:
    """The window while it is ours."""

    def __init__(self) -> None:
        from rich.console import Console  # late: nobody else needs it
        from rich.live import Live

        self._console = Console(highlight=False)
        self._live = Live(
            console=self._console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )

    def size(self) -> tuple[int, int]:
        """Columns and lines, as the terminal has them now; a serial line that does not know says 80 × 24."""
        columns, lines = os.get_terminal_size(sys.stdout.fileno())
        return columns or 80, lines or 24

    def draw(self, lines: Sequence[Line]) -> None:
        from rich.text import Text

        self._console.size = self.size()
        text = Text("\n", no_wrap=True, overflow="crop").join(Text(line.text, line.style) for line in lines)
        self._live.update(text, refresh=True)

    def __enter__(self) -> "Screen":
        self._live.__enter__()
        return self

    def __exit__(self, *details: Any) -> None:
        self._live.__exit__(*details)


@contextmanager
def screen() -> Iterator[Screen]:
    """The screen, and keys without echo or waiting for the end of a line; Ctrl-C stays an interrupt."""
    keys = sys.stdin.fileno() if sys.stdin.isatty() else None
    before = termios.tcgetattr(keys) if keys is not None else None
    try:
        if keys is not None:
            tty.setcbreak(keys, termios.TCSADRAIN)
        with Screen() as shown:
            yield shown
    finally:
        if keys is not None and before is not None:
            termios.tcsetattr(keys, termios.TCSADRAIN, before)


@contextmanager
def happenings(events: Events) -> Iterator[None]:
    """Signals go to `events` inside this block."""

    def happened(number: int, _frame: object) -> None:
        events.put(SIGNALS[signal.Signals(number)])

    before = {number: signal.signal(number, happened) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def stop_here() -> None:
    """What Ctrl-Z does to a program that has put its terminal in order first; returns when it is to go on."""
    os.kill(os.getpid(), signal.SIGSTOP)
