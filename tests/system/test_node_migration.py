"""Two node processes with twin machines; the test is the controller that moves a VM between them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio

from protos import common_pb2, node_pb2
from tests.support.node_process import NodeProcess, node

pytestmark = pytest.mark.system

PROGRAM = "tick=50 dirty=5 pages=32"
OPTIONS = common_pb2.MigrationOptions(algorithm="pre-copy", max_downtime_ns=1_000_000_000)


@pytest_asyncio.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[NodeProcess, NodeProcess]]:
    async with node("n1", tmp_path) as n1, node("n2", tmp_path) as n2:
        yield n1, n2


class Controller:
    """As much of one as a migration needs."""

    def __init__(self, source: NodeProcess, target: NodeProcess, *, migration_id: str = "m1", vm: str = "a") -> None:
        self.source = source
        self.target = target
        self.migration_id = migration_id
        self.vm = vm
        self.events: list[Any] = []

    async def prepare(self) -> Any:
        spec = (await self.source.vm("GetVm", self.vm)).spec
        request = node_pb2.PrepareIncomingRequest(migration_id=self.migration_id, spec=spec)
        return await self.target.call("PrepareIncoming", request)

    def migrate_out(self, prepared: Any, **changes: Any) -> Any:
        request = node_pb2.MigrateOutRequest(
            migration_id=self.migration_id,
            vm=self.vm,
            host=prepared.host,
            port=prepared.port,
            token=prepared.token,
            options=OPTIONS,
        )
        for name, value in changes.items():
            setattr(request, name, value)
        return self.source.stub.MigrateOut(request, timeout=30)

    async def run(self, prepared: Any, **changes: Any) -> Any:
        """To the last event, which is returned."""
        async for event in self.migrate_out(prepared, **changes):
            self.events.append(event)
        return self.events[-1]

    async def tell(self, node: NodeProcess, verb: str) -> Any:
        return await node.call(verb, node_pb2.MigrationRequest(migration_id=self.migration_id))

    async def commit(self) -> Any:
        activated = await self.tell(self.target, "ActivateIncoming")
        await self.tell(self.source, "ReleaseOutgoing")
        return activated


async def names(node: NodeProcess) -> dict[str, int]:
    return {vm.spec.name: vm.state for vm in (await node.call("ListVms", node_pb2.ListVmsRequest())).vms}


async def test_vm_moves_and_its_console_goes_on_without_gap(pair: tuple[NodeProcess, NodeProcess]) -> None:
    n1, n2 = pair
    await n1.create("a", PROGRAM)
    _, before = await n1.read_console("a", "tick 40\n")
    controller = Controller(n1, n2)
    last = await controller.run(await controller.prepare())
    assert last.WhichOneof("event") == "ready_to_commit", last
    assert (await names(n1), await names(n2)) == (
        {"a": common_pb2.VM_STATE_PAUSED},
        {"a": common_pb2.VM_STATE_INCOMING},
    )
    assert (await controller.commit()).resume_ns > 0
    assert (await names(n1), await names(n2)) == ({}, {"a": common_pb2.VM_STATE_RUNNING})
    offset, after = await n2.read_console("a", "tick 400\n", from_offset=len(before))
    assert offset == len(before)
    numbers = [int(line.split()[1]) for line in (before + after).splitlines()]
    assert numbers[:400] == list(range(1, 401))
