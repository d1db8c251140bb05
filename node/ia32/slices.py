"""Slice after slice without the host: what it would only look at its clock for is done here.

A slice ends with its budget, or because the guest has moved its local APIC's timer. Then the time is told, that timer
expires if it is due, and the next slice begins, until somebody else is needed: another exit, a device's deadline,
whoever has set `m.wanted`; or until what native code has gathered for the host has waited long enough. A processor that
halts rests here, too.
"""

import ctypes

from node.ia32.apic_timer import expire
from node.ia32.interpreter import run
from node.ia32.real_time import slice_budget, tell
from node.ia32.resting import TimeSpec, can_rest, rest
from node.ia32.semantics.x87_state import ferr
from node.ia32.state import EXIT_HALT, EXIT_NONE, EXIT_TIME, Cpu, Machine
from node.jitted import inlined, jitted, primitive

LONGEST_NS = 10_000_000  # host time until the host is given control, whatever happens
GATHERING_NS = 1_000_000  # the same when there is something for it
_MONOTONIC = 1  # CLOCK_MONOTONIC
_SECOND = 1_000_000_000
_ASK = f"""%time = alloca {{ i64, i64 }}
%clock = inttoptr i64 %0 to ptr
%status = call i32 %clock(i32 {_MONOTONIC}, ptr %time)
%s = load i64, ptr %time
%rest = getelementptr i8, ptr %time, i64 8
%ns = load i64, ptr %rest
%scaled = mul i64 %s, {_SECOND}
%now = add i64 %scaled, %ns
ret i64 %now"""


# What m.host_clock is the address of: clock_gettime(2), or a twin
GetTime = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.POINTER(TimeSpec))


@primitive(arguments=("i64",), result="i64", llvm=_ASK)
def host_time(clock: int) -> int:
    """Nanoseconds."""
    time = TimeSpec()
    GetTime(clock)(_MONOTONIC, ctypes.byref(time))
    return int(time.seconds * _SECOND + time.nanoseconds)


@jitted
def run_slices(c: Cpu, m: Machine) -> None:
    """`m.left`: the first slice's budget. `m.exit` is that of the last."""
    begun = host_time(m.host_clock)
    run(c, m)
    while _is_uninterrupted(c, m):
        host = host_time(m.host_clock)
        if m.exit == EXIT_HALT:
            rest(c, m, host)
            rested = host_time(m.host_clock)
            begun += rested - host  # the host has missed nothing meanwhile
            host = rested
        now = tell(m, host, c.instructions)
        if now >= m.devices_due or host - begun >= _longest(m):
            return
        if now >= c.apic_due:
            expire(c, m, now)
        m.tsc_start = c.instructions
        m.tsc_now = now
        m.left = slice_budget(m, now, min(m.devices_due, c.apic_due), c.instructions)
        run(c, m)


@inlined
def _longest(m: Machine) -> int:
    return GATHERING_NS if m.notes_used or m.sink_used else LONGEST_NS


@inlined
def _is_uninterrupted(c: Cpu, m: Machine) -> bool:
    """Nobody but the processor needs to know that the slice has ended."""
    if m.exit == EXIT_HALT:
        if not can_rest(c, m):
            return False
    elif m.exit != EXIT_NONE and m.exit != EXIT_TIME:
        return False
    return m.wanted == 0 and ferr(c) == m.ferr
