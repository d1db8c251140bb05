"""A whole cluster in one process: the real controller over the in-memory twin of its nodes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

from controller.clock import ManualClock
from controller.cluster import Cluster, ClusterConfig
from controller.images import MemoryImages
from controller.rows import Record
from controller.twin import TwinHost, TwinWorld
from protos import common_pb2, controller_pb2, storage_pb2

TOKEN = "a-token"
BOUND_S = 20.0
DEBIAN = storage_pb2.Image(
    name="debian-12",
    memory_bytes_min=128 << 20,
    boot=common_pb2.BootSource(linux=common_pb2.LinuxBoot(command_line="console=ttyS0")),
)


class Killed(BaseException):
    """The controller's process ended here, as by kill -9."""


class TwinCluster:
    """The controller's life; `world` outlives it."""

    def __init__(self, path: Path, world: TwinWorld, *, kill_after: int = 0) -> None:
        self.world = world
        self.clock = ManualClock()
        config = ClusterConfig(cluster_id="c1", token=TOKEN, storage_address="127.0.0.1:1")
        self.images = MemoryImages(DEBIAN)
        self.cluster = Cluster(path, config, dial=world.dial, images=self.images, clock=self.clock)
        self.killed = asyncio.Event()
        self._kill_after = kill_after
        self._tell = self.cluster.journal.on_record
        self.cluster.journal.on_record = self._on_record
        self._joins: dict[str, asyncio.Task[None]] = {}

    def _on_record(self, record: Record) -> None:
        assert self._tell is not None
        if self.killed.is_set():
            raise Killed
        if record.kind.startswith("migration.") and self._kill_after:
            self._kill_after -= 1
            if self._kill_after == 0:
                self.killed.set()
                raise Killed
        self._tell(record)

    async def join(self, host: TwinHost) -> None:
        """Let a node join, as its agent would."""
        request = controller_pb2.JoinRequest(
            name=host.name, address=host.address, version="twin", memory_bytes=host.memory_bytes, cpus=1
        )

        async def stay() -> None:
            async with aclosing(self.cluster.membership.join(request, TOKEN)) as notices:
                async for _ in notices:
                    pass

        self._joins[host.name] = asyncio.create_task(stay())
        await self.until(lambda: any(n.row.name == host.name for n in self.cluster.inventory.ready()))

    async def leave(self, host: TwinHost) -> None:
        task = self._joins.pop(host.name)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(BOUND_S):
            while not condition():
                await asyncio.sleep(0)

    async def bounded(self, awaitable: Awaitable[Any]) -> Any:
        return await asyncio.wait_for(awaitable, BOUND_S)

    async def ended(self, job: str) -> controller_pb2.Job:
        async with asyncio.timeout(BOUND_S):
            async for state in self.cluster.migrations.watch(job):
                last = state
        return last

    async def create(self, name: str, node: str, *, start: bool = True) -> controller_pb2.Vm:
        spec = common_pb2.VmSpec(name=name)
        return await self.cluster.vms.create(controller_pb2.CreateVmRequest(spec=spec, node=node, start=start))

    async def migrate(self, vm: str, target: str, *, algorithm: str = "pre-copy") -> controller_pb2.Job:
        options = common_pb2.MigrationOptions(algorithm=algorithm)
        request = controller_pb2.MigrateRequest(vm=vm, target=target, options=options)
        return await self.cluster.migrations.begin(request)

    async def kill(self) -> None:
        """End every task of this life and leave the journal as it is on disk."""
        self.killed.set()
        own = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
        for task in own:
            task.cancel()
        await asyncio.gather(*own, return_exceptions=True)
        self.cluster.journal.close()

    async def close(self) -> None:
        for name in list(self._joins):
            task = self._joins.pop(name)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self.cluster.close()


@asynccontextmanager
async def twin_cluster(path: Path, *nodes: str) -> AsyncIterator[TwinCluster]:
    """A controller with nodes that have joined."""
    world = TwinWorld()
    cluster = TwinCluster(path / "journal.db", world)
    cluster.cluster.start()
    try:
        for name in nodes or ("n1", "n2"):
            await cluster.join(world.add(name))
        yield cluster
    finally:
        await cluster.close()
    assert world.violations == []
