"""Nodes come and go: the Join stream of each, the watch on what its VMs do, and the periodic reconciliation.

A node is there as long as its Join stream lives. While it is, one task follows its Watch stream (each event goes to the
reconciler) and another compares everything on the node at the join and every `RECONCILE_S`; so an event that was
missed is made good without anybody noticing, and so is one that the journal had no room for.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from controller.admission import Admission
from controller.clock import Clock
from controller.errors import ControllerError, InvalidArgument, JournalFull, NotFound, Unauthenticated
from controller.inventory import Inventory, Node
from controller.journal import Journal
from controller.lifecycle import NodeState
from controller.reconcile import Reconciler
from controller.rows import NodeRow
from protos import controller_pb2, node_pb2
from service.token import same

RECONCILE_S = 5.0
WATCH_RETRY_S = 0.5


class Membership:
    """Who is in the cluster."""

    def __init__(
        self,
        journal: Journal,
        inventory: Inventory,
        reconciler: Reconciler,
        clock: Clock,
        *,
        token: str,
        notice: controller_pb2.ControllerNotice,
    ) -> None:
        self._journal = journal
        self._inventory = inventory
        self._reconciler = reconciler
        self._clock = clock
        self._token = token
        self._notice = notice
        self._admission = Admission(inventory, clock)
        self._ends: dict[str, asyncio.Event] = {}  # of the Join stream that is each node's
        self._closing = False
        self._leaving: set[asyncio.Task[None]] = set()

    async def join(
        self, request: controller_pb2.JoinRequest, token: str
    ) -> AsyncGenerator[controller_pb2.ControllerNotice, None]:
        """One node's membership, from its first message until the stream ends."""
        if not same(token, self._token):
            raise Unauthenticated(
                f"node {request.name} came {'with a wrong' if token else 'without a'} token; give it by --token-file a"
                " copy of the file that this cluster's controller was started with (`limosa up` keeps it as"
                " cluster/token in its state directory)"
            )
        if not request.name or ":" not in request.address:
            raise InvalidArgument(f"a node joins with a name and host:port, not {request.name!r}, {request.address!r}")
        row = NodeRow(
            name=request.name, address=request.address, version=request.version, memory_bytes=request.memory_bytes,
            cpus=request.cpus, joined_unix_ns=self._clock.unix_ns(),
        )  # fmt: skip
        async with self._admission.of(row) as replaced:
            self._record(row)
            node = await self._inventory.join(row, metrics_address=request.metrics_address)
            incarnation = node.incarnation
            end = self._succeed(row.name)
            if replaced:
                text = f"{row.name} at {row.address} takes the place of the one at {replaced}, which does not answer"
                self._journal.note("node.replaced", node=row.name, text=text)
        attendance = asyncio.create_task(self._attend(node), name=f"attend {row.name}")
        try:
            yield self._notice
            await end.wait()
        finally:
            attendance.cancel()
            await asyncio.gather(attendance, return_exceptions=True)  # an answer under way must not come after "gone"
            if not self._closing and self._inventory.leave(row.name, incarnation):
                self._left(row.name)

    def _record(self, row: NodeRow) -> None:
        """The journal knows each node before anything is placed on it; one that it knows may join though it is full."""
        try:
            self._journal.join_node(row)
        except JournalFull:
            if (row.name, row.address) not in {(known.name, known.address) for known in self._journal.nodes()}:
                raise

    def close(self) -> None:
        """End all Join streams; the nodes will look for a new controller."""
        for task in self._leaving:
            task.cancel()
        self._closing = True
        for end in self._ends.values():
            end.set()

    def _succeed(self, name: str) -> asyncio.Event:
        """End the stream that was this node's: it is of a past life, or of a node whose place was taken."""
        if name in self._ends:
            self._ends[name].set()
        end = self._ends[name] = asyncio.Event()
        if self._closing:
            end.set()
        return end

    def _left(self, name: str) -> None:
        self._journal.note("node.gone", node=name, text=f"{name} is gone: its connection ended")
        try:
            self._reconciler.node_gone(name)
        except JournalFull:
            task = asyncio.create_task(self._still_gone(name), name=f"gone {name}")
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    async def _still_gone(self, name: str) -> None:
        """What becomes of the VMs of a node that left while the journal was full; nothing, if the node is back."""
        while True:
            await self._clock.sleep(RECONCILE_S)
            if self._inventory.node(name).state is NodeState.READY:
                return
            with suppress(JournalFull):
                self._reconciler.node_gone(name)
                return

    async def _attend(self, node: Node) -> None:
        """What is done for a node as long as it is there; the watch stream stays open, for ending streams is dear."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch(node), name=f"watch {node.row.name}")
            tasks.create_task(self._compare(node), name=f"compare {node.row.name}")

    async def _watch(self, node: Node) -> None:
        while True:
            with suppress(ControllerError):
                async with aclosing(node.agent.watch()) as events:
                    async for event in events:
                        self._take(node, event)
            await self._clock.sleep(WATCH_RETRY_S)

    async def _compare(self, node: Node) -> None:
        while True:
            with suppress(ControllerError):
                await self._reconciler.node(node)
            await self._clock.sleep(RECONCILE_S)

    def _take(self, node: Node, event: node_pb2.NodeEvent) -> None:
        """One event; only the owner's word counts, and not while a migration has the VM."""
        try:
            row = self._journal.vm(event.vm)
        except NotFound:
            return
        if row.node == node.row.name and self._journal.live_migration_of(event.vm) is None:
            with suppress(JournalFull):
                self._reconciler.observe(row, event.state, event.reason)
