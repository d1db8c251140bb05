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

from node.ia32.real_time import guest_time, slice_budget, tell
from node.ia32.state import Machine
from node.jitted import I64, new_record, record_dtype

SECOND = 1_000_000_000
VIRTUAL_NS_PER_INSTRUCTION = 10  # 100 M instructions a second of guest time
VIRTUAL_SLICE = 1_000_000  # instructions between looks for somebody who wants the machine


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

    def budget(self, now: int, deadline: int, instructions: int) -> int:
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

    def budget(self, now: int, deadline: int, instructions: int) -> int:
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
    """What the host's time is to the guest, `real_time.py` says. An idle or held guest measures nothing, and is given
    all of the time at once."""

    tsc_per_instruction = 1 << (
        TSC_FRACTION - 4
    )  # a sixteenth of a tick: slower than any host executes, so TSC only lags
    exact = False

    def __init__(self, monotonic_ns: Callable[[], int], machine: Machine) -> None:
        self.array, self._state = new_record(CLOCK)
        self._monotonic_ns, self._m = monotonic_ns, machine
        self._held = True

    def now(self, instructions: int) -> int:
        if self._held:
            return int(self._state.now_ns)
        return guest_time(self._m, self._monotonic_ns(), instructions)

    def tell(self, instructions: int) -> int:
        if self._held:
            return int(self._state.now_ns)
        return tell(self._m, self._monotonic_ns(), instructions)

    def budget(self, now: int, deadline: int, instructions: int) -> int:
        return slice_budget(self._m, now, deadline, instructions)

    def idle_until(self, deadline: int, instructions: int) -> int:
        self._m.idle = 1
        wait_ns = max(0, deadline - self.tell(instructions))
        self._m.idle = 1 if wait_ns else 0
        return wait_ns

    def hold(self, instructions: int) -> None:
        self._m.idle = 1
        self._state.now_ns = self.now(instructions)
        self._held = True

    def release(self, instructions: int) -> None:
        if self._held:
            self._held = False
            self._m.host_epoch = self._monotonic_ns() - self._state.now_ns
            self._m.told, self._m.told_at, self._m.idle = int(self._state.now_ns), instructions, 0


def clock_named(name: str, monotonic_ns: Callable[[], int], machine: Machine) -> Clock:
    """ "real", which keeps what it is doing in `machine`, or "virtual"; KeyError for anything else."""
    clocks: dict[str, Callable[[], Clock]] = {"real": lambda: RealClock(monotonic_ns, machine), "virtual": VirtualClock}
    return clocks[name]()
