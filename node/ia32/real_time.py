"""Guest time by the host's, and how many instructions may run before it is looked at again: functions of numbers, for
the clock (`node.vmm.clock`) and for native code that goes from slice to slice by itself (`slices.py`).

A host that did not let the guest run for a while is caught up with in small steps: whoever measures one timer by
another, as kernels do when they start, would otherwise find the stall in one of them.
"""

from node.ia32.state import Machine
from node.jitted import jitted

SLICE_NS = 200_000  # host time between looks at the host's clock, as far as it can be foreseen
SLOWEST, FASTEST = 50, 4_000  # instructions a microsecond that are foreseen
LEAST = 1_000  # instructions
SLOWEST_NS, LONGEST_STEP_NS, EXIT_NS = 20, 1_000_000, 50_000  # of an instruction, a slice, an exit: what is no stall
CATCH_UP_SHIFT = 5


@jitted
def guest_time(m: Machine, host: int, instructions: int) -> int:
    """Guest time at host time `host`, when so many instructions have been executed."""
    behind = host - m.host_epoch - m.told
    if m.idle == 0:
        own = min((instructions - m.told_at) * SLOWEST_NS, LONGEST_STEP_NS) + EXIT_NS
        behind = min(behind, max(own, behind >> CATCH_UP_SHIFT))
    return m.told + behind


@jitted
def tell(m: Machine, host: int, instructions: int) -> int:
    """The same for the guest, which is never told less later."""
    now = guest_time(m, host, instructions)
    m.told = now
    m.told_at = instructions
    m.idle = 0
    return now


@jitted
def slice_budget(m: Machine, now: int, deadline: int, instructions: int) -> int:
    """Foresees the speed of the slice before: hot code runs a hundred times as fast as what faults all the time. A
    timer is late by its last slice at most."""
    executed, passed = instructions - m.sliced_at, max(1, now - m.sliced)
    m.sliced = now
    m.sliced_at = instructions
    speed = min(FASTEST, max(SLOWEST, executed * 1_000 // passed))
    return max(LEAST, max(0, min(SLICE_NS, deadline - now)) * speed // 1_000)
