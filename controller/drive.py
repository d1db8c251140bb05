"""The drive of one migration, from whatever step the journal holds to its end.

    preparing   target.PrepareIncoming: reserve and listen
    copying     source.MigrateOut until ready_to_commit: source paused, target verified, neither runs
                then the commit point decides, once
    committed   target.ActivateIncoming until it answers: the target owns the VM
    activated   source.ReleaseOutgoing
    aborting    source.CancelMigration and target.AbortIncoming: the VM runs on the source

A fresh migration and one found in the journal after a restart take the same way; the latter only cannot resume a
copy, so before the commit it is aborted. Every call to a node is idempotent by the migration's id and is repeated
until it is answered: for ever after the commit, a bounded number of times for cleaning up (reconcile.py does the rest
when the node is back).

The journal may be full at any step. What it cannot record before the commit has not happened: the migration is aborted,
the VM runs on its source at once, and the record of that follows when there is room. What it cannot record after the
commit has happened: the record is insisted upon.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field

from controller import downtime
from controller.abandon import abandon
from controller.agents import NodeAgent
from controller.clock import Backoff, Clock
from controller.commit import CommitPoint, Verdict
from controller.errors import ControllerError, JournalFull, NodeUnreachable, NotFound
from controller.inventory import Inventory
from controller.journal import Journal
from controller.lifecycle import MigrationState
from controller.rows import MigrationRow
from protos import common_pb2, node_pb2

CLEANUP_S = 20.0
UNDO_TARGET_S = 2.0  # the guest waits meanwhile
STALL_S = 120.0

Settle = Callable[[str], Awaitable[None]]


@dataclass(slots=True)
class Live:
    """What a running migration shows to watchers between two journal records."""

    record: common_pb2.MigrationRecord
    pages_remaining: int = 0
    bytes_per_s: float = 0.0
    aborted: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a drive needs of the controller."""

    journal: Journal
    inventory: Inventory
    commit_point: CommitPoint
    clock: Clock
    settle: Settle  # asks the VM's owner how the VM is, and journals it
    notify: Callable[[], None]


class Drive:
    """One migration."""

    def __init__(self, around: Surroundings, row: MigrationRow) -> None:
        self._around = around
        self._journal = around.journal
        self._clock = around.clock
        self._id = row.id
        self._began_ns = around.clock.monotonic_ns()
        self._ready_ns = 0  # when ready_to_commit arrived; 0: by an earlier life of the controller
        self._activation_ns = 0  # what the target says its part of the resume took; 0: it did not say
        self._endpoint = node_pb2.PrepareIncomingReply()
        self.live = Live(row.record)

    async def run(self) -> MigrationRow:
        """Drive to the end; safe to call again in a new process after a kill at any point."""
        steps: dict[MigrationState, Callable[[MigrationRow], Awaitable[None]]] = {
            MigrationState.PREPARING: self._prepare,
            MigrationState.COPYING: self._copy,
            MigrationState.COMMITTED: self._activate,
            MigrationState.ACTIVATED: self._release,
            MigrationState.ABORTING: self._clean_up,
        }
        while not (row := self._row()).ended:
            await steps[row.state](row)
            self._around.notify()
        with suppress(ControllerError):
            await self._around.settle(row.vm)
        return row

    async def abort_unfinished(self) -> None:
        """After a restart: a copy that was under way cannot be taken up again."""
        if self._row().state in (MigrationState.PREPARING, MigrationState.COPYING):
            await self._abort("failed", "the controller was restarted before the commit")

    # Before the commit

    async def _prepare(self, row: MigrationRow) -> None:
        self._phase("preparing")
        try:
            self._endpoint = await self._target(row).prepare_incoming(row.id, self._journal.vm(row.vm).spec)
            if self._row().state is MigrationState.PREPARING:  # else it was cancelled while the target prepared
                self._journal.step_migration(row.id, "prepared", text=f"{row.target} listens")
        except JournalFull as full:
            await self._abort("failed", str(full))
        except ControllerError as error:
            await self._abort("failed", f"{row.target} cannot take the VM: {error}")

    async def _copy(self, row: MigrationRow) -> None:
        request = node_pb2.MigrateOutRequest(
            migration_id=row.id, vm=row.vm, host=self._endpoint.host, port=self._endpoint.port,
            token=self._endpoint.token, options=row.record.options,
        )  # fmt: skip
        try:
            async with aclosing(self._source(row).migrate_out(request)) as events:
                await self._follow(events)
        except ControllerError as error:
            await self._abort("failed", str(error))

    async def _follow(self, events: AsyncIterator[node_pb2.MigrationEvent]) -> None:
        """Take in the source's events until a verdict stands; a cancel ends it from outside."""
        while True:
            event = await self._next(events)
            if event is None:
                return
            kind = event.WhichOneof("event")
            if kind == "phase":
                self._phase(event.phase)
            elif kind == "progress":
                self.live.pages_remaining = event.progress.pages_remaining
                self.live.bytes_per_s = event.progress.bytes_per_s
                self.live.record.bytes_sent = max(self.live.record.bytes_sent, event.progress.bytes_sent)
                self._around.notify()
            elif kind == "round":
                self._round(event.round)
            elif kind == "ready_to_commit":
                await self._commit(event.ready_to_commit)
                return
            elif kind == "failed":
                outcome = event.failed.kind if event.failed.kind in ("cancelled", "unconverged") else "failed"
                await self._abort(outcome, f"{event.failed.kind}: {event.failed.error}")
                return

    async def _next(self, events: AsyncIterator[node_pb2.MigrationEvent]) -> node_pb2.MigrationEvent | None:
        """The next event; None once a verdict stands without one."""
        coming = asyncio.ensure_future(anext(events, None))
        aborted = asyncio.ensure_future(self.live.aborted.wait())
        try:
            await asyncio.wait({coming, aborted}, timeout=STALL_S, return_when=asyncio.FIRST_COMPLETED)
            if coming.done():
                event = coming.result()
                if event is None:
                    await self._abort("failed", "the source ended the stream without a verdict")
                return event
            if not aborted.done():
                await self._abort("failed", f"the source reported nothing for {STALL_S:.0f} s")
            return None
        finally:
            aborted.cancel()
            await abandon(coming)

    def _round(self, done: common_pb2.Round) -> None:
        record = self.live.record
        record.rounds.append(done)
        record.pages_normal += done.pages_normal
        record.pages_zero += done.pages_zero
        record.bytes_sent = sum(r.bytes_sent for r in record.rounds)
        self.live.pages_remaining = done.dirty_pages_after
        self.live.bytes_per_s = done.bytes_per_s
        text = f"round {done.number}: {done.pages_normal} pages, {done.dirty_pages_after} dirty after; {done.reason}"
        self._save("migration.round", text)

    async def _commit(self, ready: node_pb2.ReadyToCommit) -> None:
        """Both sides are ready and neither runs: the moment of decision."""
        self._ready_ns = self._clock.monotonic_ns()
        record = self.live.record
        downtime.take_ready(record, ready)
        self._save("migration.ready", f"both sides hold {ready.digest}")
        verdict = await self._around.commit_point.decide(self._id, Verdict.COMMIT)
        if verdict is Verdict.COMMIT:
            record.runs_on = record.target
            downtime.add_part(record, "commit", self._clock.monotonic_ns() - self._ready_ns)
            await self._activate(self._row())  # here, because the guest is waiting: the stream can be closed later

    # After the commit

    async def _activate(self, row: MigrationRow) -> None:
        self._phase("activating")
        committed_ns = self._clock.monotonic_ns()
        record = self.live.record
        backoff = Backoff(self._clock)
        while not await self._activated(row):
            await backoff.pause()
            if self._row().state is not MigrationState.COMMITTED:
                return
        now_ns = self._clock.monotonic_ns()
        if self._ready_ns:
            downtime.add_part(record, "resume", now_ns - self._ready_ns - downtime.part(record, "commit"))
            record.total_ns = now_ns - self._began_ns
        else:  # the commit was measured by an earlier life: only the wall clock spans both
            downtime.add_part(record, "commit", 0)
            downtime.add_part(
                record, "resume", max(now_ns - committed_ns, self._clock.unix_ns() - row.committed_unix_ns)
            )
            record.total_ns = max(record.downtime_ns, self._clock.unix_ns() - record.started_unix_ns)
        record.runs_on = row.target
        own = (
            f", {self._activation_ns / 1e6:.1f} ms of it in {row.target}'s own activation"
            if self._activation_ns
            else ""
        )
        text = f"runs on {row.target} after a downtime of {record.downtime_ns / 1e6:.1f} ms{own}"
        await self._recorded(row.id, "activated", text=text, record=record)

    async def _activated(self, row: MigrationRow) -> bool:
        """One attempt. The target's own word decides what an error means."""
        target = self._target(row)
        try:
            reply = await target.activate_incoming(row.id)
            self._activation_ns = reply.resume_ns
            return True
        except NodeUnreachable:
            return False
        except ControllerError as error:
            return await self._judge(target, row, error)

    async def _judge(self, target: NodeAgent, row: MigrationRow, error: ControllerError) -> bool:
        """The target answers but does not activate: it has done so already, or its copy is dead, or try again."""
        try:
            info = await target.get_vm(row.vm)
        except NotFound:
            sentence = f"{row.target} lost its copy before it could run ({error}); ownership went back to {row.source}"
            with suppress(JournalFull):  # then the target is asked again, and says the same
                await self._around.commit_point.revert(row.id, sentence)
            return False
        except ControllerError:
            return False
        return info.state not in (common_pb2.VM_STATE_INCOMING, common_pb2.VM_STATE_UNSPECIFIED)

    async def _release(self, row: MigrationRow) -> None:
        self._phase("releasing")
        freed = await self._insist(lambda: self._source(row).release_outgoing(row.id))
        left = "" if freed else f"; {row.source} does not answer and will be told when it is back"
        record = self._ended(row.record, "succeeded", "", row.target)
        await self._recorded(row.id, "released", text=f"runs on {row.target}{left}", record=record)

    async def _clean_up(self, row: MigrationRow) -> None:
        """The source first: its guest is waiting."""
        self._phase("aborting")
        told = await self._insist(lambda: self._source(row).cancel_migration(row.id))
        await self._insist(lambda: self._target(row).abort_incoming(row.id))
        outcome, error, runs_on = row.outcome, row.error, row.source
        try:
            if not told:
                raise NodeUnreachable(f"node {row.source} does not answer")
            await self._around.settle(row.vm)
        except JournalFull:
            pass  # the source has answered; how the VM is will be recorded by the reconciler
        except ControllerError as lost:
            outcome, error, runs_on = "lost", f"{row.error}; {lost}", ""
        record = self._ended(self.live.record, outcome, error, runs_on)
        await self._recorded(row.id, outcome, text=error, record=record, error=error)

    def _ended(
        self, record: common_pb2.MigrationRecord, result: str, error: str, runs_on: str
    ) -> common_pb2.MigrationRecord:
        record.phase, record.result, record.error, record.runs_on = "ended", result, error, runs_on
        record.ended_unix_ns = self._clock.unix_ns()
        if not record.total_ns:
            record.total_ns = self._clock.monotonic_ns() - self._began_ns
        self.live.record = record
        return record

    # Mechanism

    async def _recorded(self, migration_id: str, event: str, *, text: str, **changes: object) -> None:
        """Journal a step that has been taken, as soon as there is room."""
        backoff = Backoff(self._clock)
        while True:
            try:
                self._journal.step_migration(migration_id, event, text=text, **changes)
                return
            except JournalFull:
                await backoff.pause()

    async def _insist(self, call: Callable[[], Awaitable[None]], *, within_s: float = CLEANUP_S) -> bool:
        """Repeat a clean-up until the node has answered; "no such migration" is an answer."""
        until_ns = self._clock.monotonic_ns() + int(within_s * 1e9)
        backoff = Backoff(self._clock)
        while self._clock.monotonic_ns() < until_ns:
            try:
                await call()
            except NotFound:
                return True
            except ControllerError:
                await backoff.pause()
            else:
                return True
        return False

    async def _abort(self, outcome: str, error: str) -> None:
        """Ask for an abort. If there is no room to write it down, then there was none for a commit either."""
        backoff, undone = Backoff(self._clock), False
        while True:
            try:
                await self._around.commit_point.decide(self._id, Verdict.ABORT, outcome=outcome, error=error)
                return
            except JournalFull as full:
                if not undone:
                    undone = True
                    await self._undo(str(full))
                await backoff.pause()

    async def _undo(self, why: str) -> None:
        """Let the VM run on its source though the journal does not say so yet.

        The target's copy goes first. A disk that failed in the middle of writing the commit may show it after all to a
        controller that is killed now and started again; that one then finds no copy to activate, and gives the VM back.
        """
        row = self._row()
        self.live.record.error = why
        self._phase("aborting")
        await self._insist(lambda: self._target(row).abort_incoming(row.id), within_s=UNDO_TARGET_S)
        await self._insist(lambda: self._source(row).cancel_migration(row.id))

    def _save(self, kind: str, text: str) -> None:
        row = self._row()
        if row.state is not MigrationState.COPYING:
            return  # a cancel was quicker; the abort's own record follows
        self._journal.update_migration(_with_record(row, self.live.record), kind=kind, text=text)

    def _phase(self, phase: str) -> None:
        self.live.record.phase = phase
        self._around.notify()

    def _row(self) -> MigrationRow:
        return self._journal.migration(self._id)

    def _source(self, row: MigrationRow) -> NodeAgent:
        return self._around.inventory.agent(row.source)

    def _target(self, row: MigrationRow) -> NodeAgent:
        return self._around.inventory.agent(row.target)


def _with_record(row: MigrationRow, record: common_pb2.MigrationRecord) -> MigrationRow:
    copy = common_pb2.MigrationRecord()
    copy.CopyFrom(record)
    return MigrationRow(
        row.id, row.vm, row.source, row.target, row.state, row.outcome, row.error, row.committed_unix_ns,
        row.request_id, copy,
    )  # fmt: skip
