"""One migration at its source, while it lasts: what is planned, what is known, and how it talks.

The phases (stages.py, precopy.py, stop_and_copy.py) are functions of an `Outgoing`; source.py runs them and owns what a
failure means. Nothing here decides anything.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import numpy as np

from node.memory.ram import PageNumbers
from node.migration.answers import Failed, Mismatch, Refuse
from node.migration.channel import Channel
from node.migration.commit import CommitAuthority, Verdict
from node.migration.digest import Digest
from node.migration.errors import Cancelled, LinkLost, MigrationError, StreamCorrupt, VerifyMismatch
from node.migration.link import Clock, Link, Workers
from node.migration.machines import SourceMachine
from node.migration.pages import PageReader
from node.migration.policy import Limits
from node.migration.report import DowntimeClock, Round
from node.migration.stream import Reader, Writer
from node.migration.wire import BATCH_PAGES, PAGE_BYTES, Record

PROGRESS_NS = 250_000_000
SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked for."""

    migration_id: str
    algorithm: str = "pre-copy"
    limits: Limits = field(default_factory=Limits)
    bandwidth_bytes_per_s: int = 0  # 0: unlimited
    guest_runs: bool = True  # false: it was paused before, and a failure leaves it so

    @property
    def batch_pages(self) -> int:
        """Pages between two looks at `Cancel`: at most a tenth of a second's on a limited link."""
        a_tenth = self.bandwidth_bytes_per_s // (10 * PAGE_BYTES)
        return min(BATCH_PAGES, max(1, a_tenth)) if self.bandwidth_bytes_per_s else BATCH_PAGES


@dataclass(frozen=True, slots=True)
class PhaseBegins:
    name: str


@dataclass(frozen=True, slots=True)
class Progress:
    """Inside a round, a few a second."""

    round: int
    pages_remaining: int
    bytes_sent: int
    bytes_per_s: float


Notice = PhaseBegins | Round | Progress
Observe = Callable[[Notice], None]


class Cancel:
    """A wish to end the migration; heeded between batches of pages and before the authority is asked."""

    def __init__(self) -> None:
        self.reason: str | None = None

    def request(self, reason: str = "cancelled by request") -> None:
        self.reason = reason


class Outgoing:
    """The state of one migration at its source."""

    def __init__(
        self,
        machine: SourceMachine,
        link: Link,
        plan: Plan,
        *,
        clock: Clock,
        workers: Workers,
        authority: CommitAuthority,
        observe: Observe,
        cancel: Cancel,
    ) -> None:
        self.machine = machine
        self.plan = plan
        self.clock = clock
        self.workers = workers
        self.authority = authority
        self.observe = observe
        self.cancel = cancel
        self.channel = Channel(link, Writer("source"), Reader("target"))
        self.reader = PageReader(machine.memory)

        self.started_ns = clock.now_ns()
        self.setup_ns = 0
        self.fixed_ns = 0  # of any downtime, measured: what does not depend on the pages left
        self.rounds: list[Round] = []
        self.remaining: PageNumbers = np.arange(machine.memory.pages)  # what the next round must send

        self.tracking = False
        self.paused = False
        self.downtime: DowntimeClock | None = None
        self.hashing: Awaitable[bytes] | None = None  # the memory's chunks, from the pause on
        self.snapshot = b""
        self.octets_to_state = 0
        self.digest: Digest | None = None
        self.asked = False  # the authority: from then on only its answer moves the guest
        self.verdict: Verdict | None = None
        self._told_at = self.started_ns

    def now(self) -> int:
        return self.clock.now_ns()

    def mark(self, part: str) -> None:
        """The time since the last mark was this part of the downtime."""
        assert self.downtime is not None, "the guest is not paused"
        self.downtime.mark(part, self.now())

    async def attend(self) -> None:
        """Between two sends: was this cancelled, or has the target something to say out of turn?"""
        self.check_cancel()
        if self.channel.link.readable():
            raise await self._out_of_turn()

    def check_cancel(self) -> None:
        if self.cancel.reason is not None:
            raise Cancelled(self.cancel.reason)

    async def send(self, record: Record) -> None:
        """A send that fails because the target gave up fails with the target's reason, if that arrived."""
        try:
            await self.channel.send(record)
        except LinkLost as lost:
            raise await self._reason(lost) from None

    async def answer(self) -> Record:
        """The target's next record; its refusals and failures are raised."""
        record = await self.channel.receive()
        if isinstance(record, Refuse | Failed | Mismatch):
            raise from_target(record)
        return record

    def progress(self, sent_pages: int, of_pages: int, begun_ns: int, octets_before: int) -> None:
        """Tell the observer how the round goes, if it was not told lately."""
        now = self.now()
        if now - self._told_at < PROGRESS_NS:
            return
        self._told_at = now
        octets = self.channel.writer.octets
        rate = per_second(octets - octets_before, now - begun_ns)
        self.observe(Progress(len(self.rounds) + 1, of_pages - sent_pages, octets, rate))

    async def _reason(self, lost: LinkLost) -> MigrationError:
        """Why the target is gone, if it said so; it may have said things in good order before."""
        try:
            while self.channel.link.readable():
                await self.answer()
        except LinkLost:
            return lost
        except MigrationError as said:
            return said
        return lost

    async def _out_of_turn(self) -> MigrationError:
        """While it is being sent to, a target may say only that it has failed."""
        return from_target(await self.channel.receive())


def from_target(record: Record) -> MigrationError:
    """The target's reason as the source's error."""
    if isinstance(record, Mismatch):
        return VerifyMismatch(f"the target's copy differs from the source in {record.what}")
    if isinstance(record, Refuse | Failed):
        return type(record.error)(f"the target says: {record.error.sentence}")
    return StreamCorrupt(f"the target said {record.TYPE.name} out of turn")


def per_second(amount: float, duration_ns: int) -> float:
    return amount * SECOND_NS / duration_ns if duration_ns else 0.0
