"""Blocks whose translation is wanted: first those to be looked for among what exists, then the hottest, as time allows.

The guest's thread adds, the translator's takes; each waits for nothing but the other's few instructions under the lock.
The guest's thread wakes the other when its progress has made something possible; while it rests, and hot blocks wait,
the other looks at the clock.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from node.jit.regions.settings import Figures, Settings

LOOK_EVERY_S = 0.05
AT_ONCE = 8  # taken between looks at the heat of all that wait


@dataclass(frozen=True, slots=True)
class Request:
    key: int  # of the block
    linear: int
    mode: int
    hot: bool  # to be translated, and not only looked for


class Requests:
    def __init__(
        self, settings: Settings, figures: Figures, heat: Callable[[int], int], monotonic_ns: Callable[[], int]
    ) -> None:
        """`heat`: how often the block with a key has been executed; 0: it is dead."""
        self._settings, self._figures, self._heat, self._monotonic_ns = settings, figures, heat, monotonic_ns
        self._begun_ns = monotonic_ns()
        self._wanted = threading.Condition()
        self._warm: deque[Request] = deque()
        self._hot: dict[int, Request] = {}
        self._hottest: list[int] = []  # keys, as far as they are sorted
        self._needed_ns = 0  # by what is taken next, as far as that is known
        self._guest_ns = 0  # CPU time of the guest's thread
        self._forgone_ns = 0  # of translating's shares

    # In the guest's thread

    @property
    def are_hot(self) -> bool:
        """Whether any wait for their share of time."""
        return bool(self._hot)

    def add(self, requests: list[Request]) -> None:
        with self._wanted:
            for request in requests:
                if len(self._hot) + len(self._warm) >= self._settings.waiting:
                    self._figures.dropped += 1
                elif request.hot:
                    self._hot[request.key] = request
                else:
                    self._warm.append(request)
            if self._warm:  # needs no share of time: nothing else would wake the other
                self._wanted.notify()

    def guest_at(self, cpu_ns: int) -> None:
        """The guest's thread has used so much time by now."""
        self._guest_ns = cpu_ns
        if self._is_possible():
            with self._wanted:
                self._wanted.notify()

    # In the translator's thread

    def wait(self) -> Request:
        with self._wanted:
            while not self._is_possible():
                self._wanted.wait(LOOK_EVERY_S if self._hot else None)
            if self._warm:
                return self._warm.popleft()
        return self._take_hottest()

    def affords(self, cost_ns: int) -> bool:
        return self._left_ns() >= cost_ns

    def put_back(self, request: Request, cost_ns: int) -> None:
        """It is the next to be translated, as soon as its cost can be afforded."""
        with self._wanted:
            self._hot[request.key] = request
        self._hottest.append(request.key)
        self._needed_ns = cost_ns

    def _take_hottest(self) -> Request:
        """Without the lock: thousands may wait, and the guest's thread must not. Only this thread takes any out."""
        if not self._hottest:
            heats = sorted((self._heat(key), key) for key in list(self._hot))
            self._hottest = [key for _, key in heats[-AT_ONCE:]]
        self._needed_ns = 0
        return self._hot.pop(self._hottest.pop())

    def _is_possible(self) -> bool:
        return bool(self._warm) or (bool(self._hot) and self.affords(self._needed_ns))

    def _left_ns(self) -> int:
        """What translating may take for now: of the guest's time, and of what neither has used. What it has not wanted
        for long is forgone, or a guest that rested for an hour would have a slow one afterwards."""
        used = self._figures.translating_ns
        idle = max(0, self._monotonic_ns() - self._begun_ns - self._guest_ns - used)
        shares = int(self._settings.share * self._guest_ns + self._settings.idle_share * idle)
        earned = self._settings.head_start_ns + shares
        self._forgone_ns = max(self._forgone_ns, earned - used - self._settings.saved_ns)
        return earned - self._forgone_ns - used
