"""All migrations: begin one, cancel one, watch one, and take up after a restart those that had not ended."""

import asyncio
import secrets
from collections.abc import AsyncGenerator

from controller.changes import Changes
from controller.commit import Verdict
from controller.drive import Drive, Surroundings
from controller.errors import InvalidArgument, Refused
from controller.lifecycle import VM, MigrationState, step
from controller.reconcile import VmLocks
from controller.rows import MigrationRow
from protos import common_pb2, controller_pb2

ALGORITHMS = ("pre-copy", "stop-and-copy")
DEFAULT_MAX_DOWNTIME_NS = 300_000_000


class Migrations:
    """Runs one task for each migration that has not ended."""

    def __init__(self, around: Surroundings, locks: VmLocks, changes: Changes) -> None:
        self._around = around
        self._journal = around.journal
        self._locks = locks
        self._changes = changes
        self._drives: dict[str, Drive] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def begin(self, request: controller_pb2.MigrateRequest) -> controller_pb2.Job:
        """Check, journal, and start the drive; the same request id gives the same job."""
        earlier = self._journal.migration_requested_as(request.request_id)
        if earlier is not None:
            return self.job(earlier.id)
        async with self._locks[request.vm]:
            row = self._checked(request)
            self._journal.begin_migration(row)
        self._start(row)
        return self.job(row.id)

    def recover(self) -> None:
        """Take up every migration that an earlier life of the controller left unfinished."""
        for row in self._journal.live_migrations():
            self._start(row, recovered=True)

    async def cancel(self, job: str) -> controller_pb2.Job:
        """Ask the commit point for an abort; what stands is what happens."""
        row = self._journal.migration(job)
        if row.ended:
            raise Refused(f"job {job} has already ended ({row.state}); {row.vm} {_where(row)}")
        error = "cancelled by request"
        verdict = await self._around.commit_point.decide(job, Verdict.ABORT, outcome="cancelled", error=error)
        if verdict is Verdict.COMMIT:
            raise Refused(f"too late to cancel job {job}: it is committed and {row.vm} belongs to {row.target}")
        if job in self._drives:
            self._drives[job].live.aborted.set()
        return self.job(job)

    def jobs(self, *, running: bool = False, last: int = 0) -> list[controller_pb2.Job]:
        """In the order in which they began; `last`: only so many, the latest."""
        return [self._job(row) for row in self._journal.migrations(live=running, last=last)]

    def running(self) -> list[controller_pb2.Job]:
        """Those that have not ended."""
        return self.jobs(running=True)

    def job(self, job: str) -> controller_pb2.Job:
        return self._job(self._journal.migration(job))

    def phase_of(self, vm: str) -> str:
        """The phase of the VM's running migration; "" if there is none."""
        row = self._journal.live_migration_of(vm)
        return self._job(row).migration.phase if row is not None else ""

    async def watch(self, job: str) -> AsyncGenerator[controller_pb2.Job, None]:
        """The job as it is, then at each change, until it has ended."""
        last = None
        while True:
            seen = self._changes.count
            now = self.job(job)
            if now != last:
                yield now
                last = now
            if now.state != "running":
                return
            await self._changes.beyond(seen)

    async def close(self) -> None:
        """Leave all migrations where they are; the journal knows."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _checked(self, request: controller_pb2.MigrateRequest) -> MigrationRow:
        """The pre-checks: nothing has been changed when one of them says no."""
        vm = self._journal.vm(request.vm)
        target = self._around.inventory.ready_node(request.target)
        if request.options.algorithm not in ("", *ALGORITHMS):
            raise InvalidArgument(f"no algorithm {request.options.algorithm!r}; there are {', '.join(ALGORITHMS)}")
        if target.row.name == vm.node:
            raise Refused(f"VM {vm.name!r} is already on {vm.node}")
        live = self._journal.live_migration_of(vm.name)
        if live is not None:
            raise Refused(f"VM {vm.name!r} is already being migrated to {live.target} (job {live.id})")
        step(VM, vm.state, "migrate", what=f"VM {vm.name!r}")
        self._around.inventory.ready_node(vm.node)
        options = common_pb2.MigrationOptions()
        options.CopyFrom(request.options)
        options.algorithm = options.algorithm or ALGORITHMS[0]
        options.max_downtime_ns = options.max_downtime_ns or DEFAULT_MAX_DOWNTIME_NS
        job = f"m-{secrets.token_hex(4)}"
        record = common_pb2.MigrationRecord(
            migration_id=job, vm=vm.name, source=vm.node, target=target.row.name, options=options, phase="preparing",
            runs_on=vm.node, started_unix_ns=self._around.clock.unix_ns(),
        )  # fmt: skip
        return MigrationRow(
            id=job, vm=vm.name, source=vm.node, target=target.row.name, state=MigrationState.PREPARING, outcome="",
            error="", committed_unix_ns=0, request_id=request.request_id, record=record,
        )  # fmt: skip

    def _start(self, row: MigrationRow, *, recovered: bool = False) -> None:
        drive = self._drives[row.id] = Drive(self._around, row)
        task = self._tasks[row.id] = asyncio.create_task(self._run(drive, recovered=recovered), name=f"drive {row.id}")
        task.add_done_callback(lambda done: self._forget(row.id, done))

    async def _run(self, drive: Drive, *, recovered: bool) -> None:
        if recovered:
            await drive.abort_unfinished()
        await drive.run()

    def _forget(self, job: str, task: asyncio.Task[None]) -> None:
        self._tasks.pop(job)
        self._drives.pop(job)
        if not task.cancelled() and (bug := task.exception()) is not None:
            context = {"message": f"the drive of {job} broke off; a restart takes it up again", "exception": bug}
            asyncio.get_running_loop().call_exception_handler(context)
        self._changes.notify()

    def _job(self, row: MigrationRow) -> controller_pb2.Job:
        drive = self._drives.get(row.id)
        if row.ended or drive is None:
            return controller_pb2.Job(id=row.id, state=row.state if row.ended else "running", migration=row.record)
        live = drive.live
        return controller_pb2.Job(
            id=row.id, state="running", migration=live.record, pages_remaining=live.pages_remaining,
            bytes_per_s=live.bytes_per_s,
        )  # fmt: skip


def _where(row: MigrationRow) -> str:
    return f"is on {row.record.runs_on}" if row.record.runs_on else "is lost"
