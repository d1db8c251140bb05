"""A test as the controller of one migration between two node processes."""

import asyncio
import itertools
from typing import Any

import grpc

from protos import common_pb2, node_pb2
from tests.support.node_process import NodeProcess, eventually, listening_ports

SLOW_BYTES_PER_S = 150_000  # some seconds for the memory that a twin writes
NUMBERS = itertools.count(1)
RUNNING = common_pb2.VM_STATE_RUNNING


class Controller:
    """As much of one as a migration needs."""

    def __init__(self, source: NodeProcess, target: NodeProcess, *, migration_id: str = "") -> None:
        self.source = source
        self.target = target
        self.migration_id = migration_id or f"a-{next(NUMBERS)}"  # nodes remember those they have heard of
        self.events: list[Any] = []

    async def prepare(self) -> Any:
        spec = (await self.source.vm("GetVm", "a")).spec
        request = node_pb2.PrepareIncomingRequest(migration_id=self.migration_id, spec=spec)
        return await self.target.call("PrepareIncoming", request)

    def request(self, prepared: Any, *, slowly: bool = False, **changes: Any) -> node_pb2.MigrateOutRequest:
        fields = {"host": prepared.host, "port": prepared.port, "token": prepared.token} | changes
        options = common_pb2.MigrationOptions(
            algorithm="pre-copy",
            max_downtime_ns=2_000_000_000,
            bandwidth_bytes_per_s=SLOW_BYTES_PER_S if slowly else 0,
        )
        return node_pb2.MigrateOutRequest(migration_id=self.migration_id, vm="a", options=options, **fields)

    async def migrate(self, prepared: Any, **changes: Any) -> Any:
        """To the last event, which is returned."""
        async for event in self.source.stub.MigrateOut(self.request(prepared, **changes), timeout=30):
            self.events.append(event)
        return self.events[-1]

    async def until(self, kind: str) -> None:
        """A migration is in the background; wait until an event of that kind came."""
        async with asyncio.timeout(20):
            while not any(event.WhichOneof("event") == kind for event in self.events):
                await asyncio.sleep(0.01)

    async def tell(self, node: NodeProcess, verb: str) -> Any:
        return await node.call(verb, node_pb2.MigrationRequest(migration_id=self.migration_id))

    async def refusal(self, node: NodeProcess, verb: str) -> grpc.StatusCode:
        return (await node.refusal(verb, node_pb2.MigrationRequest(migration_id=self.migration_id)))[0]

    async def commit(self) -> Any:
        activated = await self.tell(self.target, "ActivateIncoming")
        await self.tell(self.source, "ReleaseOutgoing")
        return activated

    async def runs_at_the_source_and_nothing_is_left_of_it(self) -> None:
        """The VM executes where it was, and the target holds no process, descriptor or port of the attempt."""
        info = await self.source.in_state("a", RUNNING)
        assert info.migration_id == ""
        await self.source.read_console("a", f"tick {info.instructions // 50 + 20}\n")
        async with asyncio.timeout(10):
            while await self.target.states():
                await asyncio.sleep(0.02)
        await eventually(lambda: len(self.target.children()) == 1)
        assert not any(listening_ports(child) for child in self.target.children())

    async def moves_after_all(self) -> None:
        """What failed has left nothing that would hinder the next attempt."""
        again = Controller(self.source, self.target, migration_id=f"{self.migration_id}-again")
        assert (await again.migrate(await again.prepare())).WhichOneof("event") == "ready_to_commit"
        await again.commit()
        assert (await self.source.states(), await self.target.states()) == ({}, {"a": RUNNING})
