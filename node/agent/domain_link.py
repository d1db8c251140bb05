"""One domain process as its agent holds it: requests with answers, notices, and the certain knowledge of its end.

Invariants: every request is answered, refused, or failed by the process's death; notices are handed on in the order
in which the domain sent them; `ended` completes only when the process is reaped, so then nothing of it is left. A
domain whose channel has ended but which lives on is killed: without a channel nobody can ever ask it anything.
"""

import asyncio
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

from node.agent import children
from node.agent.errors import BY_KIND, DomainDied, Internal
from node.domain.framing import Channel, FramingError
from protos.domain_pb2 import Envelope

ANSWER_S = 30.0
LINGER_S = 2.0


@dataclass(frozen=True, slots=True)
class ForkedDomain:
    """What the template hands over: a process that has just begun to read its channel."""

    pid: int
    pidfd: int
    channel: socket.socket


class DomainLink:
    def __init__(self, forked: ForkedDomain, channel: Channel, on_notice: Callable[[Envelope], None]) -> None:
        self.pid = forked.pid
        self._pidfd = forked.pidfd
        self._channel = channel
        self._on_notice = on_notice
        self._ids = count(1)
        self._answers: dict[int, asyncio.Future[Envelope]] = {}
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.following = asyncio.create_task(self._follow(), name=f"domain {forked.pid}")

    @classmethod
    async def to(cls, forked: ForkedDomain, on_notice: Callable[[Envelope], None]) -> "DomainLink":
        return cls(forked, await Channel.over(forked.channel), on_notice)

    async def ask(self, *, timeout_s: float = ANSWER_S, **body: Any) -> Envelope:
        """Send one request and return its answer; raises the NodeError that the domain answers with."""
        if self.ended.done():
            raise DomainDied(f"the domain process {self.ended.result()}")
        number = next(self._ids)
        answer: asyncio.Future[Envelope] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            self._channel.send(Envelope(id=number, **body))
            async with asyncio.timeout(timeout_s):
                envelope = await answer
        except TimeoutError:
            raise Internal(f"the domain process did not answer within {timeout_s:.0f} s") from None
        finally:
            del self._answers[number]
        if envelope.WhichOneof("body") == "error":
            raise BY_KIND.get(envelope.error.kind, Internal)(envelope.error.text)
        return envelope

    async def kill(self) -> None:
        """End the process; returns when it is reaped."""
        if not self.ended.done():
            children.kill(self._pidfd)
        await asyncio.shield(self.ended)

    async def _follow(self) -> None:
        try:
            while (envelope := await self._channel.receive()) is not None:
                self._take(envelope)
        except FramingError:
            children.kill(self._pidfd)
        how = await self._reaped()
        self._channel.close()
        os.close(self._pidfd)
        self.ended.set_result(how)
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(DomainDied(f"the domain process {how}"))

    def _take(self, envelope: Envelope) -> None:
        if envelope.id == 0:
            self._on_notice(envelope)
            return
        answer = self._answers.get(envelope.id)
        if answer is not None and not answer.done():  # else nobody waits any more
            answer.set_result(envelope)

    async def _reaped(self) -> str:
        ending = asyncio.ensure_future(children.ended(self._pidfd))
        done, _ = await asyncio.wait({ending}, timeout=LINGER_S)
        if not done:
            children.kill(self._pidfd)
        return await ending
