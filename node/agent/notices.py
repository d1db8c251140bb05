"""What a domain reports of its own accord, acted upon in order, one at a time, and never in the middle of a command.

Commands and notices both change a VM's state. Each holds the VM's lock while it does; notices wait here in the order in
which the domain sent them, its death last. `settled` returns when all that was reported so far has been acted upon, so
a command can ask the domain something and then rely on every report that came before the answer.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from protos.domain_pb2 import Envelope


@dataclass(frozen=True, slots=True)
class Death:
    """The domain process has ended and is reaped."""

    how: str


Notice = Envelope | Death


class Notices:
    def __init__(self, act: Callable[[Notice], Awaitable[None]]) -> None:
        """`act` is awaited for each notice, up to and including the death."""
        self._act = act
        self._queue: asyncio.Queue[Notice | asyncio.Future[None]] = asyncio.Queue()
        self.acting = asyncio.create_task(self._run(), name="notices")

    def put(self, notice: Notice) -> None:
        self._queue.put_nowait(notice)

    async def settled(self) -> None:
        barrier: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait(barrier)
        await asyncio.wait({barrier, self.acting}, return_when=asyncio.FIRST_COMPLETED)

    async def _run(self) -> None:
        while True:
            item = await self._queue.get()
            if isinstance(item, asyncio.Future):
                if not item.done():
                    item.set_result(None)
                continue
            await self._act(item)
            if isinstance(item, Death):
                return
