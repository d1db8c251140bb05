"""Migrations to and from this node, by id: begun once, however often they are asked for, and ended by their verdict.

The agent carries words, not pages: the page channel runs from domain to domain. Rules held here:

* a call repeated with the same id has the effect and the answer of the first;
* an id that was aborted here cannot be prepared afterwards (calls may overtake each other);
* a verdict contradicting an earlier one is refused; a verdict on an unknown id is nothing to do, and succeeds.
"""

import asyncio
import secrets
from collections import OrderedDict
from typing import TypeVar

from node.agent import migration_log
from node.agent.errors import FailedPrecondition, InvalidArgument, NotFound
from node.agent.hosted_vm import HostedVm
from node.agent.hosting import Hosting
from node.agent.outgoing import OutgoingMigration
from node.agent.specification import check
from node.domain.lifecycle import Event, State
from protos.common_pb2 import VmSpec
from protos.domain_pb2 import Listen
from protos.node_pb2 import MigrateOutRequest, PrepareIncomingReply

REMEMBERED = 256
T = TypeVar("T")


class Remembered(OrderedDict[str, T]):
    """The newest records by id; the oldest is forgotten."""

    def add(self, migration_id: str, record: T) -> T:
        self[migration_id] = record
        while len(self) > REMEMBERED:
            self.popitem(last=False)
        return record


class IncomingMigration:
    """The target's side of one migration."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.vm: HostedVm | None = None
        self.reply: PrepareIncomingReply | None = None
        self.resume_ns: int | None = None
        self.aborted = False


class Migrations:
    def __init__(self, hosting: Hosting, *, listen_host: str, advertise_host: str) -> None:
        """Page channels arrive at `listen_host`, which sources reach as `advertise_host`."""
        self._hosting = hosting
        self._listen_host = listen_host
        self._advertise_host = advertise_host
        self._incoming: Remembered[IncomingMigration] = Remembered()
        self._outgoing: Remembered[OutgoingMigration] = Remembered()

    async def prepare(self, migration_id: str, spec: VmSpec) -> PrepareIncomingReply:
        """Reserve a machine for the VM and listen for its pages."""
        if not migration_id:
            raise InvalidArgument("a migration needs an id")
        check(spec)
        record = self._incoming.get(migration_id) or self._incoming.add(migration_id, IncomingMigration())
        async with record.lock:
            if record.aborted:
                raise FailedPrecondition(f"migration {migration_id} was aborted on this node")
            if record.reply is None:
                record.vm, record.reply = await self._expect(migration_id, spec)
            return record.reply

    async def activate(self, migration_id: str) -> int:
        """The commit is written: run the VM here. Nanoseconds from the call to its first instruction."""
        began = self._hosting.now_ns()
        record = self._incoming.get(migration_id)
        if record is None:
            raise NotFound(f"no migration {migration_id} to this node")
        async with record.lock:
            if record.resume_ns is None:
                if record.vm is None:
                    raise FailedPrecondition(f"migration {migration_id} was never prepared on this node")
                async with record.vm.lock:
                    record.resume_ns = await self._run(record.vm, migration_id, began)
                migration_log.step("activated", migration_id, record.vm.name, resume_ns=record.resume_ns)
            return record.resume_ns

    async def abort(self, migration_id: str) -> None:
        """Not committed: free everything."""
        record = self._incoming.get(migration_id) or self._incoming.add(migration_id, IncomingMigration())
        async with record.lock:
            if record.resume_ns is not None:
                raise FailedPrecondition(f"migration {migration_id} is committed: its VM runs here")
            record.aborted = True
            if record.vm is not None:
                async with record.vm.lock:
                    if record.vm.state is not State.GONE:
                        await self._hosting.remove(record.vm, Event.ABORT, "its migration was aborted")
                        migration_log.step("aborted", migration_id, record.vm.name)

    async def migrate_out(self, request: MigrateOutRequest) -> OutgoingMigration:
        """Begin to move a running VM, or find the migration that has begun."""
        if not request.migration_id:
            raise InvalidArgument("a migration needs an id")
        known = self._outgoing.get(request.migration_id)
        if known is not None:
            if known.request.vm != request.vm:
                raise InvalidArgument(f"migration {request.migration_id} is of VM {known.request.vm!r}")
            return known
        vm = self._hosting.vm(request.vm)
        async with vm.lock:
            if (known := self._outgoing.get(request.migration_id)) is not None:
                return known
            vm.require(Event.MIGRATE)
            migration = OutgoingMigration(request)
            migration_log.began(request)
            vm.outgoing = migration
            vm.apply(Event.MIGRATE)
            try:
                await vm.process.ask(migrate_out=request)
            except BaseException as error:
                migration.fail("internal", str(error))
                if vm.link is not None and not vm.link.ended.done():
                    vm.apply(Event.MIGRATION_FAILED)
                raise
            return self._outgoing.add(request.migration_id, migration)

    async def cancel(self, migration_id: str) -> None:
        """Not committed: the source runs on, the target frees everything."""
        if migration_id in self._incoming:
            await self.abort(migration_id)
            return
        migration = self._outgoing.get(migration_id)
        if migration is None:
            return
        if migration.verdict == "released":
            raise FailedPrecondition(f"migration {migration_id} is committed: the VM has left this node")
        vm = self._hosting.vms.get(migration.request.vm)
        if vm is not None and vm.outgoing is migration:
            await self._hosting.cancel(vm)
        migration.verdict = "cancelled"

    async def release(self, migration_id: str) -> None:
        """Committed: the target owns the VM, the copy here goes."""
        migration = self._outgoing.get(migration_id)
        if migration is None or migration.verdict == "released":
            return
        if not migration.ready or migration.verdict == "cancelled":
            raise FailedPrecondition(f"migration {migration_id} is not at its commit point: the VM stays here")
        vm = self._hosting.vms.get(migration.request.vm)
        if vm is not None and vm.outgoing is migration:
            async with vm.lock:
                if vm.state is not State.GONE:
                    await self._hosting.remove(vm, Event.RELEASE, "moved", closing="moved")
                    migration_log.step("released", migration_id, vm.name)
        migration.verdict = "released"

    async def _run(self, vm: HostedVm, migration_id: str, began_ns: int) -> int:
        if vm.state is State.GONE:
            raise FailedPrecondition(f"migration {migration_id} to this node has failed: there is nothing to run")
        vm.require(Event.ACTIVATE)
        await vm.process.ask(activate=migration_id)
        resume_ns = self._hosting.now_ns() - began_ns
        vm.forget()  # an empty machine described itself before the state arrived
        vm.apply(Event.ACTIVATE)
        await vm.process.ask(console_attach=0)
        return resume_ns

    async def _expect(self, migration_id: str, spec: VmSpec) -> tuple[HostedVm, PrepareIncomingReply]:
        vm = self._hosting.admit(spec, request_id="")
        token = secrets.token_hex(16)
        async with vm.lock:
            try:
                await self._hosting.furnish(vm, migration_id=migration_id)
                listen = Listen(host=self._listen_host, token=token, migration_id=migration_id)
                listening = (await vm.process.ask(listen=listen)).listening
            except BaseException:
                await self._hosting.remove(vm, Event.DESTROY, "it could not be prepared")
                raise
            vm.incoming_id = migration_id
            vm.apply(Event.EXPECT)
        migration_log.step("prepared", migration_id, spec.name, host=self._advertise_host, port=listening.port)
        return vm, PrepareIncomingReply(host=self._advertise_host, port=listening.port, token=token)
