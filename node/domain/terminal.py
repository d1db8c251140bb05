"""The user's terminal as a guest's serial line: raw while the guest has it, restored whatever happens.

Raw means that every key goes to the guest, Ctrl+C included; only Ctrl+] is ours. Output processing stays on, so that
our own messages still begin at the left margin. Input that is no terminal is handed on as it is, to its end.
"""

import os
import select
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

LEAVE = b"\x1d"  # Ctrl+]
READ_BYTES = 1024
PATIENCE_S = 0.1


@contextmanager
def raw(descriptor: int) -> Iterator[bool]:
    """Raw mode if `descriptor` is a terminal; whether it is."""
    if not os.isatty(descriptor):
        yield False
        return
    before = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor, termios.TCSADRAIN)
        changed = termios.tcgetattr(descriptor)
        changed[1] |= termios.OPOST
        termios.tcsetattr(descriptor, termios.TCSADRAIN, changed)
        yield True
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def read_keys(descriptor: int, *, is_terminal: bool, typed: Callable[[bytes], None], left: Callable[[], None]) -> None:
    """Hand on input until its end, or until Ctrl+] at a terminal. Blocks: for a thread of its own."""
    while data := os.read(descriptor, READ_BYTES):
        before, leave, _ = data.partition(LEAVE) if is_terminal else (data, b"", b"")
        if before:
            typed(before)
        if leave:
            left()
            return


def write_all(descriptor: int, data: bytes, *, enough: Callable[[], bool]) -> None:
    """All of it, however slowly the reader takes it, unless it becomes `enough` meanwhile."""
    while data and not enough():
        _, writable, _ = select.select([], [descriptor], [], PATIENCE_S)
        if writable:  # then there is room for PIPE_BUF bytes
            data = data[os.write(descriptor, data[: select.PIPE_BUF]) :]


class ProgressLine:
    """How far something long has come: at a terminal one line written over and over, gone at the end; elsewhere a line
    at each end."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._live = sys.stderr.isatty()
        self._begun = False

    def __call__(self, share: float, text: str) -> None:
        if self._live:
            print(f"\r{self._what} {share:4.0%}  {text:32.32}", end="", file=sys.stderr, flush=True)
        elif not self._begun:
            say(self._what)
        self._begun = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._begun and self._live:
            print(f"\r{'':{len(self._what) + 40}}\r", end="", file=sys.stderr, flush=True)
        elif self._begun and kind is None:
            say("done")


def say(text: str) -> None:
    """One line for the user, beside the guest's output."""
    print(f"limosa boot: {text}", file=sys.stderr, flush=True)
