"""The real controller behind real gRPC, over in-memory nodes, for tests of the API and the command line.

All servers live in one thread with one event loop for the whole test run, because gRPC's asyncio wants one loop a
process; tests talk to them from outside, as a user does.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from controller.server import Server
from controller.twin import TwinHost, TwinWorld
from tests.support.twin_cluster import TwinCluster

BOUND_S = 30.0

Result = TypeVar("Result")


@cache
def loop() -> asyncio.AbstractEventLoop:
    """The loop of the thread."""
    made = asyncio.new_event_loop()
    threading.Thread(target=made.run_forever, daemon=True, name="served clusters").start()
    return made


@dataclass(frozen=True, slots=True)
class Served:
    """One controller, its address, and its world."""

    address: str
    twin: TwinCluster

    def host(self, name: str) -> TwinHost:
        return self.twin.world.hosts[f"twin-{name}:1"]

    def do(self, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """Run something in the servers' loop."""
        return asyncio.run_coroutine_threadsafe(work(), loop()).result(BOUND_S)


@contextmanager
def served_cluster(path: Path, *nodes: str) -> Iterator[Served]:
    """A controller with nodes that have joined."""
    world = TwinWorld()

    async def begin() -> tuple[TwinCluster, Server, str]:
        twin = TwinCluster(path / "journal.db", world)
        server = Server(twin.cluster)
        address = await server.start("127.0.0.1:0")
        for name in nodes or ("n1", "n2"):
            await twin.join(world.add(name))
        return twin, server, address

    twin, server, address = asyncio.run_coroutine_threadsafe(begin(), loop()).result(BOUND_S)
    try:
        yield Served(address, twin)
    finally:

        async def finish() -> None:
            for host in world.hosts.values():
                for gate in host.gates.values():
                    gate.set()
                await twin.leave(host)
            await server.stop()

        asyncio.run_coroutine_threadsafe(finish(), loop()).result(BOUND_S)
    assert world.violations == []
