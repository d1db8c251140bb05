"""A TCP relay that cuts its connections, or falls silent: the broken network of tests, before a real service."""

import asyncio
import contextlib
from typing import Self


class Relay:
    """Forwards to `target`; each connection is cut after so many bytes towards the client. A `silent` one carries
    nothing more, and tells neither side."""

    def __init__(
        self, target: str, *, cut_after_bytes: int = 1 << 62, listen: tuple[str, int] = ("127.0.0.1", 0)
    ) -> None:
        self.target, self._cut_after_bytes, self._listen = target, cut_after_bytes, listen
        self.connections = self.bytes_down = self.bytes_up = 0
        self.silent = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, *self._listen)
        self.address = f"{self._listen[0]}:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        up: asyncio.StreamWriter | None = None
        try:
            host, _, port = self.target.rpartition(":")
            down, up = await asyncio.open_connection(host, int(port))
            async with asyncio.TaskGroup() as group:
                group.create_task(self._upwards(reader, up))
                group.create_task(self._downwards(down, writer))
        except* (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            for end in (writer, up):
                if end is not None:
                    end.transport.abort()
            self._tasks.discard(task)

    async def _upwards(self, source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            if self.silent:
                await asyncio.Event().wait()
            self.bytes_up += len(data)
            to.write(data)
            await to.drain()
        raise ConnectionResetError

    async def _downwards(self, source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        left = self._cut_after_bytes
        while left > 0 and (data := await source.read(min(left, 65536))):
            if self.silent:
                await asyncio.Event().wait()
            to.write(data)
            left -= len(data)
            self.bytes_down += len(data)
            with contextlib.suppress(ConnectionError):
                await to.drain()
        raise ConnectionResetError
