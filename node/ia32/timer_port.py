"""A host's counter that the processor can read by itself: 16 bits that fall by one a tick of guest time, read at a port
a byte at a time, the low one first.

The host says from when on it falls from what (m.timer_start, a tick, and m.timer_count) and which byte is next; that
toggles here. What time it is, only an instruction executed alone knows exactly, as in bus.py.
"""

from node.ia32.state import M8, M16, Cpu, Machine
from node.ia32.time_stamp import time_stamp
from node.jitted import jitted

SECOND = 1_000_000_000


@jitted
def tick_at(now: int, hz: int) -> int:
    """The number of ticks before or at guest time `now`; in two parts, which fit into 64 bits for ever."""
    return now // SECOND * hz + now % SECOND * hz // SECOND


@jitted
def read_timer(c: Cpu, m: Machine) -> int:
    elapsed = max(tick_at(time_stamp(c, m), m.timer_hz) - m.timer_start, 0)
    count = (m.timer_count + M16 + 1 - (elapsed & M16)) & M16
    m.timer_half ^= 1
    return count & M8 if m.timer_half else count >> 8
