"""Blocks whose translation is wanted: first those that nobody has looked for, then the hottest, as time allows.

The guest's thread adds, the translator's takes; each waits for nothing but the other's few instructions under the lock.
Nobody polls: the guest's thread wakes the other when its progress has made something possible.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from node.jit.regions.settings import Figures, Settings

AT_ONCE = 8  # taken between looks at all that wait
LOOK_EVERY_NS = 50_000_000  # of the guest's time, between looks at whether anything has become hot


@dataclass(frozen=True, slots=True)
class Request:
    key: int  # of the block
    linear: int
    mode: int


class Requests:
    def __init__(self, settings: Settings, figures: Figures, heat: Callable[[int], int]) -> None:
        """`heat`: how often the block with a key has been executed; 0: it is dead."""
        self._settings, self._figures, self._heat = settings, figures, heat
        self._wanted = threading.Condition()
        self._fresh: deque[Request] = deque()
        self._waiting: dict[int, Request] = {}
        self._hottest: list[int] = []  # keys, as far as they are sorted
        self._guest_ns = 0  # CPU time of the guest's thread
        self._looked_ns = 0  # what that was at the last look at all that wait

    # In the guest's thread

    def add(self, requests: list[Request]) -> None:
        with self._wanted:
            for request in requests:
                if len(self._waiting) + len(self._fresh) < self._settings.waiting:
                    self._fresh.append(request)
                else:
                    self._figures.dropped += 1

    def guest_at(self, cpu_ns: int) -> None:
        """The guest's thread has used so much time by now."""
        self._guest_ns = cpu_ns
        if self._is_possible():
            with self._wanted:
                self._wanted.notify()

    # In the translator's thread

    def wait(self) -> Request | None:
        """A request that nobody has looked for; None when the hottest may be taken."""
        with self._wanted:
            while not self._is_possible():
                self._wanted.wait()
            return self._fresh.popleft() if self._fresh else None

    def keep(self, request: Request) -> None:
        """There is no translation yet."""
        self._waiting[request.key] = request

    def hottest(self) -> Request | None:
        """Taken out; None if nothing is hot."""
        if not self._hottest:
            self._looked_ns = self._guest_ns
            heats = sorted((self._heat(key), key) for key in self._waiting)
            self._hottest = [key for heat, key in heats[-AT_ONCE:] if heat >= self._settings.patience]
        if not self._hottest:
            return None
        request = self._waiting.pop(self._hottest.pop(), None)
        return request if request is not None and self._heat(request.key) else None

    def _is_possible(self) -> bool:
        if self._fresh:
            return True
        if not self._waiting or self._is_spent():
            return False
        return bool(self._hottest) or self._guest_ns - self._looked_ns >= LOOK_EVERY_NS

    def _is_spent(self) -> bool:
        """Whether translating has had its share of time for now."""
        allowed = self._settings.head_start_ns + int(self._guest_ns * self._settings.share)
        return self._figures.translating_ns > allowed
