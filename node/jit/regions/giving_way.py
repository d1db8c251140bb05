"""A long computation lets a guest on the same core go on after a millisecond, not only at the scheduler's next tick.

Linux looks 100 to 1000 times a second (CONFIG_HZ) at whose turn it is, and may then leave the core to the compiler
until the next look: a guest would stand still for up to 8 ms at 250 Hz. Where nobody waits, nothing happens.
"""

import ctypes
import signal
from collections.abc import Iterator
from contextlib import contextmanager

TURN_S = 0.001


@contextmanager
def giving_way() -> Iterator[None]:
    """For a process of its own, whose SIGALRM this takes. The handler is sched_yield(2) itself: one of Python's waits
    for the end of a call, and LLVM's last some tenths of a second. A process gives way within its session only."""
    libc = ctypes.CDLL(None)
    libc.signal.argtypes = (ctypes.c_int, ctypes.c_void_p)
    libc.signal(signal.SIGALRM, ctypes.cast(libc.sched_yield, ctypes.c_void_p))
    signal.setitimer(signal.ITIMER_REAL, TURN_S, TURN_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
