"""The page channel: migration's Link over one TCP connection, straight from the source's domain to the target's.

Octets go from and to guest memory by scatter-gather system calls (`sendmsg`, `recvmsg_into`) on a non-blocking socket;
the event loop is asked to wait only when the kernel has no room or no data. Measured on loopback, two processes: up to
3.2 GB/s in runs of a MiB, as `loop.sock_recv_into` under uvloop, and 2.9 GB/s in scattered single pages, which that
cannot do in one call. Larger socket buffers than the kernel's own choice gained nothing. When nothing moves for
`stall_s`, the link is lost.

A connection begins with a preface of 40 octets, "LIMOPAGE" and the SHA-256 of the migration's token. Who does not send
it in time is hung up on and the listener goes on listening, so a stranger can neither join nor spoil a migration. The
first rightful connection ends the listening.

Also here, at the rim where clocks are read: the clock and the worker threads that a migration in a domain uses.
"""

import asyncio
import hashlib
import hmac
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from node.migration.errors import LinkLost

T = TypeVar("T")

PREFACE_MAGIC = b"LIMOPAGE"
PREFACE_BYTES = len(PREFACE_MAGIC) + hashlib.sha256().digest_size
PREFACE_S = 5.0
CONNECT_S = 10.0
STALL_S = 30.0
STRANGERS = 16  # connections that may be about to introduce themselves at once
VECTORS = 512  # buffers in one system call; the kernel's limit is 1024
YIELD_BYTES = 4 << 20  # moved without waiting before others on the loop get their turn


class SocketLink:
    """One end; made by `connect` or `PageListener.accept`, or over any connected stream socket."""

    def __init__(self, connected: socket.socket, *, stall_s: float = STALL_S) -> None:
        connected.setblocking(False)
        if connected.family != socket.AF_UNIX:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connected
        self._stall_s = stall_s
        self._unyielded = 0

    async def send(self, buffers: Sequence[memoryview | bytes]) -> None:
        left = _views(buffers)
        while left:
            try:
                moved = self._socket.sendmsg(left[:VECTORS])
            except BlockingIOError:
                loop = asyncio.get_running_loop()
                await self._wait(loop.add_writer, loop.remove_writer)
                continue
            except OSError as error:
                raise LinkLost(f"the page channel broke while sending: {error}") from None
            left = _after(left, moved)
            await self._yield(moved)

    async def receive_into(self, *buffers: memoryview) -> None:
        left = _views(buffers)
        while left:
            try:
                moved = self._socket.recvmsg_into(left[:VECTORS])[0]
            except BlockingIOError:
                loop = asyncio.get_running_loop()
                await self._wait(loop.add_reader, loop.remove_reader)
                continue
            except OSError as error:
                raise LinkLost(f"the page channel broke while receiving: {error}") from None
            if not moved:
                raise LinkLost("the peer closed the page channel")
            left = _after(left, moved)
            await self._yield(moved)

    def readable(self) -> bool:
        try:
            self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            pass  # broken: a receive will say so at once
        return True

    async def close(self) -> None:
        self._socket.close()

    async def _wait(self, add: Callable[..., object], remove: Callable[[int], object]) -> None:
        """Until the kernel has room or data, but no longer than the stall timeout."""
        ready = asyncio.get_running_loop().create_future()
        descriptor = self._socket.fileno()
        add(descriptor, _set, ready)
        try:
            async with asyncio.timeout(self._stall_s):
                await ready
        except TimeoutError:
            raise LinkLost(f"nothing moved on the page channel for {self._stall_s:g} s") from None
        finally:
            remove(descriptor)
        self._unyielded = 0

    async def _yield(self, moved: int) -> None:
        self._unyielded += moved
        if self._unyielded >= YIELD_BYTES:
            self._unyielded = 0
            await asyncio.sleep(0)


def _set(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)


def _views(buffers: Sequence[memoryview | bytes]) -> list[memoryview]:
    return [memoryview(buffer) for buffer in buffers if len(buffer)]


def _after(views: list[memoryview], moved: int) -> list[memoryview]:
    """What is left of the views after their first `moved` octets."""
    for at, view in enumerate(views):
        if moved < len(view):
            return [view[moved:], *views[at + 1 :]]
        moved -= len(view)
    return []


def _preface(token: str) -> bytes:
    return PREFACE_MAGIC + hashlib.sha256(token.encode()).digest()


async def connect(host: str, port: int, token: str, *, stall_s: float = STALL_S) -> SocketLink:
    """The source's end."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_S):
            family, kind, protocol, _, address = (await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))[0]
            connecting = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol)
            try:
                await loop.sock_connect(connecting, address)
            except BaseException:
                connecting.close()
                raise
    except (OSError, TimeoutError) as error:
        raise LinkLost(f"no page channel to {host}:{port}: {str(error) or 'timed out'}") from None
    link = SocketLink(connecting, stall_s=stall_s)
    try:
        await link.send([_preface(token)])
    except BaseException:
        await link.close()
        raise
    return link


class PageListener:
    """The target's door: listens from `open` on, until the rightful source came or `close`."""

    def __init__(self, listening: socket.socket, token: str, stall_s: float) -> None:
        self._socket = listening
        self._preface = _preface(token)
        self._stall_s = stall_s
        self.port: int = listening.getsockname()[1]

    @classmethod
    async def open(cls, host: str, token: str, *, port: int = 0, stall_s: float = STALL_S) -> "PageListener":
        loop = asyncio.get_running_loop()
        family, kind, protocol, _, address = (
            await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        )[0]
        listening = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol)
        try:
            listening.bind(address)
            listening.listen(STRANGERS)
        except BaseException:
            listening.close()
            raise
        return cls(listening, token, stall_s)

    async def accept(self) -> SocketLink:
        """The first connection that knows the token; all others are hung up on. Ends the listening."""
        welcome: asyncio.Future[SocketLink] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.TaskGroup() as group:
                door = group.create_task(self._stand_at_the_door(group, welcome))
                link = await welcome
                door.cancel()
        except ExceptionGroup as broken:
            raise LinkLost(f"the page channel's listener broke: {broken.exceptions[0]}") from broken
        except asyncio.CancelledError:
            if welcome.done() and not welcome.cancelled():
                await welcome.result().close()
            raise
        finally:
            await self.close()
        return link

    async def close(self) -> None:
        self._socket.close()

    async def _stand_at_the_door(self, group: asyncio.TaskGroup, welcome: "asyncio.Future[SocketLink]") -> None:
        """Hear each caller in a task of its own, a bounded number at once."""
        room = asyncio.Semaphore(STRANGERS)
        callers: set[asyncio.Task[None]] = set()
        try:
            while True:
                await room.acquire()
                connected, _ = await asyncio.get_running_loop().sock_accept(self._socket)
                caller = group.create_task(self._hear(connected, welcome))
                callers.add(caller)
                caller.add_done_callback(callers.discard)
                caller.add_done_callback(lambda _: room.release())
        finally:
            for caller in callers:
                caller.cancel()

    async def _hear(self, connected: socket.socket, welcome: "asyncio.Future[SocketLink]") -> None:
        """One caller's preface; the socket is closed unless it is the awaited one."""
        said = bytearray(PREFACE_BYTES)
        admitted = False
        try:
            link = SocketLink(connected, stall_s=self._stall_s)
            async with asyncio.timeout(PREFACE_S):
                await link.receive_into(memoryview(said))
            if hmac.compare_digest(said, self._preface) and not welcome.done():
                welcome.set_result(link)
                admitted = True
        except (LinkLost, OSError):
            pass  # a stranger, or one that hung up: nothing to tell anybody
        finally:
            if not admitted:
                connected.close()


class MonotonicClock:
    """This host's monotonic time."""

    def now_ns(self) -> int:
        return time.monotonic_ns()

    async def sleep_until(self, ns: int) -> None:
        await asyncio.sleep(max(0, ns - time.monotonic_ns()) / 1e9)


class Threads:
    """Work in the event loop's own pool of threads."""

    def begin(self, work: Callable[[], T]) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(None, work)
