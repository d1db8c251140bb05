"""The agent's template process: started, kept alive, and asked for domains. Its protocol: `node.domain.template`.

One template at a time. It is started by exec (never forked from this process, which runs gRPC's threads). When it
dies it is started again, after a pause that doubles while it dies young; the domains it forked are not its children
any more and live on. `fork` waits for a template that is still warming up, and says so if it cannot be had.
"""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Sequence

import structlog

from node.agent import children
from node.agent.domain_link import ForkedDomain
from node.agent.errors import Internal, Unavailable
from node.domain.framing import PACKET_BYTES

log = structlog.get_logger()

WARM_UP_S = 300.0  # the first compile of the interpreter on a slow machine
FORK_S = 10.0
RESTART_FIRST_S = 0.1
RESTART_MOST_S = 5.0
ONE_THREAD = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}  # numpy starts none at import


class Template:
    """Keeps one template process; `start` once, `stop` once."""

    def __init__(self, machinery: str, arguments: Sequence[str] = ()) -> None:
        self._command = [sys.executable, "-m", "node.domain.template", "--machinery", machinery, *arguments]
        self._control: socket.socket | None = None
        self._ready = asyncio.Event()
        self._forking = asyncio.Lock()
        self._keeping: asyncio.Task[None] | None = None
        self._pidfd: int | None = None
        self.pid = 0
        self.deaths = 0
        self._domains: set[int] = set()

    def start(self) -> None:
        children.become_subreaper()
        self._keeping = asyncio.create_task(self._keep(), name="template")

    async def stop(self) -> None:
        """End the process; returns when it is reaped. Domains live on."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)

    async def ready(self, timeout_s: float = WARM_UP_S) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await self._ready.wait()
        except TimeoutError:
            raise Unavailable(f"the template process was not ready within {timeout_s:.0f} s") from None

    async def fork(self, name: str) -> ForkedDomain:
        """A new domain process, idle at its channel."""
        async with self._forking:
            await self.ready()
            assert self._control is not None
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                pid, pidfd = await self._request_fork(self._control, name, theirs)
            except BaseException:
                ours.close()  # a domain forked all the same reads the end of its channel and ends
                raise
            finally:
                theirs.close()
            ours.setblocking(False)
            self._domains.add(pid)
            return ForkedDomain(pid, pidfd, ours)

    def forget(self, pid: int) -> None:
        """The domain was reaped by whoever held it."""
        self._domains.discard(pid)

    async def _request_fork(self, control: socket.socket, name: str, theirs: socket.socket) -> tuple[int, int]:
        try:
            socket.send_fds(control, [f"fork {name}".encode()], [theirs.fileno()])
            async with asyncio.timeout(FORK_S):
                verb, text, descriptors = await _receive(control)
        except (OSError, TimeoutError) as error:
            self._kill()
            raise Unavailable("the template process died while forking a domain; it is being restarted") from error
        if verb != "forked":
            raise Internal(f"no domain process could be forked: {text or 'the template process ended'}")
        return int(text), descriptors[0]

    async def _keep(self) -> None:
        pause_s = RESTART_FIRST_S
        while True:
            lived_ready = await self._run_once()
            self.deaths += 1
            pause_s = RESTART_FIRST_S if lived_ready else min(2 * pause_s, RESTART_MOST_S)
            await asyncio.sleep(pause_s)
            children.reap_strays(self._domains)

    async def _run_once(self) -> bool:
        """Run one template process from its start to its end; whether it was ever ready."""
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = subprocess.Popen(
                [*self._command, "--control-fd", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**os.environ, **ONE_THREAD},
            )
        control.setblocking(False)
        self._control, self.pid = control, process.pid
        self._pidfd = os.pidfd_open(process.pid)
        warming = asyncio.create_task(self._warm(control), name="template warm-up")
        try:
            how = await children.ended(self._pidfd)
            process.returncode = 0  # reaped above: Popen must not look for it
            log.warning("template.ended", pid=process.pid, how=how, ready=self._ready.is_set())
            return self._ready.is_set()
        except asyncio.CancelledError:
            self._kill()
            process.wait()
            raise
        finally:
            warming.cancel()
            self._ready.clear()
            os.close(self._pidfd)
            self._pidfd, self.pid = None, 0
            control.close()

    async def _warm(self, control: socket.socket) -> None:
        """Hand on the progress of the warm-up until the template is ready."""
        while True:
            verb, text, _ = await _receive(control)
            if verb == "progress":
                log.info("template.progress", text=text)
            elif verb == "ready":
                log.info("template.ready", pid=self.pid)
                self._ready.set()
                return
            else:
                return  # its end; `_run_once` sees it

    def _kill(self) -> None:
        if self._pidfd is not None:
            children.kill(self._pidfd)


async def _receive(control: socket.socket) -> tuple[str, str, list[int]]:
    """The next packet: its verb, its text, its descriptors; all empty at the end."""
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()
    loop.add_reader(control, _complete, readable)
    try:
        await readable
    finally:
        loop.remove_reader(control)
    packet, descriptors, _, _ = socket.recv_fds(control, PACKET_BYTES, 1)
    verb, _, text = packet.decode().partition(" ")
    return verb, text, descriptors


def _complete(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
