"""Guest time as the processor sees it: one tick a nanosecond, for the time-stamp counter and the local APIC's timer."""

from node.ia32.holding import executed
from node.ia32.state import Cpu, Machine
from node.jitted import jitted


@jitted
def time_stamp(c: Cpu, m: Machine) -> int:
    """The counter without c.tsc_offset: a function of guest time and of the instructions executed in this slice."""
    return m.tsc_now + ((executed(c, m) - m.tsc_start) * m.tsc_per_instruction >> 16)
