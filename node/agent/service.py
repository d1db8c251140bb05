"""limosa.node.v1.NodeService: one method a call, each of which decodes, has it done, and encodes.

What a call changes is finished once begun, also when the caller hangs up in the middle (`finish`), so that
no VM is left between two states. Errors become statuses here and nowhere else.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import grpc
import structlog

from node.agent import errors
from node.agent.hosting import Hosting
from node.agent.migrations import Migrations
from node.agent.specification import VMM_MODES
from protos import node_pb2 as pb
from protos import node_pb2_grpc

log = structlog.get_logger()

STATUS: dict[type[errors.NodeError], grpc.StatusCode] = {
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    errors.InvalidArgument: grpc.StatusCode.INVALID_ARGUMENT,
    errors.FailedPrecondition: grpc.StatusCode.FAILED_PRECONDITION,
    errors.ResourceExhausted: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
    errors.Internal: grpc.StatusCode.INTERNAL,
    errors.DomainDied: grpc.StatusCode.INTERNAL,
}

Context = Any  # grpc.aio.ServicerContext, whose stubs name no methods of use here
Request = TypeVar("Request")
Reply = TypeVar("Reply")


def _unary(
    method: Callable[["NodeService", Request], Awaitable[Reply]],
) -> Callable[["NodeService", Request, Context], Awaitable[Reply]]:
    async def call(self: "NodeService", request: Request, context: Context) -> Reply:
        try:
            return await self.finish(method(self, request))
        except errors.NodeError as error:
            await context.abort(STATUS[type(error)], str(error))
            raise AssertionError("abort raises") from error

    return call


def _stream(
    method: Callable[["NodeService", Any], AsyncIterator[Reply]],
) -> Callable[["NodeService", Any, Context], AsyncIterator[Reply]]:
    async def call(self: "NodeService", request: Any, context: Context) -> AsyncIterator[Reply]:
        try:
            async for reply in method(self, request):
                yield reply
        except errors.NodeError as error:
            await context.abort(STATUS[type(error)], str(error))

    return call


class NodeService(node_pb2_grpc.NodeServiceServicer):
    def __init__(self, hosting: Hosting, migrations: Migrations, description: pb.NodeInfo) -> None:
        self._hosting = hosting
        self._migrations = migrations
        self._description = description
        self._under_way: set[asyncio.Future[Any]] = set()

    async def finish(self, work: Awaitable[Reply]) -> Reply:
        """Await it; it goes on when the caller is cancelled."""
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    @_unary
    async def Describe(self, request: pb.DescribeRequest) -> pb.NodeInfo:
        info = pb.NodeInfo(vms=len(self._hosting.vms), vmm_modes=VMM_MODES)
        info.MergeFrom(self._description)
        return info

    @_unary
    async def CreateVm(self, request: pb.CreateVmRequest) -> pb.VmInfo:
        return await self._hosting.create(request.spec, request.request_id)

    @_unary
    async def StartVm(self, request: pb.VmRequest) -> pb.VmInfo:
        return await self._hosting.start(request.vm)

    @_unary
    async def PauseVm(self, request: pb.VmRequest) -> pb.VmInfo:
        return await self._hosting.pause(request.vm)

    @_unary
    async def ResumeVm(self, request: pb.VmRequest) -> pb.VmInfo:
        return await self._hosting.resume(request.vm)

    @_unary
    async def StopVm(self, request: pb.VmRequest) -> pb.VmInfo:
        return await self._hosting.stop(request.vm)

    @_unary
    async def DestroyVm(self, request: pb.VmRequest) -> pb.DestroyVmReply:
        await self._hosting.destroy(request.vm)
        return pb.DestroyVmReply()

    @_unary
    async def GetVm(self, request: pb.VmRequest) -> pb.VmInfo:
        return await self._hosting.vm(request.vm).describe()

    @_unary
    async def ListVms(self, request: pb.ListVmsRequest) -> pb.ListVmsReply:
        return pb.ListVmsReply(vms=await self._hosting.describe_all())

    @_stream
    async def Console(self, requests: AsyncIterator[pb.ConsoleInput]) -> AsyncIterator[pb.ConsoleOutput]:
        first = await anext(requests, None)
        if first is None:
            raise errors.InvalidArgument("the first message of a console names the VM")
        vm = self._hosting.vm(first.vm)
        typing = asyncio.create_task(self._type(first, requests), name=f"console of {first.vm}")
        try:
            async for output in vm.console.follow(first.from_offset):
                yield output
        finally:
            typing.cancel()

    @_stream
    async def Watch(self, request: pb.WatchRequest) -> AsyncIterator[pb.NodeEvent]:
        async for event in self._hosting.watchers.follow(self._hosting.present()):
            yield event

    @_unary
    async def PrepareIncoming(self, request: pb.PrepareIncomingRequest) -> pb.PrepareIncomingReply:
        return await self._migrations.prepare(request.migration_id, request.spec)

    @_stream
    async def MigrateOut(self, request: pb.MigrateOutRequest) -> AsyncIterator[pb.MigrationEvent]:
        migration = await self.finish(self._migrations.migrate_out(request))
        async for event in migration.follow():
            yield event

    @_unary
    async def CancelMigration(self, request: pb.MigrationRequest) -> pb.MigrationReply:
        await self._migrations.cancel(request.migration_id)
        return pb.MigrationReply()

    @_unary
    async def ActivateIncoming(self, request: pb.MigrationRequest) -> pb.ActivateReply:
        return pb.ActivateReply(resume_ns=await self._migrations.activate(request.migration_id))

    @_unary
    async def AbortIncoming(self, request: pb.MigrationRequest) -> pb.MigrationReply:
        await self._migrations.abort(request.migration_id)
        return pb.MigrationReply()

    @_unary
    async def ReleaseOutgoing(self, request: pb.MigrationRequest) -> pb.MigrationReply:
        await self._migrations.release(request.migration_id)
        return pb.MigrationReply()

    async def _type(self, first: pb.ConsoleInput, requests: AsyncIterator[pb.ConsoleInput]) -> None:
        """Hand what the client types to the guest. A guest that does not run has nobody to read it: it is dropped."""
        if first.data:
            await self._type_once(first.vm, first.data)
        async for request in requests:
            await self._type_once(first.vm, request.data)

    async def _type_once(self, vm: str, data: bytes) -> None:
        try:
            await self._hosting.serial_input(vm, data)
        except errors.NodeError as error:
            log.info("console.input_dropped", vm=vm, bytes=len(data), why=str(error))
