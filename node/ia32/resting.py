"""HLT without the host: the processor's thread itself sleeps until something is due or somebody rings.

The host hands over a function like ppoll(2) and the descriptor of its bell, as it hands over its clock (`slices.py`).
"""

import ctypes

from node.ia32.real_time import guest_time
from node.ia32.state import IF, Cpu, Machine
from node.jitted import inlined, jitted, primitive

LONGEST_REST_NS = 1_000_000_000  # when nothing at all is due
_POLLIN = 1
_SECOND = 1_000_000_000
_WAIT = f"""%bell = alloca {{ i32, i16, i16 }}
%time = alloca {{ i64, i64 }}
%descriptor = trunc i64 %1 to i32
store i32 %descriptor, ptr %bell
%events = getelementptr i8, ptr %bell, i64 4
store i16 {_POLLIN}, ptr %events
%seconds = udiv i64 %2, {_SECOND}
%rest = urem i64 %2, {_SECOND}
store i64 %seconds, ptr %time
%ns = getelementptr i8, ptr %time, i64 8
store i64 %rest, ptr %ns
%wait = inttoptr i64 %0 to ptr
%status = call i32 %wait(ptr %bell, i64 1, ptr %time, ptr null)
ret void"""


class PollDescriptor(ctypes.Structure):
    _fields_ = (("descriptor", ctypes.c_int), ("events", ctypes.c_short), ("ready", ctypes.c_short))


class TimeSpec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_int64), ("nanoseconds", ctypes.c_int64))


# What m.host_wait is the address of: ppoll(2), or a twin
Wait = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(PollDescriptor), ctypes.c_ulong, ctypes.POINTER(TimeSpec), ctypes.c_void_p
)


@primitive(arguments=("i64", "i64", "i64"), result="void", llvm=_WAIT)
def host_wait(wait: int, bell: int, ns: int) -> None:
    """Sleep for `ns` nanoseconds of the host's time, or until `bell` is rung; less if a signal comes."""
    descriptor = PollDescriptor(bell, _POLLIN, 0)
    time = TimeSpec(*divmod(ns, _SECOND))
    Wait(wait)(ctypes.byref(descriptor), 1, ctypes.byref(time), None)


@inlined
def can_rest(c: Cpu, m: Machine) -> bool:
    """The processor has halted, an interrupt can end that, and nothing is kept here for the host meanwhile."""
    return m.host_wait != 0 and c.flags & IF != 0 and m.sink_used == 0 and m.notes_used == 0


@jitted
def rest(c: Cpu, m: Machine, host: int) -> None:
    """Wait for what is due next. `host`: the host's time. A guest that waits is owed all of the time that passes."""
    m.idle = 1
    m.halts += 1
    ns = min(m.devices_due, c.apic_due) - guest_time(m, host, c.instructions)
    if ns > 0:
        host_wait(m.host_wait, m.bell, min(ns, LONGEST_REST_NS))
