"""The verbs on VMs: create, start, stop, pause, resume, destroy, list.

Each verb checks the lifecycle table first, asks the owner's agent, and journals what came of it, all under the VM's
lock. A VM with a running migration takes no verb: its state is the migration's until that has ended.
"""

import asyncio
import re
from contextlib import suppress

from controller.clock import Clock
from controller.errors import (
    AlreadyExists,
    ControllerError,
    InvalidArgument,
    JournalFull,
    NodeUnreachable,
    NotFound,
    Refused,
)
from controller.images import Images
from controller.inventory import Inventory
from controller.journal import Journal
from controller.lifecycle import VM, NodeState, VmState, step
from controller.placement import Candidate, place
from controller.reconcile import Reconciler, VmLocks
from controller.rows import VmRow
from protos import common_pb2, controller_pb2, node_pb2

NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")
MEMORY_DEFAULT = 64 << 20
MEMORY_MIN, MEMORY_MAX = 1 << 20, 3 << 30
PAGE = 4096
OBSERVE_TIMEOUT_S = 2.0
PROTO_STATE = {
    VmState.CREATED: common_pb2.VM_STATE_CREATED,
    VmState.RUNNING: common_pb2.VM_STATE_RUNNING,
    VmState.PAUSED: common_pb2.VM_STATE_PAUSED,
    VmState.STOPPED: common_pb2.VM_STATE_STOPPED,
    VmState.CRASHED: common_pb2.VM_STATE_CRASHED,
}


class Vms:
    """The VMs of the cluster."""

    def __init__(
        self,
        journal: Journal,
        inventory: Inventory,
        reconciler: Reconciler,
        locks: VmLocks,
        images: Images,
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._inventory = inventory
        self._reconciler = reconciler
        self._locks = locks
        self._images = images
        self._clock = clock

    async def create(self, request: controller_pb2.CreateVmRequest) -> controller_pb2.Vm:
        """Journal first, then build; the same request id gives the same VM."""
        name = request.spec.name
        async with self._locks[name]:
            if self._journal.has_vm(name):
                row = self._journal.vm(name)
                if not request.request_id or row.request_id != request.request_id:
                    raise AlreadyExists(
                        f"there is already a VM named {name!r}; choose another name or destroy it first"
                    )
            else:
                row = await self._build(request)
        if request.start and row.state is VmState.CREATED:
            return await self.start(name)
        return await self.get(name)

    async def start(self, vm: str) -> controller_pb2.Vm:
        """Boot; a VM that its node no longer has (the node was restarted) is built again there."""
        async with self._locks[vm]:
            row = self._may(vm, "start")
            agent = self._inventory.ready_node(row.node).agent
            try:
                info = await agent.start_vm(vm)
            except NotFound:
                await agent.create_vm(node_pb2.CreateVmRequest(spec=row.spec))
                info = await agent.start_vm(vm)
            row = self._did(row, "start", "vm.started", f"{vm} started on {row.node}")
        return self._view(row, info)

    async def stop(self, vm: str) -> controller_pb2.Vm:
        async with self._locks[vm]:
            row = self._may(vm, "stop")
            info = await self._inventory.ready_node(row.node).agent.stop_vm(vm)
            row = self._did(row, "stop", "vm.stopped", f"{vm} was stopped on {row.node}", reason=info.reason)
        return self._view(row, info)

    async def pause(self, vm: str) -> controller_pb2.Vm:
        async with self._locks[vm]:
            row = self._may(vm, "pause")
            info = await self._inventory.ready_node(row.node).agent.pause_vm(vm)
            row = self._did(row, "pause", "vm.paused", f"{vm} paused on {row.node}")
        return self._view(row, info)

    async def resume(self, vm: str) -> controller_pb2.Vm:
        async with self._locks[vm]:
            row = self._may(vm, "resume")
            info = await self._inventory.ready_node(row.node).agent.resume_vm(vm)
            row = self._did(row, "resume", "vm.resumed", f"{vm} resumed on {row.node}")
        return self._view(row, info)

    async def destroy(self, vm: str) -> None:
        """Free everything. A node that is gone is told when it comes back (reconcile.py)."""
        async with self._locks[vm]:
            row = self._may(vm, "destroy")
            node = self._inventory.node(row.node)
            try:
                await node.agent.destroy_vm(vm)
            except NotFound:
                pass
            except NodeUnreachable:
                if node.state is NodeState.READY:
                    raise
            self._did(row, "destroy", "vm.destroyed", f"{vm} destroyed")
        self._locks.forget(vm)

    async def get(self, vm: str) -> controller_pb2.Vm:
        row = self._journal.vm(vm)
        try:
            info = await asyncio.wait_for(self._inventory.agent(row.node).get_vm(vm), OBSERVE_TIMEOUT_S)
        except (ControllerError, TimeoutError):
            info = node_pb2.VmInfo()
        return self._view(row, info)

    async def all(self) -> list[controller_pb2.Vm]:
        """All VMs; each node is asked once for the present figures of its own."""
        rows = self._journal.vms()
        names = sorted({row.node for row in rows})
        answers = dict(zip(names, await asyncio.gather(*(self._reported(name) for name in names)), strict=True))
        return [self._view(row, answers[row.node].get(row.name, node_pb2.VmInfo())) for row in rows]

    async def _build(self, request: controller_pb2.CreateVmRequest) -> VmRow:
        spec, image = await self._spec(request)
        node = request.node or place(self._candidates(), memory_bytes=spec.memory_bytes)
        agent = self._inventory.ready_node(node).agent
        row = VmRow(
            name=spec.name, spec=spec, image=image, node=node, epoch=1, state=VmState.PLACING, reason="",
            created_unix_ns=self._clock.unix_ns(), migrations=0, request_id=request.request_id,
        )  # fmt: skip
        self._journal.place_vm(row)
        try:
            await agent.create_vm(node_pb2.CreateVmRequest(request_id=request.request_id, spec=spec))
        except ControllerError as error:
            if not isinstance(error, NodeUnreachable):  # else the node may have it: it is asked when it is back
                text = f"{node} refused {spec.name}: {error}"
                with suppress(JournalFull):  # then the reconciler finds that the node does not have it
                    self._journal.step_vm(spec.name, "refused", kind="vm.refused", text=text, durable=True)
            raise
        return self._did(row, "placed", "vm.created", f"{spec.name} created on {node}")

    async def _spec(self, request: controller_pb2.CreateVmRequest) -> tuple[common_pb2.VmSpec, str]:
        """The definition with every default filled in, and the name of its image."""
        spec = common_pb2.VmSpec()
        spec.CopyFrom(request.spec)
        if not NAME.fullmatch(spec.name):
            raise InvalidArgument(f"{spec.name!r} is no VM name: use lower-case letters, digits, '.', '_' and '-'")
        least = MEMORY_DEFAULT
        if request.image:
            image = await self._images.get(request.image)
            least = max(least, image.memory_bytes_min)
            if spec.boot.WhichOneof("kind") is None:
                spec.boot.CopyFrom(image.boot)
        elif spec.boot.WhichOneof("kind") is None:
            spec.boot.multiboot.SetInParent()
        _append(spec.boot, request.append)
        spec.vmm, spec.clock = spec.vmm or "native", spec.clock or "real"
        spec.memory_bytes = spec.memory_bytes or least
        if not MEMORY_MIN <= spec.memory_bytes <= MEMORY_MAX or spec.memory_bytes % PAGE:
            raise InvalidArgument(
                f"memory of {spec.memory_bytes} bytes: it must be 1 MiB to 3 GiB and a multiple of {PAGE} bytes"
            )
        built_in = spec.boot.WhichOneof("kind") == "multiboot" and not spec.boot.multiboot.HasField("kernel")
        return spec, request.image or ("built-in" if built_in else "")

    def _candidates(self) -> list[Candidate]:
        promised: dict[str, list[int]] = {}
        for row in self._journal.vms():
            promised.setdefault(row.node, []).append(row.spec.memory_bytes)
        return [
            Candidate(
                name=node.row.name,
                memory_bytes=node.row.memory_bytes,
                promised_bytes=sum(promised.get(node.row.name, [])),
                vms=len(promised.get(node.row.name, [])),
            )
            for node in self._inventory.ready()
        ]

    async def _reported(self, node: str) -> dict[str, node_pb2.VmInfo]:
        try:
            infos = await asyncio.wait_for(self._inventory.agent(node).list_vms(), OBSERVE_TIMEOUT_S)
        except (ControllerError, TimeoutError):
            return {}
        return {info.spec.name: info for info in infos}

    def _may(self, vm: str, verb: str) -> VmRow:
        """The VM, if the verb is possible now and can be written down when it is done."""
        row = self._journal.vm(vm)
        live = self._journal.live_migration_of(vm)
        if live is not None:
            raise Refused(
                f"VM {vm!r} is being migrated from {live.source} to {live.target}; "
                f"wait for job {live.id} or cancel it: `limosa cancel {live.id}`"
            )
        step(VM, row.state, verb, what=f"VM {vm!r}")
        self._journal.check_room()
        return row

    def _did(self, row: VmRow, verb: str, kind: str, text: str, *, reason: str = "") -> VmRow:
        """Journal a verb that the node has carried out; the node's own report of it may have come first."""
        now = self._journal.vm(row.name)
        after = step(VM, row.state, verb, what=f"VM {row.name!r}")
        if after is not VmState.GONE and now.state is after:
            self._journal.note(kind, vm=row.name, node=row.node, text=text)
            return now
        durable = verb in ("placed", "destroy")
        event = verb if now.state is row.state else f"seen-{after}"
        return self._journal.step_vm(row.name, event, reason=reason, kind=kind, text=text, durable=durable)

    def _view(self, row: VmRow, info: node_pb2.VmInfo) -> controller_pb2.Vm:
        live = self._journal.live_migration_of(row.name)
        return controller_pb2.Vm(
            spec=row.spec,
            state=PROTO_STATE.get(row.state, common_pb2.VM_STATE_UNSPECIFIED),
            node=row.node,
            reason=row.reason or info.reason,
            image=row.image,
            instructions=info.instructions,
            guest_time_ns=info.guest_time_ns,
            console_bytes=info.console_bytes,
            pid=info.pid,
            exit_status=info.exit_status,
            job=live.id if live is not None else "",
            create_to_first_instruction_ns=info.create_to_first_instruction_ns,
            created_unix_ns=row.created_unix_ns,
            migrations=row.migrations,
            cpu_ns=info.cpu_ns,
            resident_bytes=info.resident_bytes,
        )


def _append(boot: common_pb2.BootSource, words: str) -> None:
    """Add words to the command line of whatever is booted."""
    kind = boot.WhichOneof("kind")
    if not words:
        return
    if kind == "linux":
        boot.linux.command_line = f"{boot.linux.command_line} {words}".strip()
    elif kind == "multiboot":
        boot.multiboot.command_line = f"{boot.multiboot.command_line} {words}".strip()
    else:
        raise InvalidArgument("a BIOS ROM takes no command line; leave --append out")
