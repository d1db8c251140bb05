"""How the controller speaks to nodes: the `NodeAgent` interface, its gRPC client, and `Dial`, which finds one.

The in-memory twin lives in twin.py and passes the same tests. Every method either returns the node's answer or raises
a ControllerError: NotFound, Refused, InvalidArgument, Exhausted as the node said, NodeUnreachable when there was no
answer (then nobody knows whether the request took effect; all of them may be repeated). Streams end by the node's
last message; `aclose` ends them early. How soon a node that vanished is missed: `service.keepalive`.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any, Protocol, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from controller.errors import ControllerError, NodeUnreachable, error_named
from protos import common_pb2, node_pb2, node_pb2_grpc
from service import keepalive
from service.token import KEY

UNARY_TIMEOUT_S = 10.0
CREATE_TIMEOUT_S = 300.0  # the first one may have to wait for the interpreter to be compiled and blobs to be fetched
CHANNEL_OPTIONS = (
    *keepalive.CLIENT_OPTIONS,
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)

Reply = TypeVar("Reply")


class NodeAgent(Protocol):
    """One node, as NodeService (protos/node.proto) describes it."""

    async def describe(self) -> node_pb2.NodeInfo: ...

    async def create_vm(self, request: node_pb2.CreateVmRequest) -> node_pb2.VmInfo: ...

    async def start_vm(self, vm: str) -> node_pb2.VmInfo: ...

    async def pause_vm(self, vm: str) -> node_pb2.VmInfo: ...

    async def resume_vm(self, vm: str) -> node_pb2.VmInfo: ...

    async def stop_vm(self, vm: str) -> node_pb2.VmInfo: ...

    async def destroy_vm(self, vm: str) -> None: ...

    async def get_vm(self, vm: str) -> node_pb2.VmInfo: ...

    async def list_vms(self) -> list[node_pb2.VmInfo]: ...

    def console(self, inputs: AsyncIterator[node_pb2.ConsoleInput]) -> AsyncGenerator[node_pb2.ConsoleOutput, None]: ...

    def watch(self) -> AsyncGenerator[node_pb2.NodeEvent, None]: ...

    async def prepare_incoming(self, migration_id: str, spec: common_pb2.VmSpec) -> node_pb2.PrepareIncomingReply: ...

    def migrate_out(self, request: node_pb2.MigrateOutRequest) -> AsyncGenerator[node_pb2.MigrationEvent, None]: ...

    async def cancel_migration(self, migration_id: str) -> None: ...

    async def activate_incoming(self, migration_id: str) -> node_pb2.ActivateReply: ...

    async def abort_incoming(self, migration_id: str) -> None: ...

    async def release_outgoing(self, migration_id: str) -> None: ...

    async def close(self) -> None: ...


class Dial(Protocol):
    """Makes the agent that listens at an address; connects lazily."""

    def __call__(self, name: str, address: str) -> NodeAgent: ...


class GrpcAgent:
    """NodeService at `address`, over one channel."""

    def __init__(self, name: str, address: str, *, token: str = "") -> None:
        self._name = name
        self._metadata = ((KEY, token),) if token else ()
        self._channel = grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS)
        self._stub: Any = node_pb2_grpc.NodeServiceStub(self._channel)  # type: ignore[no-untyped-call]

    async def describe(self) -> node_pb2.NodeInfo:
        return await self._ask(self._stub.Describe, node_pb2.DescribeRequest())

    async def create_vm(self, request: node_pb2.CreateVmRequest) -> node_pb2.VmInfo:
        return await self._ask(self._stub.CreateVm, request, timeout_s=CREATE_TIMEOUT_S)

    async def start_vm(self, vm: str) -> node_pb2.VmInfo:
        return await self._ask(self._stub.StartVm, node_pb2.VmRequest(vm=vm), timeout_s=CREATE_TIMEOUT_S)

    async def pause_vm(self, vm: str) -> node_pb2.VmInfo:
        return await self._ask(self._stub.PauseVm, node_pb2.VmRequest(vm=vm))

    async def resume_vm(self, vm: str) -> node_pb2.VmInfo:
        return await self._ask(self._stub.ResumeVm, node_pb2.VmRequest(vm=vm))

    async def stop_vm(self, vm: str) -> node_pb2.VmInfo:
        return await self._ask(self._stub.StopVm, node_pb2.VmRequest(vm=vm))

    async def destroy_vm(self, vm: str) -> None:
        await self._ask(self._stub.DestroyVm, node_pb2.VmRequest(vm=vm))

    async def get_vm(self, vm: str) -> node_pb2.VmInfo:
        return await self._ask(self._stub.GetVm, node_pb2.VmRequest(vm=vm))

    async def list_vms(self) -> list[node_pb2.VmInfo]:
        reply = await self._ask(self._stub.ListVms, node_pb2.ListVmsRequest())
        return list(reply.vms)

    def console(self, inputs: AsyncIterator[node_pb2.ConsoleInput]) -> AsyncGenerator[node_pb2.ConsoleOutput, None]:
        return self._stream(self._stub.Console(inputs, metadata=self._metadata))

    def watch(self) -> AsyncGenerator[node_pb2.NodeEvent, None]:
        return self._stream(self._stub.Watch(node_pb2.WatchRequest(), metadata=self._metadata))

    async def prepare_incoming(self, migration_id: str, spec: common_pb2.VmSpec) -> node_pb2.PrepareIncomingReply:
        request = node_pb2.PrepareIncomingRequest(migration_id=migration_id, spec=spec)
        return await self._ask(self._stub.PrepareIncoming, request, timeout_s=CREATE_TIMEOUT_S)

    def migrate_out(self, request: node_pb2.MigrateOutRequest) -> AsyncGenerator[node_pb2.MigrationEvent, None]:
        return self._stream(self._stub.MigrateOut(request, metadata=self._metadata))

    async def cancel_migration(self, migration_id: str) -> None:
        await self._migration(self._stub.CancelMigration, migration_id)

    async def activate_incoming(self, migration_id: str) -> node_pb2.ActivateReply:
        request = node_pb2.MigrationRequest(migration_id=migration_id)
        return await self._ask(self._stub.ActivateIncoming, request)

    async def abort_incoming(self, migration_id: str) -> None:
        await self._migration(self._stub.AbortIncoming, migration_id)

    async def release_outgoing(self, migration_id: str) -> None:
        await self._migration(self._stub.ReleaseOutgoing, migration_id)

    async def close(self) -> None:
        await self._channel.close()

    async def _migration(self, method: Any, migration_id: str) -> None:
        await self._ask(method, node_pb2.MigrationRequest(migration_id=migration_id))

    async def _ask(
        self, method: Callable[..., Awaitable[Reply]], request: Message, *, timeout_s: float = UNARY_TIMEOUT_S
    ) -> Reply:
        try:
            return await method(request, timeout=timeout_s, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            raise self._translated(error) from error

    async def _stream(self, call: Any) -> AsyncGenerator[Any, None]:
        try:
            async for message in call:
                yield message
        except grpc.aio.AioRpcError as error:
            raise self._translated(error) from error
        finally:
            call.cancel()

    def _translated(self, error: grpc.aio.AioRpcError) -> ControllerError:
        code, details = error.code().name, error.details() or "no details"
        if code in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED"):
            return NodeUnreachable(f"node {self._name} does not answer ({details})")
        return error_named("", code, details)
