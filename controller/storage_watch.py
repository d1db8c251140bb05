"""Whether the image store can be reached, as the controller sees it: asked from time to time, said when it changes.

    unasked ── answers ──► reachable ◄──► unreachable      storage.reachable, storage.unreachable
       └────── does not ──────────────────────┘            storage.waiting: the controller began without it

The controller serves meanwhile: only what needs an image needs the store, and migrations do not.
"""

import asyncio
from datetime import UTC, datetime

import structlog

from controller.changes import Changes
from controller.clock import Clock
from controller.errors import ControllerError
from controller.images import Images

CHECK_S = 5.0
RETRY_S = 1.0
REACHABLE = "reachable"
log = structlog.get_logger()


class StorageWatch:
    """`state` is "reachable", or a sentence."""

    def __init__(self, images: Images, clock: Clock, changes: Changes) -> None:
        self.state = "not asked yet whether it answers"
        self._asked = False
        self._images = images
        self._clock = clock
        self._changes = changes
        self._task: asyncio.Task[None] | None = None

    @property
    def reachable(self) -> bool:
        return self.state == REACHABLE

    def start(self) -> None:
        self._task = asyncio.create_task(self._watch(), name="watch the storage")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            await self._ask()
            await self._clock.sleep(CHECK_S if self.reachable else RETRY_S)

    async def _ask(self) -> None:
        try:
            await self._images.check()
        except ControllerError as error:
            if self.reachable or not self._asked:
                log.warning("storage.unreachable" if self._asked else "storage.waiting", reason=str(error))
                since = datetime.fromtimestamp(self._clock.unix_ns() // 10**9, UTC)
                self._is(f"not reachable since {since:%Y-%m-%d %H:%M:%S} UTC: {error}")
        else:
            if not self.reachable:
                log.info("storage.reachable")
                self._is(REACHABLE)
        self._asked = True

    def _is(self, state: str) -> None:
        self.state = state
        self._changes.notify()
