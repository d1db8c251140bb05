"""The source's side of a twin's migration: rounds of dirty pages, the pause, the digests, ready to commit.

Emits the events of NodeService.MigrateOut in the order that protos/node.proto names, with figures counted from the
pages that really went. Knows the target only as a `PageChannel`.
"""

from collections.abc import AsyncGenerator, Callable
from typing import Protocol

from controller.twin_vm import TwinVm
from protos import common_pb2, node_pb2

PAGE_BYTES = 4096
MAX_ROUNDS = 8
STEPS_A_ROUND = 20
SMALL_ENOUGH_PAGES = 8
PARTS = ("stop", "last_pages", "state", "transfer", "load", "verify")

Events = AsyncGenerator[node_pb2.MigrationEvent, None]


class PageChannel(Protocol):
    """How a source reaches the target's incoming copy."""

    async def send(self, host: str, port: int, token: str, pages: dict[int, int], registers: str) -> str:
        """Deliver pages, and at the pause the registers; the answer is the target's digest."""
        ...


class TwinOutgoing:
    """One copy on its way out."""

    def __init__(
        self, copy: TwinVm, request: node_pb2.MigrateOutRequest, channel: PageChannel, *, max_rounds: int
    ) -> None:
        self._copy = copy
        self._request = request
        self._channel = channel
        self._max_rounds = max_rounds
        self._totals = {"bytes_sent": 0, "pages_normal": 0, "pages_zero": 0}

    async def events(self, *, pause: Callable[[], None], resume: Callable[[], None]) -> Events:
        """The whole migration, up to the message after which neither copy runs."""
        yield node_pb2.MigrationEvent(phase="setup")
        if self._request.options.algorithm != "stop-and-copy":
            yield node_pb2.MigrationEvent(phase="active")
            for number in range(1, self._max_rounds + 1):
                done = await self._round(number)
                yield node_pb2.MigrationEvent(round=done)
                if done.verdict == "abort":
                    yield failed("unconverged", done.reason)
                    return
                if done.verdict == "stop-and-copy":
                    break
        yield node_pb2.MigrationEvent(phase="stop-and-copy")
        pause()
        theirs = await self._send(self._copy.registers())
        yield node_pb2.MigrationEvent(phase="verify")
        if theirs != self._copy.digest():
            resume()
            yield failed("verify-mismatch", "the digests differ")
            return
        yield node_pb2.MigrationEvent(ready_to_commit=self._ready(theirs))

    def _ready(self, digest: str) -> node_pb2.ReadyToCommit:
        parts = [common_pb2.DowntimePart(name=name, duration_ns=1_000 * (i + 1)) for i, name in enumerate(PARTS)]
        paused = sum(part.duration_ns for part in parts)
        return node_pb2.ReadyToCommit(digest=digest, parts=parts, paused_for_ns=paused, setup_ns=500, **self._totals)

    async def _round(self, number: int) -> common_pb2.Round:
        before = dict(self._totals)
        await self._send("")
        self._copy.run(STEPS_A_ROUND // number)
        left = len(self._copy.dirty)
        verdict, reason = "continue", f"{left} pages are dirty"
        if left <= SMALL_ENOUGH_PAGES:
            verdict, reason = "stop-and-copy", f"only {left} pages left"
        elif number == self._max_rounds:
            verdict, reason = "abort", f"after {number} rounds {left} pages are still dirty"
        sent = {key: self._totals[key] - before[key] for key in before}
        return common_pb2.Round(
            number=number, duration_ns=1_000_000, dirty_pages_after=left, verdict=verdict, reason=reason,
            dirty_pages_per_s=left * 1e3, bytes_per_s=sent["bytes_sent"] * 1e3, **sent,
        )  # fmt: skip

    async def _send(self, registers: str) -> str:
        pages = self._copy.take_dirty()
        zero = sum(content == 0 for content in pages.values())
        self._totals["pages_zero"] += zero
        self._totals["pages_normal"] += len(pages) - zero
        self._totals["bytes_sent"] += (len(pages) - zero) * PAGE_BYTES
        to = self._request
        return await self._channel.send(to.host, to.port, to.token, pages, registers)


def failed(kind: str, error: str) -> node_pb2.MigrationEvent:
    return node_pb2.MigrationEvent(failed=node_pb2.Failed(kind=kind, error=error))
