"""Time for the controller, handed in: real at the rim, by hand in tests.

`monotonic_ns` measures (downtime parts, totals), `unix_ns` dates records for people, `sleep` spaces retries. Nothing
else in this package reads a clock.
"""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """What the control plane may know about time."""

    def monotonic_ns(self) -> int: ...

    def unix_ns(self) -> int: ...

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The host's clocks."""

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def unix_ns(self) -> int:
        return time.time_ns()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Backoff:
    """Pauses between attempts at one thing, each twice as long as the one before it, up to a bound."""

    FIRST_S = 0.05
    LAST_S = 2.0

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next_s = self.FIRST_S

    async def pause(self) -> None:
        await self._clock.sleep(self._next_s)
        self._next_s = min(2 * self._next_s, self.LAST_S)


class ManualClock:
    """Virtual time: a fixed step at each reading, and a jump to the earliest sleeper's end when that one is looked at.

    Sleepers wake in the order of their ends, so retries and periods keep their proportions and no test waits.
    """

    def __init__(self, *, start_unix_ns: int = 1_700_000_000_000_000_000, step_ns: int = 1_000) -> None:
        self._now_ns = 0
        self._start_unix_ns = start_unix_ns
        self._step_ns = step_ns
        self._ends: list[int] = []

    def monotonic_ns(self) -> int:
        self._now_ns += self._step_ns
        return self._now_ns

    def unix_ns(self) -> int:
        return self._start_unix_ns + self.monotonic_ns()

    async def sleep(self, seconds: float) -> None:
        end = self._now_ns + int(seconds * 1e9)
        self._ends.append(end)
        try:
            while self._now_ns < end:
                await asyncio.sleep(0)
                if end == min(self._ends):
                    self._now_ns = max(self._now_ns, end)
        finally:
            self._ends.remove(end)
