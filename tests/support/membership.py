"""As much of a controller as a node joins."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc

from protos import controller_pb2, controller_pb2_grpc


class Membership(controller_pb2_grpc.MembershipServiceServicer):
    """A controller that takes nodes in, until its calls are cut."""

    def __init__(self, storage_address: str) -> None:
        self._storage_address = storage_address
        self.joined: asyncio.Queue[tuple[str, controller_pb2.JoinRequest]] = asyncio.Queue()
        self.cut = asyncio.Event()

    async def Join(self, request: Any, context: Any) -> AsyncIterator[Any]:
        token = dict(context.invocation_metadata())["limosa-token"]
        self.joined.put_nowait((token, request))
        yield controller_pb2.ControllerNotice(storage_address=self._storage_address, cluster_id="c")
        await self.cut.wait()


@asynccontextmanager
async def membership_on(port: int, *, storage_address: str) -> AsyncIterator[Membership]:
    """Listening while the context lasts."""
    membership = Membership(storage_address)
    server = grpc.aio.server()
    controller_pb2_grpc.add_MembershipServiceServicer_to_server(membership, server)  # type: ignore[no-untyped-call]
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield membership
    finally:
        await server.stop(None)
