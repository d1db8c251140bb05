"""A relay on the page channel that knows the stream's framing and does one planned thing to one record on its way.

It reads heads only (STREAM.md §2, §3), so it can strike the first record of any type, in its head or in its body, in
either direction, wherever that record comes; or give an opening another version. With no fault it only tells which
records passed.
"""

import asyncio
import contextlib
import struct
from dataclasses import dataclass, field
from typing import Literal, Self

import xxhash

PREFACE_BYTES, OPENING_BYTES, HEAD_BYTES = 40, 16, 24
FIRST_BACK_TYPE = 64  # from there on the target speaks


@dataclass(frozen=True, slots=True)
class Fault:
    """What befalls the first record of this type; type 0 is the opening."""

    record: int
    kind: Literal["flip", "cut", "version"]
    in_body: bool = False
    share: float = 0.0  # how far into head or body, 0 ≤ share < 1
    bit: int = 0
    backward: bool = False  # for openings: the target's

    def strike(self, data: bytes) -> tuple[bytes, bool]:
        """What goes on instead, and whether the connection ends there."""
        at = int(len(data) * self.share)
        if self.kind == "cut":
            return data[:at], True
        if self.kind == "version":
            return self._with_version(data, 2), False
        changed = bytearray(data)
        changed[at] ^= 1 << self.bit
        return bytes(changed), False

    @staticmethod
    def _with_version(opening: bytes, version: int) -> bytes:
        """A right opening of a version that nobody here speaks."""
        told = opening[:8] + struct.pack("<H", version) + opening[10:12]
        return told + struct.pack("<I", xxhash.xxh3_64_intdigest(told) & 0xFFFF_FFFF)


@dataclass(slots=True)
class Meddler:
    """Relays connections to `port` of this host; `passed` are the types of the records seen."""

    port: int
    fault: Fault | None = None
    passed: set[int] = field(default_factory=set)
    struck: bool = False
    listening: int = 0
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.listening = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, source: asyncio.StreamReader, to_source: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        target, to_target = await asyncio.open_connection("127.0.0.1", self.port)
        forward = asyncio.create_task(self._relay(source, to_target, backward=False))
        back = asyncio.create_task(self._relay(target, to_source, backward=True))
        try:
            await asyncio.wait({forward, back})
        except asyncio.CancelledError:
            pass  # the end of the relay, not of the test
        finally:
            for end in (forward, back):
                end.cancel()
            for writer in (to_source, to_target):
                writer.transport.abort()

    async def _relay(self, source: asyncio.StreamReader, to: asyncio.StreamWriter, *, backward: bool) -> None:
        """One direction, until its end; each end is passed on, as a close of that direction."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            if not backward:
                to.write(await source.readexactly(PREFACE_BYTES))
            self._pass(0, False, await source.readexactly(OPENING_BYTES), to, backward)
            while True:
                head = await source.readexactly(HEAD_BYTES)
                record, body_bytes = struct.unpack_from("<H", head)[0], struct.unpack_from("<I", head, 8)[0]
                self.passed.add(record)
                self._pass(record, False, head, to, backward)
                self._pass(record, True, await source.readexactly(body_bytes), to, backward)
                await to.drain()
        with contextlib.suppress(OSError):
            to.write_eof()

    def _pass(self, record: int, in_body: bool, data: bytes, to: asyncio.StreamWriter, backward: bool) -> None:
        fault = self.fault
        meant = fault is not None and not self.struck and (record, in_body) == (fault.record, fault.in_body)
        if fault is None or not meant or (record == 0 and backward != fault.backward) or not data:
            to.write(data)
            return
        self.struck = True
        changed, ends = fault.strike(data)
        to.write(changed)
        if ends:
            raise ConnectionResetError
