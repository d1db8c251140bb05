"""Carries what the guest writes to its serial port from the machine's console log to the agent, at absolute offsets.

The log is written in the guest's thread and keeps 64 KiB. The pump follows it from the event loop, gathers what comes
within `GATHER_S` into one message, and waits for the agent to take it: an agent that does not read costs the guest
nothing, it costs the oldest output, and the gap is visible in the offsets.
"""

import asyncio
from collections.abc import Awaitable, Callable

from node.domain.machinery import Console
from protos.node_pb2 import ConsoleOutput

CHUNK_BYTES = 32 * 1024
GATHER_S = 0.002


class ConsolePump:
    def __init__(self, console: Console, send: Callable[[ConsoleOutput], Awaitable[None]]) -> None:
        self._console = console
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._written = asyncio.Event()
        self._woken = False  # set in the guest's thread, cleared in the loop: one wake-up for many bytes
        self._sending = asyncio.Lock()
        self._offset = 0
        self._following: asyncio.Task[None] | None = None

    def attach(self, offset: int) -> None:
        """Send everything from `offset` on, from now on."""
        self._offset = offset
        self._console.on_write = self._wake
        self._written.set()
        if self._following is None:
            self._following = asyncio.create_task(self._follow(), name="console pump")

    async def flush(self) -> None:
        """Send all that was written so far; when attached."""
        if self._following is None:
            return
        async with self._sending:
            while self._offset < self._console.total:
                offset, data = self._console.read(self._offset)
                data = data[:CHUNK_BYTES]
                self._offset = offset + len(data)
                await self._send(ConsoleOutput(offset=offset, data=data))

    async def _follow(self) -> None:
        while True:
            await self._written.wait()
            await asyncio.sleep(GATHER_S)
            self._written.clear()
            self._woken = False  # before the log is read: a byte written from here on wakes us again
            await self.flush()

    def _wake(self) -> None:
        if not self._woken:
            self._woken = True
            self._loop.call_soon_threadsafe(self._written.set)
