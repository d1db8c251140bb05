"""The in-memory twin of nodes: whole clusters in one process, in tests and experiments, without sockets.

A `TwinHost` is a NodeAgent over `TwinVm`s and behaves as protos/node.proto says, migration included: rounds of dirty
pages, a pause, a digest compared, then neither copy runs until the verdict. A `TwinWorld` knows all hosts and keeps
the invariant that matters: `violations` lists every moment at which a second copy of a VM began to run.

Faults are injected by name: `host.fail("activate_incoming", after=True)` lets the call take effect and loses the
answer; `host.crash()` ends the host with all it holds; `host.gates["prepare_incoming"]` holds a call until it is set.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from controller.errors import AlreadyExists, ControllerError, NodeUnreachable, NotFound, Refused
from controller.twin_outgoing import MAX_ROUNDS, PageChannel, TwinOutgoing, failed
from controller.twin_vm import TwinVm
from protos import common_pb2, node_pb2

RUNNING, PAUSED = common_pb2.VM_STATE_RUNNING, common_pb2.VM_STATE_PAUSED
STOPPED, INCOMING = common_pb2.VM_STATE_STOPPED, common_pb2.VM_STATE_INCOMING
CREATED, CRASHED = common_pb2.VM_STATE_CREATED, common_pb2.VM_STATE_CRASHED


@dataclass(slots=True)
class TwinWorld:
    """All hosts, by address; the page channel between them; the invariant."""

    hosts: dict[str, "TwinHost"] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    def add(self, name: str) -> "TwinHost":
        address = f"twin-{name}:1"
        self.hosts[address] = TwinHost(name, address, self)
        return self.hosts[address]

    def dial(self, name: str, address: str) -> "TwinHost":
        return self.hosts[address]

    def running(self, vm: str) -> list[str]:
        """Names of the hosts on which a copy runs; more than one is a catastrophe."""
        return [h.name for h in self.hosts.values() for copy in h.copies(vm) if copy.state == RUNNING]

    def began_to_run(self, vm: str) -> None:
        where = self.running(vm)
        if len(where) > 1:
            self.violations.append(f"{vm} runs on {' and '.join(where)}")

    async def send(self, host: str, port: int, token: str, pages: dict[int, int], registers: str) -> str:
        target = self.hosts[f"{host}:{port}"]
        return target.receive(token, pages, registers)


@dataclass(slots=True)
class Fault:
    """One injected failure of one method."""

    error: ControllerError
    after: bool
    times: int


class TwinHost:
    """One node."""

    def __init__(self, name: str, address: str, world: TwinWorld, channel: PageChannel | None = None) -> None:
        self.name = name
        self.address = address
        self.memory_bytes = 4 << 30
        self.vms: dict[str, TwinVm] = {}
        self.incoming: dict[str, TwinVm] = {}  # by migration id; moves to `vms` at the activation
        self.gates: dict[str, asyncio.Event] = {}
        self.calls: list[str] = []
        self.max_rounds = MAX_ROUNDS
        self.corrupt_next = False
        self.alive = True
        self._activated: set[str] = set()
        self._cancelled: set[str] = set()
        self._faults: dict[str, list[Fault]] = {}
        self._world = world
        self._channel: PageChannel = channel or world
        self._watchers: set[asyncio.Queue[node_pb2.NodeEvent | None]] = set()
        self._changed = asyncio.Event()

    # Fault injection

    def fail(self, method: str, *, after: bool = False, times: int = 1, error: ControllerError | None = None) -> None:
        """Let the next `times` calls of `method` fail, before or after they take effect."""
        fault = Fault(error or NodeUnreachable(f"node {self.name} does not answer (injected)"), after, times)
        self._faults.setdefault(method, []).append(fault)

    def crash(self) -> None:
        """The host dies with everything on it."""
        self.alive = False
        self.vms.clear()
        self.incoming.clear()
        self._activated.clear()
        self._tell_all(None)

    def restart(self) -> None:
        self.alive = True

    def copies(self, vm: str) -> list[TwinVm]:
        own = [self.vms[vm]] if vm in self.vms else []
        return own + [copy for copy in self.incoming.values() if copy.spec.name == vm]

    def run(self, steps: int) -> None:
        """Let every running guest execute."""
        for vm in self.vms.values():
            vm.run(steps)
        self._wake()

    def guest_ends(self, vm: str, *, crashed: bool = False) -> None:
        """The guest powers itself off, or its domain process dies."""
        self._set(self.vms[vm], CRASHED if crashed else STOPPED, "domain process died" if crashed else "powered off")

    # NodeService

    async def describe(self) -> node_pb2.NodeInfo:
        await self._gate("describe")
        with self._call("describe"):
            return node_pb2.NodeInfo(
                name=self.name, version="twin", stream_version=1, memory_bytes=self.memory_bytes, cpus=1,
                vms=len(self.vms), vmm_modes=["native"],
            )  # fmt: skip

    async def create_vm(self, request: node_pb2.CreateVmRequest) -> node_pb2.VmInfo:
        await self._gate("create_vm")
        with self._call("create_vm"):
            if request.spec.name in self.vms:
                raise AlreadyExists(f"VM {request.spec.name} is already on {self.name}")
            self.vms[request.spec.name] = TwinVm(request.spec)
            return self._info(self.vms[request.spec.name])

    async def start_vm(self, vm: str) -> node_pb2.VmInfo:
        with self._call("start_vm"):
            copy = self._in_state(vm, CREATED, STOPPED, CRASHED)
            copy.boot()
            self._set(copy, RUNNING, "")
            return self._info(copy)

    async def pause_vm(self, vm: str) -> node_pb2.VmInfo:
        with self._call("pause_vm"):
            self._set(self._in_state(vm, RUNNING), PAUSED, "")
            return self._info(self.vms[vm])

    async def resume_vm(self, vm: str) -> node_pb2.VmInfo:
        with self._call("resume_vm"):
            self._set(self._in_state(vm, PAUSED), RUNNING, "")
            return self._info(self.vms[vm])

    async def stop_vm(self, vm: str) -> node_pb2.VmInfo:
        with self._call("stop_vm"):
            self._set(self._in_state(vm, RUNNING, PAUSED), STOPPED, "stopped by request")
            return self._info(self.vms[vm])

    async def destroy_vm(self, vm: str) -> None:
        with self._call("destroy_vm"):
            self._here(vm)
            del self.vms[vm]
            self._wake()

    async def get_vm(self, vm: str) -> node_pb2.VmInfo:
        with self._call("get_vm"):
            copies = self.copies(vm)
            if not copies:
                raise NotFound(f"no VM {vm} on {self.name}")
            return self._info(copies[0])

    async def list_vms(self) -> list[node_pb2.VmInfo]:
        with self._call("list_vms"):
            return [self._info(copy) for copy in (*self.vms.values(), *self.incoming.values())]

    async def console(
        self, inputs: AsyncIterator[node_pb2.ConsoleInput]
    ) -> AsyncGenerator[node_pb2.ConsoleOutput, None]:
        with self._call("console"):
            first = await anext(inputs)
            self._here(first.vm)
        typist = asyncio.ensure_future(self._type(first, inputs))
        try:
            offset = first.from_offset
            while True:
                changed = self._changed
                copy = self.vms.get(first.vm)
                if not self.alive:
                    raise NodeUnreachable(f"node {self.name} does not answer")
                if copy is None:
                    yield node_pb2.ConsoleOutput(offset=offset, closed="moved")
                    return
                if len(copy.console) > offset:
                    data = bytes(copy.console[offset:])
                    yield node_pb2.ConsoleOutput(offset=offset, data=data)
                    offset += len(data)
                    continue
                if copy.state in (STOPPED, CRASHED):
                    yield node_pb2.ConsoleOutput(
                        offset=offset, closed="stopped" if copy.state == STOPPED else "crashed"
                    )
                    return
                await changed.wait()
        finally:
            typist.cancel()

    async def watch(self) -> AsyncGenerator[node_pb2.NodeEvent, None]:
        with self._call("watch"):
            events: asyncio.Queue[node_pb2.NodeEvent | None] = asyncio.Queue()
            self._watchers.add(events)
        try:
            while (event := await events.get()) is not None:
                yield event
            raise NodeUnreachable(f"node {self.name} does not answer")
        finally:
            self._watchers.discard(events)

    # Migration

    async def prepare_incoming(self, migration_id: str, spec: common_pb2.VmSpec) -> node_pb2.PrepareIncomingReply:
        await self._gate("prepare_incoming")
        with self._call("prepare_incoming"):
            if spec.name in self.vms:
                raise AlreadyExists(f"VM {spec.name} is already on {self.name}")
            self.incoming.setdefault(migration_id, TwinVm(spec, state=INCOMING, migration_id=migration_id))
            host, _, port = self.address.rpartition(":")
            return node_pb2.PrepareIncomingReply(host=host, port=int(port), token=migration_id)

    async def migrate_out(self, request: node_pb2.MigrateOutRequest) -> AsyncGenerator[node_pb2.MigrationEvent, None]:
        with self._call("migrate_out"):
            copy = self._in_state(request.vm, RUNNING)
            copy.migration_id = request.migration_id
            copy.dirty = set(range(len(copy.memory)))
        try:
            outgoing = TwinOutgoing(copy, request, self._channel, max_rounds=self.max_rounds)
            async for event in outgoing.events(
                pause=lambda: self._set(copy, PAUSED, ""), resume=lambda: self._resume(copy)
            ):
                yield event
                await self._gate("migrate_out")
                self._check_alive()
                if request.migration_id in self._cancelled:
                    yield failed("cancelled", "cancelled")
                    return
        except (ControllerError, KeyError) as error:
            self._check_alive()
            self._resume(copy)
            yield failed("link-lost", str(error))

    async def cancel_migration(self, migration_id: str) -> None:
        await self._gate("cancel_migration")
        with self._call("cancel_migration"):
            self._cancelled.add(migration_id)
            for copy in self.vms.values():
                if copy.migration_id == migration_id:
                    self._resume(copy)

    async def activate_incoming(self, migration_id: str) -> node_pb2.ActivateReply:
        await self._gate("activate_incoming")
        with self._call("activate_incoming"):
            if migration_id not in self._activated:
                if migration_id not in self.incoming:
                    raise NotFound(f"no incoming migration {migration_id} on {self.name}")
                copy = self.incoming.pop(migration_id)
                self.vms[copy.spec.name] = copy
                copy.migration_id = ""
                self._activated.add(migration_id)
                self._set(copy, RUNNING, "")
            return node_pb2.ActivateReply(resume_ns=1_000)

    async def abort_incoming(self, migration_id: str) -> None:
        with self._call("abort_incoming"):
            self.incoming.pop(migration_id, None)

    async def release_outgoing(self, migration_id: str) -> None:
        await self._gate("release_outgoing")
        with self._call("release_outgoing"):
            for name, copy in list(self.vms.items()):
                if copy.migration_id == migration_id:
                    del self.vms[name]
            self._wake()

    async def close(self) -> None:
        return

    def receive(self, token: str, pages: dict[int, int], registers: str) -> str:
        """The target's end of the page channel."""
        self._check_alive()
        if token not in self.incoming:
            raise Refused(f"no incoming migration {token} on {self.name}")
        copy = self.incoming[token]
        for page, content in pages.items():
            copy.memory[page] = content
        if self.corrupt_next and pages:
            self.corrupt_next = False
            copy.memory[min(pages)] ^= 1
        if registers:
            copy.load(registers)
        return copy.digest()

    # Mechanism

    async def _type(self, first: node_pb2.ConsoleInput, inputs: AsyncIterator[node_pb2.ConsoleInput]) -> None:
        message = first
        while True:
            if message.data and first.vm in self.vms:
                self.vms[first.vm].type(message.data)
                self._wake()
            try:
                message = await anext(inputs)
            except StopAsyncIteration:
                return

    @contextmanager
    def _call(self, method: str) -> Iterator[None]:
        self._check_alive()
        self.calls.append(method)
        fault = next((f for f in self._faults.get(method, []) if f.times > 0), None)
        if fault is not None:
            fault.times -= 1
        if fault is not None and not fault.after:
            raise fault.error
        yield
        if fault is not None:
            raise fault.error

    async def _gate(self, method: str) -> None:
        if method in self.gates:
            await self.gates[method].wait()
        await asyncio.sleep(0)

    def _check_alive(self) -> None:
        if not self.alive:
            raise NodeUnreachable(f"node {self.name} does not answer")

    def _here(self, vm: str) -> TwinVm:
        if vm not in self.vms:
            raise NotFound(f"no VM {vm} on {self.name}")
        return self.vms[vm]

    def _in_state(self, vm: str, *states: common_pb2.VmState) -> TwinVm:
        copy = self._here(vm)
        if copy.state not in states:
            raise Refused(f"VM {vm} on {self.name} is {common_pb2.VmState.Name(copy.state)}")
        return copy

    def _resume(self, copy: TwinVm) -> None:
        copy.migration_id = ""
        if copy.state == PAUSED:
            self._set(copy, RUNNING, "")

    def _set(self, copy: TwinVm, state: common_pb2.VmState, reason: str) -> None:
        copy.state, copy.reason = state, reason
        if state == RUNNING:
            self._world.began_to_run(copy.spec.name)
        self._tell_all(node_pb2.NodeEvent(vm=copy.spec.name, state=state, reason=reason))

    def _tell_all(self, event: node_pb2.NodeEvent | None) -> None:
        for watcher in self._watchers:
            watcher.put_nowait(event)
        self._wake()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _info(self, copy: TwinVm) -> node_pb2.VmInfo:
        return node_pb2.VmInfo(
            spec=copy.spec, state=copy.state, reason=copy.reason, instructions=copy.steps,
            console_bytes=len(copy.console), migration_id=copy.migration_id,
        )  # fmt: skip
