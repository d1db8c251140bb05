"""What nodes report against what the journal says. The journal is right about who owns a VM; the owner is right about
how the VM is.

    on its owner        note the reported state; a pause left by a migration that has ended is lifted
    not on its owner    it is a left-over: an incoming copy is aborted, a source's copy released, others destroyed
    owner lacks it      its memory is gone: crashed (or, if it was still being built, never created)
    unknown VM          destroyed

VMs with a running migration are left to their drive. What the journal has no room for is seen again the next time.
Everything is judged under the VM's lock and on a fresh answer
from the node, so a list that has grown old decides nothing. Runs when a node joins, when its watch breaks off, and
from time to time: whatever was missed is mended then.
"""

import asyncio
from collections import defaultdict
from contextlib import suppress

from controller.errors import ControllerError, JournalFull, NotFound
from controller.inventory import Inventory, Node
from controller.journal import Journal
from controller.lifecycle import ENDED, MigrationState, VmState
from controller.rows import VmRow
from protos import common_pb2, node_pb2

SEEN: dict[int, VmState] = {
    common_pb2.VM_STATE_CREATED: VmState.CREATED,
    common_pb2.VM_STATE_RUNNING: VmState.RUNNING,
    common_pb2.VM_STATE_PAUSED: VmState.PAUSED,
    common_pb2.VM_STATE_STOPPED: VmState.STOPPED,
    common_pb2.VM_STATE_CRASHED: VmState.CRASHED,
}
UNDONE = ENDED - {MigrationState.SUCCEEDED}


class VmLocks:
    """One lock a VM: a verb, a reconciliation or a begun migration at a time."""

    def __init__(self) -> None:
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def __getitem__(self, vm: str) -> asyncio.Lock:
        return self._locks[vm]

    def forget(self, vm: str) -> None:
        """The VM is gone; its name may be used again."""
        if vm in self._locks and not self._locks[vm].locked():
            del self._locks[vm]


class Reconciler:
    """Brings nodes and journal together."""

    def __init__(self, journal: Journal, inventory: Inventory, locks: VmLocks) -> None:
        self._journal = journal
        self._inventory = inventory
        self._locks = locks

    async def node(self, node: Node) -> None:
        """Compare everything on one node."""
        self._journal.write_owed()
        reported = {info.spec.name: info for info in await node.agent.list_vms()}
        node.observed = reported
        recorded = {row.name: row for row in self._journal.vms_on(node.row.name)}
        for name in sorted(reported.keys() | recorded.keys()):
            if not self._agrees(recorded.get(name), reported.get(name)):
                with suppress(JournalFull):
                    await self._vm(node, name)

    async def settle(self, vm: str) -> None:
        """Ask the owner how a VM is, now that its migration has ended; NotFound if it is lost."""
        async with self._locks[vm]:
            row = self._journal.vm(vm)
            try:
                info = await self._inventory.agent(row.node).get_vm(vm)
            except NotFound:
                self._missing(row)
                raise
            self.observe(row, info.state, info.reason)

    def observe(self, row: VmRow, state: int, reason: str) -> None:
        """The owner's word on its VM's state, journalled if it is news."""
        seen = SEEN.get(state)
        if seen is None or seen is row.state or row.state is VmState.PLACING:
            return
        text = f"{row.name} is {seen} on {row.node}" + (f": {reason}" if reason else "")
        self._journal.step_vm(row.name, f"seen-{seen}", reason=reason, kind=f"vm.{seen}", text=text)

    def node_gone(self, name: str) -> None:
        """Nothing is known any more of the VMs of a node."""
        for row in self._journal.vms_on(name):
            if row.state not in (VmState.PLACING, VmState.STOPPED, VmState.CRASHED, VmState.UNKNOWN):
                reason = f"node {name} does not answer"
                self._journal.step_vm(row.name, "node-gone", reason=reason, kind="vm.unknown", text=reason)

    def _agrees(self, row: VmRow | None, info: node_pb2.VmInfo | None) -> bool:
        if row is None or info is None:
            return False
        return SEEN.get(info.state) is row.state and not info.migration_id

    async def _vm(self, node: Node, name: str) -> None:
        async with self._locks[name]:
            if self._journal.live_migration_of(name) is not None:
                return
            row = self._journal.vm(name) if self._journal.has_vm(name) else None
            try:
                info = await node.agent.get_vm(name)
            except NotFound:
                if row is not None and row.node == node.row.name:
                    self._missing(row)
                return
            if row is None or row.node != node.row.name:
                await self._left_over(node, info)
            elif row.state is VmState.PLACING:
                await self._unfinished(node, row)
            else:
                await self._unpause(node, info)
                self.observe(row, info.state, info.reason)

    def _missing(self, row: VmRow) -> None:
        """The owner does not have the VM."""
        if row.state is VmState.PLACING:
            text = f"{row.name} was never finished; it does not exist"
            self._journal.step_vm(row.name, "refused", kind="vm.refused", text=text, durable=True)
        elif row.state not in (VmState.STOPPED, VmState.CRASHED):
            text = f"{row.name} is lost: {row.node} was restarted; `limosa start {row.name}` boots it afresh"
            self._journal.step_vm(row.name, "seen-crashed", reason=text, kind="vm.crashed", text=text)

    async def _unfinished(self, node: Node, row: VmRow) -> None:
        """The controller died while the node built this VM; whoever asked was told that it failed."""
        await node.agent.destroy_vm(row.name)
        self._missing(row)

    async def _unpause(self, node: Node, info: node_pb2.VmInfo) -> None:
        """A migration that did not take place left its source waiting for the verdict."""
        if not info.migration_id:
            return
        known = self._journal.has_migration(info.migration_id)
        if not known or self._journal.migration(info.migration_id).state in UNDONE:
            await node.agent.cancel_migration(info.migration_id)
            info.CopyFrom(await node.agent.get_vm(info.spec.name))

    async def _left_over(self, node: Node, info: node_pb2.VmInfo) -> None:
        """A copy on a node that does not own the VM must not stay, whatever its state."""
        name = info.spec.name
        if info.state == common_pb2.VM_STATE_INCOMING:
            await node.agent.abort_incoming(info.migration_id)
        elif info.migration_id:
            await node.agent.release_outgoing(info.migration_id)
        else:
            await node.agent.destroy_vm(name)
        text = f"removed a copy of {name} that {node.row.name} does not own"
        self._journal.note("vm.left-over-removed", vm=name, node=node.row.name, text=text)


async def reconcile_all(reconciler: Reconciler, inventory: Inventory) -> None:
    """Every node that is ready; one that fails is left for the next time."""
    for node in inventory.ready():
        try:
            await reconciler.node(node)
        except ControllerError:
            continue
