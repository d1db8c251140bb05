"""A counter that tasks can wait on: something changed, look again.

Whoever waits remembers the count up to which it has looked; a change between looking and waiting is never missed.
"""

import asyncio


class Changes:
    """Counts changes and wakes every waiter at each."""

    def __init__(self) -> None:
        self.count = 0
        self._waiters: set[asyncio.Future[None]] = set()

    def notify(self) -> None:
        """One more change."""
        self.count += 1
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def beyond(self, seen: int) -> int:
        """Wait until the count is greater than `seen`; returns it."""
        while self.count <= seen:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                await waiter
            finally:
                self._waiters.discard(waiter)
        return self.count
