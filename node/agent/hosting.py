"""The VMs of this node: made, run, held, ended and described, within the node's memory.

Every command on a VM holds its lock, asks the table whether it is possible, has the domain do it, and records the new
state. What the domain reports of its own accord (the guest powered off, its process died) comes through `notices` in
the same way. A VM that is GONE is in no list, and nothing of it is left: process, descriptors, memory, name.
"""

import asyncio
import contextlib
from collections.abc import Callable

import structlog

from node.agent import migration_log
from node.agent.blobs import BlobCache
from node.agent.console import ConsoleMirror
from node.agent.domain_link import DomainLink
from node.agent.errors import AlreadyExists, DomainDied, FailedPrecondition, NodeError, NotFound, ResourceExhausted
from node.agent.hosted_vm import HostedVm, log_ids
from node.agent.notices import Death, Notice, Notices
from node.agent.specification import check, files
from node.agent.template import Template
from node.agent.watch import Watchers
from node.domain.lifecycle import Event, State
from protos import common_pb2
from protos.common_pb2 import VmSpec
from protos.domain_pb2 import Build, Empty, Envelope
from protos.node_pb2 import MigrationEvent, NodeEvent, VmInfo

log = structlog.get_logger()

MIB = 1 << 20
INPUT_BYTES = 1 << 16  # in one message to a domain


class Hosting:
    def __init__(
        self,
        template: Template,
        blobs: BlobCache,
        *,
        memory_bytes: int,
        monotonic_ns: Callable[[], int],
        unix_ns: Callable[[], int],
        on_started: Callable[[int], None],
    ) -> None:
        """`on_started` hears for each start how many nanoseconds it took from nothing to the first instruction."""
        self.vms: dict[str, HostedVm] = {}
        self.watchers = Watchers()
        self.memory_bytes = memory_bytes
        self.now_ns = monotonic_ns
        self.domain_deaths = 0  # that nobody asked for
        self._unix_ns = unix_ns
        self._on_started = on_started
        self._template = template
        self._blobs = blobs
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def memory_reserved(self) -> int:
        return sum(vm.memory_reserved for vm in list(self.vms.values()))

    def vm(self, name: str) -> HostedVm:
        try:
            return self.vms[name]
        except KeyError:
            raise NotFound(f"no VM {name!r} on this node") from None

    async def create(self, spec: VmSpec, request_id: str) -> VmInfo:
        """Make a VM, ready to start. Asked twice with one request id, it is made once."""
        began = self.now_ns()
        check(spec)
        there = self.vms.get(spec.name)
        if there is not None and request_id and there.request_id == request_id:
            async with there.lock:
                if there.state is not State.GONE:
                    return await there.describe()
        vm = self.admit(spec, request_id)
        async with vm.lock:
            try:
                await self.furnish(vm)
            except BaseException:
                await self.remove(vm, Event.DESTROY, "it could not be built")
                raise
            vm.apply(Event.BUILT)
            vm.building_ns = self.now_ns() - began
            return await vm.describe()

    async def start(self, name: str) -> VmInfo:
        """Run a created VM, or boot a stopped one afresh. Returns when its first instruction was executed."""
        began = self.now_ns()
        vm = self.vm(name)
        async with vm.lock:
            vm.require(Event.START)
            if vm.state is not State.CREATED:
                await self._build_afresh(vm)
            await self._start(vm)
            vm.create_to_first_instruction_ns = vm.building_ns + self.now_ns() - began
            vm.building_ns = 0
            self._on_started(vm.create_to_first_instruction_ns)
            vm.apply(Event.START)
            return await vm.describe()

    async def pause(self, name: str) -> VmInfo:
        vm = self.vm(name)
        async with vm.lock:
            vm.require(Event.PAUSE)
            await vm.process.ask(pause=Empty())
            vm.apply(Event.PAUSE)
            return await vm.describe()

    async def resume(self, name: str) -> VmInfo:
        vm = self.vm(name)
        async with vm.lock:
            vm.require(Event.RESUME)
            await vm.process.ask(resume=Empty())
            vm.apply(Event.RESUME)
            return await vm.describe()

    async def stop(self, name: str) -> VmInfo:
        """Power off: memory and process go, the definition and the console's last output stay."""
        vm = self.vm(name)
        async with vm.lock:
            vm.require(Event.STOP)
            if vm.link is not None:
                vm.remember((await vm.link.ask(stop=Empty())).info)
                await vm.end_process("stopped")
                vm.apply(Event.STOP, "powered off by request")
            return await vm.describe()

    async def destroy(self, name: str) -> None:
        """Remove a VM. A migration from here is cancelled first; one that awaits its verdict forbids it."""
        vm = self.vm(name)
        if vm.state is State.MIGRATING:
            await self.cancel(vm)
        async with vm.lock:
            vm.require(Event.DESTROY)
            await self.remove(vm, Event.DESTROY, "destroyed")

    async def serial_input(self, name: str, data: bytes) -> None:
        process = self.vm(name).process
        for begin in range(0, len(data), INPUT_BYTES):
            await process.ask(console_input=data[begin : begin + INPUT_BYTES])

    async def describe_all(self) -> list[VmInfo]:
        return list(await asyncio.gather(*(vm.describe() for vm in self._built())))

    def present(self) -> list[NodeEvent]:
        """The present state of every VM, as an event."""
        return [vm.event() for vm in self._built()]

    async def shut_down(self) -> None:
        """End every VM's process, for the end of the agent."""
        for vm in list(self.vms.values()):
            await vm.end_process("destroyed")

    def admit(self, spec: VmSpec, request_id: str) -> HostedVm:
        """Reserve the name and the memory of a VM, or refuse."""
        if spec.name in self.vms:
            raise AlreadyExists(f"VM {spec.name!r} exists on this node")
        vm = HostedVm(spec, request_id=request_id, publish=self._publish)
        self._reserve(vm)
        self.vms[spec.name] = vm
        return vm

    async def furnish(self, vm: HostedVm, *, migration_id: str = "") -> None:
        """Give the VM a process with its machine in it: booted, or empty for an incoming migration."""
        digests = files(vm.spec, incoming=bool(migration_id))
        paths = await asyncio.gather(*(self._blobs.path(digest) for digest in digests))
        forked = await self._template.fork(vm.name)
        console = vm.console
        notices = Notices(lambda notice: self._act(vm, notices, notice))

        def on_notice(envelope: Envelope) -> None:
            if envelope.WhichOneof("body") == "console_output":
                console.append(envelope.console_output.offset, envelope.console_output.data)
            else:
                notices.put(envelope)

        link = await DomainLink.to(forked, on_notice)
        link.ended.add_done_callback(lambda ended: notices.put(Death(ended.result())))
        link.ended.add_done_callback(lambda _: self._template.forget(forked.pid))
        vm.link, vm.notices = link, notices
        for task in (link.following, notices.acting):  # they outlive the VM's interest in them: nobody else holds them
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        named = {digest: str(path) for digest, path in zip(digests, paths, strict=True)}
        await link.ask(build=Build(spec=vm.spec, incoming=bool(migration_id), migration_id=migration_id, files=named))
        if not migration_id:
            await link.ask(console_attach=0)

    async def remove(self, vm: HostedVm, event: Event, reason: str, *, closing: str = "destroyed") -> None:
        """End the VM here for good. The caller holds its lock."""
        vm.require(event)
        await vm.end_process(closing)
        vm.apply(event, reason)
        if self.vms.get(vm.name) is vm:
            del self.vms[vm.name]

    async def cancel(self, vm: HostedVm) -> None:
        """End the VM's outgoing migration with the verdict "not committed"; returns when the VM runs here as before."""
        migration = vm.outgoing
        if migration is None or migration.verdict or (migration.ended and not migration.ready):
            return
        link, notices = vm.link, vm.notices
        if link is not None and notices is not None:
            with contextlib.suppress(DomainDied):  # then its death is the next notice
                await link.ask(cancel_migration=migration.migration_id)
            await notices.settled()  # "ready" or "failed", if the domain said so before it answered
        async with vm.lock:
            migration.verdict = "cancelled"
            migration_log.step("cancelled", migration.migration_id, vm.name)
            if vm.state in (State.DECIDING, State.LOST):
                vm.apply(Event.CANCEL)

    async def _start(self, vm: HostedVm) -> None:
        try:
            await vm.process.ask(start=Empty())
        except NodeError as error:
            await vm.end_process("crashed")
            vm.apply(Event.DOMAIN_DIED, f"it could not be started: {error}")
            raise

    async def _build_afresh(self, vm: HostedVm) -> None:
        self._reserve(vm)
        vm.console = ConsoleMirror()
        try:
            await self.furnish(vm)
        except BaseException:
            await vm.end_process("stopped")
            raise
        vm.forget()

    def _built(self) -> list[HostedVm]:
        return [vm for vm in self.vms.values() if vm.state is not State.BUILDING]

    def _reserve(self, vm: HostedVm) -> None:
        free = self.memory_bytes - self.memory_reserved
        wanted = vm.spec.memory_bytes
        if wanted > free:
            raise ResourceExhausted(
                f"VM {vm.name!r} needs {wanted // MIB} MiB; this node has {max(free, 0) // MIB} MiB"
                f" of {self.memory_bytes // MIB} MiB left for VMs"
            )
        vm.memory_reserved = wanted

    async def _act(self, vm: HostedVm, notices: Notices, notice: Notice) -> None:
        """Take one report of the VM's process into account."""
        async with vm.lock:
            if vm.notices is not notices:
                return  # of a process that was let go meanwhile
            if isinstance(notice, Death):
                await self._process_died(vm, notice.how)
                return
            try:
                await self._believe(vm, notice)
            except Exception as error:  # a domain that reports what cannot be is broken: its death is the next notice
                log.exception("domain.impossible", **vm.ids, error=str(error))
                await vm.process.kill()

    async def _believe(self, vm: HostedVm, report: Envelope) -> None:
        kind = report.WhichOneof("body")
        if kind == "info":
            vm.remember(report.info)
        elif kind == "state_changed":
            await self._guest_ended(vm, report.state_changed)
        elif kind == "migration_event":
            await self._migration_event(vm, report.migration_event)
        else:
            raise FailedPrecondition(f"a domain does not report {kind!r}")

    async def _process_died(self, vm: HostedVm, how: str) -> None:
        reason = f"its process {how}"
        self.domain_deaths += 1
        log.error("domain.died", **vm.ids, how=how)
        if vm.outgoing is not None:
            vm.outgoing.fail("internal", f"VM {vm.name!r} crashed: {reason}")
        vm.require(Event.DOMAIN_DIED)
        if vm.state is State.INCOMING:
            await self.remove(vm, Event.DOMAIN_DIED, reason, closing="crashed")
        else:
            await vm.end_process("crashed")
            vm.apply(Event.DOMAIN_DIED, reason)

    async def _guest_ended(self, vm: HostedVm, change: NodeEvent) -> None:
        crashed = change.state == common_pb2.VM_STATE_CRASHED
        event = Event.GUEST_CRASHED if crashed else Event.GUEST_STOPPED
        vm.require(event)
        await vm.end_process("crashed" if crashed else "stopped")
        vm.apply(event, change.reason)

    async def _migration_event(self, vm: HostedVm, event: MigrationEvent) -> None:
        kind = event.WhichOneof("event")
        if vm.state is State.INCOMING:
            assert kind == "failed", f"a target domain reports only failure, not {kind!r}"
            migration_log.target_failed(vm.incoming_id, vm.name, event.failed)
            await self.remove(vm, Event.ABORT, f"its migration failed: {event.failed.error}")
            return
        if vm.outgoing is None:
            raise FailedPrecondition(f"VM {vm.name!r} reports a migration that nobody asked for")
        if kind == "ready_to_commit":
            vm.apply(Event.MIGRATION_READY)
        elif kind == "failed" and vm.state is State.MIGRATING:
            vm.apply(Event.MIGRATION_FAILED)
        vm.outgoing.take(event)

    def _publish(self, event: NodeEvent, migration_id: str) -> None:
        event.unix_ns = self._unix_ns()
        ids, state = log_ids(event.vm, migration_id), common_pb2.VmState.Name(event.state)
        log.info("vm.state", **ids, state=state, reason=event.reason)
        self.watchers.publish(event)
