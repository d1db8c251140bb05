"""The source's end of a migration in its domain: connect, run the algorithm, tell the agent, await the verdict.

The algorithm (`node.migration.source`) promises that every failure before the commit authority was asked leaves the
guest running. The authority here is the agent: `decide` reports ready_to_commit and waits, without any bound, because
only the controller knows whether its journal says "committed". ABORT arrives as `cancel`; COMMIT arrives as the end
of this process, which is the one way in which a committed copy is sure never to run again.
"""

import asyncio
import traceback
from collections.abc import Callable

from node.domain.guest import Guest
from node.domain.machinery import Records, Refused
from node.domain.page_channel import MonotonicClock, Threads, connect
from node.memory.ram import GuestMemory, PageNumbers
from node.migration.commit import Ready, Verdict
from node.migration.errors import MigrationError
from node.migration.outgoing import Cancel, Notice, PhaseBegins, Plan, Progress
from node.migration.policy import Limits
from node.migration.source import ALGORITHMS, migrate_out
from protos import common_pb2, node_pb2
from protos.node_pb2 import Failed, MigrateOutRequest, MigrationEvent, ReadyToCommit

CANCEL_S = 1.0  # for the algorithm to notice by itself, before it is interrupted


class Outgoing:
    def __init__(self, guest: Guest, request: MigrateOutRequest, send: Callable[[MigrationEvent], None]) -> None:
        if request.options.algorithm not in ALGORITHMS:
            known = ", ".join(sorted(ALGORITHMS))
            raise Refused("invalid-argument", f"no algorithm {request.options.algorithm!r}: there are {known}")
        self.migration_id = request.migration_id
        self._guest = guest
        self._request = request
        self._send = send
        self._cancel = Cancel()
        self._guest_stopped = ""
        self._verdict: asyncio.Future[Verdict] | None = None  # exists once the authority was asked
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"migration {self.migration_id}")

    @property
    def ended(self) -> bool:
        return self._task is None or self._task.done()

    async def cancel(self, reason: str = "cancelled by request") -> None:
        """End it, uncommitted; returns when the guest is as it was."""
        if self._task is None or self._task.done():
            return
        if self._verdict is not None:
            if not self._verdict.done():
                self._verdict.set_result(Verdict.ABORT)
        else:
            self._cancel.request(reason)
            _, pending = await asyncio.wait({self._task}, timeout=CANCEL_S)
            if pending:
                self._task.cancel()
        await asyncio.wait({self._task})

    async def guest_stopped(self, reason: str) -> None:
        """There is nothing left to move."""
        self._guest_stopped = f"the guest stopped while it was moved: {reason}"
        await self.cancel(self._guest_stopped)

    async def decide(self, ready: Ready) -> Verdict:
        """The commit authority, as the algorithm knows it."""
        self._verdict = asyncio.get_running_loop().create_future()
        parts = [common_pb2.DowntimePart(name=part.name, duration_ns=part.duration_ns) for part in ready.parts]
        message = ReadyToCommit(
            digest=ready.digest,
            parts=parts,
            paused_for_ns=ready.paused_for_ns,
            setup_ns=ready.setup_ns,
            bytes_sent=ready.bytes_sent,
            pages_normal=ready.pages_normal,
            pages_zero=ready.pages_zero,
        )
        self._send(MigrationEvent(ready_to_commit=message))
        return await self._verdict

    async def _run(self) -> None:
        request = self._request
        try:
            link = await connect(request.host, request.port, request.token)
            report = await migrate_out(
                MovingGuest(self._guest),
                link,
                _plan(request),
                clock=MonotonicClock(),
                workers=Threads(),
                authority=self,
                observe=self._observe,
                cancel=self._cancel,
            )
            kind, error = report.kind, report.error
        except MigrationError as failed:
            kind, error = failed.kind, failed.sentence
        except asyncio.CancelledError:
            kind, error = "cancelled", self._cancel.reason or "interrupted"
        except Exception as bug:
            traceback.print_exc()
            kind, error = "internal", f"{type(bug).__name__}: {bug}"
        if self._guest_stopped:
            kind, error = "guest-stopped", self._guest_stopped
        if self._verdict is None:  # else the agent has heard ready_to_commit, which was the last event
            self._send(MigrationEvent(failed=Failed(kind=kind, error=error)))

    def _observe(self, notice: Notice) -> None:
        match notice:
            case PhaseBegins(name):
                self._send(MigrationEvent(phase=name))
            case Progress():
                progress = node_pb2.Progress(
                    round=notice.round,
                    pages_remaining=notice.pages_remaining,
                    bytes_sent=notice.bytes_sent,
                    bytes_per_s=notice.bytes_per_s,
                )
                self._send(MigrationEvent(progress=progress))
            case _:
                figures = {name: getattr(notice, name) for name in common_pb2.Round.DESCRIPTOR.fields_by_name}
                self._send(MigrationEvent(round=common_pb2.Round(**figures)))


def _plan(request: MigrateOutRequest) -> Plan:
    options, usual = request.options, Limits()
    limits = Limits(
        max_downtime_ns=options.max_downtime_ns or usual.max_downtime_ns,
        max_rounds=options.max_rounds or usual.max_rounds,
    )
    return Plan(
        migration_id=request.migration_id,
        algorithm=options.algorithm,
        limits=limits,
        bandwidth_bytes_per_s=options.bandwidth_bytes_per_s,
    )


class MovingGuest:
    """node.migration's SourceMachine: a guest that runs while it is copied, held for each look at its dirty pages."""

    def __init__(self, guest: Guest) -> None:
        self._guest = guest

    @property
    def memory(self) -> GuestMemory:
        return self._guest.machine.memory

    def records(self) -> Records:
        return self._guest.machine.records()

    def start_tracking(self) -> None:
        with self._guest.held():
            self._guest.machine.start_tracking()

    def collect_dirty(self) -> PageNumbers:
        return self._guest.collect_dirty()

    def stop_tracking(self) -> None:
        with self._guest.held():
            self._guest.machine.stop_tracking()

    def pause(self) -> None:
        self._guest.pause()

    def resume(self) -> None:
        if not self._guest.stopped.done():
            self._guest.resume()
