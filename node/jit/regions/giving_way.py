"""A long computation lets a guest on the same core go on after half a millisecond, not at the scheduler's next tick.

Linux looks 100 to 1000 times a second (CONFIG_HZ) at whose turn it is, and may then leave the core to the compiler
until the next look: a guest would stand still for up to 8 ms at 250 Hz. Where nobody waits, nothing happens.
"""

import ctypes
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import llvmlite.binding as llvm

TURN_S = 0.0005

# The clock starts anew when the core has been got back: an alarm that had come in the meantime would end the next turn
# before it has begun, and with two guests on a core the compiler would have next to nothing of it.
_HANDLER = f""" ; @turn: struct itimerval, once
@turn = private constant {{ i64, i64, i64, i64 }} {{ i64 0, i64 0, i64 0, i64 {round(TURN_S * 1e6)} }}
declare i32 @sched_yield()
declare i32 @setitimer(i32, ptr, ptr)
define void @give_way(i32 %signal) {{
  call i32 @sched_yield()
  call i32 @setitimer(i32 {int(signal.ITIMER_REAL)}, ptr @turn, ptr null)
  ret void
}}
"""


@contextmanager
def giving_way() -> Iterator[None]:
    """For a process of its own, whose SIGALRM this takes. Python's handlers wait for the end of a call, and LLVM's last
    some tenths of a second; so this one is native. A process gives way within its session only."""
    libc = ctypes.CDLL(None)
    libc.signal.argtypes = (ctypes.c_int, ctypes.c_void_p)
    libc.signal(signal.SIGALRM, ctypes.cast(libc.sched_yield, ctypes.c_void_p))  # while the handler is made: 7 ms
    signal.setitimer(signal.ITIMER_REAL, TURN_S, TURN_S)
    libc.signal(signal.SIGALRM, _handler().get_function_address("give_way"))
    signal.setitimer(signal.ITIMER_REAL, TURN_S)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, signal.SIG_IGN)  # first, or the handler would start the clock again
        signal.setitimer(signal.ITIMER_REAL, 0)


@cache
def _handler() -> llvm.ExecutionEngine:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(_HANDLER), machine)
    engine.finalize_object()
    return engine
