"""Guest time: an int of nanoseconds that starts at 0 when the machine first runs and stands still while it does not.

A clock is a record (it travels with the machine) and a rule. *Real*: host time that passes while the guest runs.
*Virtual*:
instructions executed divided by a speed, plus the idle time skipped, so that a run is a function of its input alone.
The time-stamp counter ticks once a nanosecond of guest time under either.
"""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from node.jitted import I64, new_record, record_dtype

SECOND = 1_000_000_000
VIRTUAL_NS_PER_INSTRUCTION = 10  # 100 M instructions a second of guest time
VIRTUAL_SLICE = 1_000_000  # instructions between looks for somebody who wants the machine
REAL_SLICE_NS = 1_000_000  # host time between looks at the host's clock, as far as it can be foreseen
SLOWEST, FASTEST = 0.05, 4.0  # instructions a nanosecond that are foreseen
SLOWEST_NS, LONGEST_STEP_NS, EXIT_NS = 20, 1_000_000, 50_000  # of an instruction, a slice, an exit: what is no stall
CATCH_UP_SHIFT = 5


class ClockState:
    now_ns: I64  # guest time at the last synchronisation
    instructions: I64  # virtual: instruction count at that moment
    tsc: I64  # the highest TSC handed out, so that it never runs backwards


CLOCK = record_dtype(ClockState)
TSC_FRACTION = 16


class Clock(Protocol):
    array: npt.NDArray[np.void]
    tsc_per_instruction: int  # in 1/2^16 ticks
    exact: bool  # the TSC shows at every instruction what time it is, and not only when it was last told

    def now(self, instructions: int) -> int:
        """Guest time, given how many instructions have been executed. Anybody may ask, also while the guest runs."""
        ...

    def tell(self, instructions: int) -> int:
        """The same for the guest, or a device that acts on it: later it is never told less."""
        ...

    def budget(self, now: int, deadline: int | None, instructions: int) -> int:
        """How many instructions may run before the devices must be looked at again (at least 1), when so many have
        been executed."""
        ...

    def idle_until(self, deadline: int, instructions: int) -> int:
        """The guest halts until `deadline`: host nanoseconds to wait for that (0: time has been moved there)."""
        ...

    def hold(self, instructions: int) -> None:
        """The guest stops running: time stands still."""
        ...

    def release(self, instructions: int) -> None:
        """The guest runs (again)."""
        ...


class VirtualClock:
    tsc_per_instruction = VIRTUAL_NS_PER_INSTRUCTION << TSC_FRACTION
    exact = True

    def __init__(self) -> None:
        self.array, self._state = new_record(CLOCK)

    def now(self, instructions: int) -> int:
        state: Any = self._state
        return int(state.now_ns + (instructions - state.instructions) * VIRTUAL_NS_PER_INSTRUCTION)

    tell = now

    def budget(self, now: int, deadline: int | None, instructions: int) -> int:
        if deadline is None:
            return VIRTUAL_SLICE
        return max(1, min(VIRTUAL_SLICE, -(-(deadline - now) // VIRTUAL_NS_PER_INSTRUCTION)))

    def idle_until(self, deadline: int, instructions: int) -> int:
        self._state.now_ns = max(deadline, self.now(instructions))
        self._state.instructions = instructions
        return 0

    def hold(self, instructions: int) -> None:
        """Nothing passes anyway."""

    def release(self, instructions: int) -> None:
        """Nothing has passed."""


class RealClock:
    """A host that did not let the guest run for a while is caught up with in small steps: whoever measures one timer by
    another, as kernels do when they start, would otherwise find the stall in one of them. An idle or held guest
    measures nothing, and is given all of the time at once."""

    tsc_per_instruction = 1 << (
        TSC_FRACTION - 4
    )  # a sixteenth of a tick: slower than any host executes, so TSC only lags
    exact = False

    def __init__(self, monotonic_ns: Callable[[], int]) -> None:
        self.array, self._state = new_record(CLOCK)
        self._monotonic_ns = monotonic_ns
        self._since: int | None = None  # host time at release; None while held
        self._before = (0, 0)  # guest time and instructions when a budget was last asked for
        self._told = self._told_at = 0  # guest time that was last told, and the instruction count then
        self._idle = False

    def now(self, instructions: int) -> int:
        if self._since is None:
            return int(self._state.now_ns)
        behind = self._passed(self._since) - self._told
        if not self._idle:
            own = min((instructions - self._told_at) * SLOWEST_NS, LONGEST_STEP_NS) + EXIT_NS
            behind = min(behind, max(own, behind >> CATCH_UP_SHIFT))
        return self._told + behind

    def tell(self, instructions: int) -> int:
        self._told, self._told_at, self._idle = self.now(instructions), instructions, False
        return self._told

    def _passed(self, since: int) -> int:
        """All of guest time, the stalls included."""
        return int(self._state.now_ns) + self._monotonic_ns() - since

    def budget(self, now: int, deadline: int | None, instructions: int) -> int:
        """Foresees the speed of the slice before: hot code runs a hundred times as fast as what faults all the time.
        A timer is late by its last slice at most."""
        (then, executed), self._before = self._before, (now, instructions)
        speed = min(FASTEST, max(SLOWEST, (instructions - executed) / max(1, now - then)))
        time = REAL_SLICE_NS if deadline is None else min(REAL_SLICE_NS, deadline - now)
        return max(1_000, int(time * speed))

    def idle_until(self, deadline: int, instructions: int) -> int:
        self._idle = True
        wait_ns = max(0, deadline - self.tell(instructions))
        self._idle = wait_ns > 0
        return wait_ns

    def hold(self, instructions: int) -> None:
        self._idle = True
        self._state.now_ns = self.now(instructions)
        self._since = None

    def release(self, instructions: int) -> None:
        if self._since is None:
            self._since = self._monotonic_ns()
            self._told, self._told_at, self._idle = int(self._state.now_ns), instructions, False


def clock_named(name: str, monotonic_ns: Callable[[], int]) -> Clock:
    """ "real" or "virtual"; KeyError for anything else."""
    clocks: dict[str, Callable[[], Clock]] = {"real": lambda: RealClock(monotonic_ns), "virtual": VirtualClock}
    return clocks[name]()
