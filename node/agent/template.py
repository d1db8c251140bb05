"""The agent's template process: started, kept alive, and asked for domains. Its protocol: `node.domain.template`.

One template at a time. It is started by exec (never forked from this process, which runs gRPC's threads). When it
dies it is started again, after a pause that doubles while it dies before it is ready; the domains it forked are not
its children any more and live on. `fork` waits for a template that is still warming up; one that has died
`HOPELESS` times before it was ready is not waited for.
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
from node.agent.template_control import Control
from node.agent.words import Words
from node.domain.one_thread import ONE_THREAD

log = structlog.get_logger()

WARM_UP_S = 600.0  # the first compile of the interpreter on a slow machine
FORK_S = 10.0
RESTART_FIRST_S = 0.1
RESTART_MOST_S = 5.0
HOPELESS = 3
PROGRESS_STEP = 0.2


class Template:
    """Keeps one template process; `start` once, `stop` once."""

    def __init__(self, machinery: str, arguments: Sequence[str] = ()) -> None:
        self._command = [sys.executable, "-m", "node.domain.template", "--machinery", machinery, *arguments]
        self._control: Control | None = None  # of the template that is ready
        self._changed = asyncio.Condition()
        self._early_deaths = 0
        self.restarts = 0
        self._forking = asyncio.Lock()
        self._keeping: asyncio.Task[None] | None = None
        self._domains: set[int] = set()
        self._pid = self._pidfd = -1
        self._words: Words | None = None

    def start(self) -> None:
        children.become_subreaper()
        self._words = Words()
        self._keeping = asyncio.create_task(self._keep(), name="template")

    async def stop(self) -> None:
        """End the process; returns when it is reaped. Domains live on."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        await children.strays_ended(self._domains)
        if self._words is not None:
            self._words.close()

    async def fork(self, name: str) -> ForkedDomain:
        """A new domain process, idle at its channel."""
        async with self._forking:
            control = await self.ready()
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                pid, pidfd = await self._request(control, name, theirs)
            except BaseException:
                ours.close()  # a domain that was forked all the same reads the end of its channel, and ends
                raise
            finally:
                theirs.close()
            ours.setblocking(False)
            self._domains.add(pid)
            return ForkedDomain(pid, pidfd, ours)

    def forget(self, pid: int) -> None:
        """The domain was reaped by whoever held it. What its compiler and those of others were, is ours now."""
        self._domains.discard(pid)
        children.reap_strays(self._domains | {self._pid})

    async def ready(self) -> Control:
        """Wait until domains can be forked: the first time ever, until the interpreter is compiled."""
        try:
            async with asyncio.timeout(WARM_UP_S), self._changed:
                await self._changed.wait_for(lambda: self._control is not None or self._early_deaths >= HOPELESS)
        except TimeoutError:
            raise Unavailable(f"the template process was not ready within {WARM_UP_S:.0f} s") from None
        if self._control is None:
            raise Unavailable(f"the template process died {self._early_deaths} times at its start; see the node's log")
        return self._control

    async def _request(self, control: Control, name: str, theirs: socket.socket) -> tuple[int, int]:
        try:
            control.ask_fork(name, theirs)
            async with asyncio.timeout(FORK_S):
                packet = await control.receive()
        except OSError as error:  # a timeout too
            children.kill(self._pidfd)
            raise Unavailable("the template process did not fork a domain; it is being restarted") from error
        if packet.verb == "failed":
            raise Internal(f"no domain process could be forked: {packet.text}")
        if packet.verb != "forked":
            raise Unavailable("the template process died while it was to fork a domain; it is being restarted")
        return int(packet.text), packet.descriptors[0]

    async def _keep(self) -> None:
        while True:
            await self._run_once()
            pause_s = min(RESTART_FIRST_S * 2**self._early_deaths, RESTART_MOST_S)
            await asyncio.sleep(pause_s)
            children.reap_strays(self._domains)
            self.restarts += 1

    async def _run_once(self) -> None:
        """Run one template process from its start to its end."""
        assert self._words is not None
        control = Control()
        with control.theirs as theirs:
            process = subprocess.Popen(
                [*self._command, "--control-fd", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stderr=self._words.theirs,
                env={**os.environ, **ONE_THREAD},
            )
        self._pid, self._pidfd = process.pid, os.pidfd_open(process.pid)
        warming = asyncio.create_task(self._warm(control, process.pid), name="template warm-up")
        try:
            how = await children.ended(self._pidfd)
            log.warning("template.ended", pid=process.pid, how=how, ready=self._control is not None)
            await self._note_death()
        finally:
            warming.cancel()
            children.kill(self._pidfd)
            process.wait()  # at once: it is killed or, above, was reaped already
            os.close(self._pidfd)
            self._pid, self._pidfd, self._control = -1, -1, None
            control.close()
            control.drop_unclaimed()

    async def _warm(self, control: Control, pid: int) -> None:
        """Say how the warm-up goes, now and then, until the template is ready."""
        said = 0.0
        while (packet := await control.receive()).verb == "progress":
            share, _, text = packet.text.partition(" ")
            if said == 0.0 or float(share) >= said + PROGRESS_STEP:
                said = max(float(share), PROGRESS_STEP / 100)
                log.info("template.progress", done=f"{float(share):.0%}", text=text)
        if packet.verb == "ready":
            log.info("template.ready", pid=pid)
            async with self._changed:
                self._control, self._early_deaths = control, 0
                self._changed.notify_all()

    async def _note_death(self) -> None:
        async with self._changed:
            self._early_deaths += self._control is None
            self._control = None
            self._changed.notify_all()
