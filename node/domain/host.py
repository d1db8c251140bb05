"""The host's time and threads, as a migration's algorithms ask for them (`node.migration.link`)."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


class HostClock:
    """CLOCK_MONOTONIC of this host."""

    def now_ns(self) -> int:
        return time.monotonic_ns()

    async def sleep_until(self, ns: int) -> None:
        await asyncio.sleep(max(0, ns - time.monotonic_ns()) / 1e9)


class HostThreads:
    """Work beside the event loop, in the loop's pool of threads."""

    def begin(self, work: Callable[[], T]) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(None, work)
