"""Machines that are up at once and take turns: one works, the others stand still with all that they have started."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psutil


def hold(process: int) -> None:
    """Stop the emulator `process`, and the compiler that it may have beside it."""
    _tell(process, signal.SIGSTOP)


def go_on(process: int) -> None:
    _tell(process, signal.SIGCONT)


@contextmanager
def at_work(process: int) -> Iterator[None]:
    """Of those that are held, this one goes on inside."""
    go_on(process)
    try:
        yield
    finally:
        hold(process)


def _tell(process: int, number: signal.Signals) -> None:
    emulator = psutil.Process(process)
    for each in (emulator, *emulator.children(recursive=True)):
        each.send_signal(number)
