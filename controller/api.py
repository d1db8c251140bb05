"""ControllerService and MembershipService over gRPC: decode, call, encode. One method an RPC, nothing decided here.

Every ControllerError becomes a status by the table in errors.py, in one place (`_Translated`); anything else is a bug
and is logged where gRPC catches it.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import grpc
import grpc.aio

from controller.cluster import Cluster
from controller.errors import METADATA_KEY, ControllerError, outcome_of
from protos import controller_pb2, controller_pb2_grpc
from service import token

Context = grpc.aio.ServicerContext[Any, Any]


@asynccontextmanager
async def translated(context: Context) -> AsyncIterator[None]:
    """Turn a ControllerError into the status, sentence and class name that the client turns back."""
    try:
        yield
    except ControllerError as error:
        row = outcome_of(error)
        context.set_trailing_metadata(((METADATA_KEY, row.error.__name__),))
        await context.abort(grpc.StatusCode[row.code], str(error))


class ControllerService(controller_pb2_grpc.ControllerServiceServicer):
    """What a user asks for."""

    def __init__(self, cluster: Cluster, *, metrics_address: str) -> None:
        self._cluster = cluster
        self._metrics_address = metrics_address

    async def Status(self, request: controller_pb2.StatusRequest, context: Context) -> controller_pb2.StatusReply:
        reply = self._cluster.status()
        reply.metrics_address = self._metrics_address
        return reply

    async def ListNodes(
        self, request: controller_pb2.ListNodesRequest, context: Context
    ) -> controller_pb2.ListNodesReply:
        return controller_pb2.ListNodesReply(nodes=self._cluster.nodes())

    async def ForgetNode(self, request: controller_pb2.NodeRequest, context: Context) -> controller_pb2.ForgetNodeReply:
        async with translated(context):
            await self._cluster.forget_node(request.node)
            return controller_pb2.ForgetNodeReply()

    async def CreateVm(self, request: controller_pb2.CreateVmRequest, context: Context) -> controller_pb2.Vm:
        async with translated(context):
            return await self._cluster.vms.create(request)

    async def ListVms(self, request: controller_pb2.ListVmsRequest, context: Context) -> controller_pb2.ListVmsReply:
        return controller_pb2.ListVmsReply(vms=await self._cluster.vms.all())

    async def GetVm(self, request: controller_pb2.VmRequest, context: Context) -> controller_pb2.Vm:
        async with translated(context):
            return await self._cluster.vms.get(request.vm)

    async def StartVm(self, request: controller_pb2.VmRequest, context: Context) -> controller_pb2.Vm:
        async with translated(context):
            return await self._cluster.vms.start(request.vm)

    async def StopVm(self, request: controller_pb2.VmRequest, context: Context) -> controller_pb2.Vm:
        async with translated(context):
            return await self._cluster.vms.stop(request.vm)

    async def PauseVm(self, request: controller_pb2.VmRequest, context: Context) -> controller_pb2.Vm:
        async with translated(context):
            return await self._cluster.vms.pause(request.vm)

    async def ResumeVm(self, request: controller_pb2.VmRequest, context: Context) -> controller_pb2.Vm:
        async with translated(context):
            return await self._cluster.vms.resume(request.vm)

    async def DestroyVm(self, request: controller_pb2.VmRequest, context: Context) -> controller_pb2.DestroyVmReply:
        async with translated(context):
            await self._cluster.vms.destroy(request.vm)
            return controller_pb2.DestroyVmReply()

    async def Console(
        self, request_iterator: AsyncIterator[controller_pb2.ConsoleInput], context: Context
    ) -> AsyncGenerator[controller_pb2.ConsoleOutput, None]:
        async with translated(context), aclosing(self._cluster.console.attach(request_iterator)) as outputs:
            async for output in outputs:
                yield output

    async def Migrate(self, request: controller_pb2.MigrateRequest, context: Context) -> controller_pb2.Job:
        async with translated(context):
            return await self._cluster.migrations.begin(request)

    async def WatchJob(
        self, request: controller_pb2.JobRequest, context: Context
    ) -> AsyncGenerator[controller_pb2.Job, None]:
        async with translated(context), aclosing(self._cluster.migrations.watch(request.job)) as jobs:
            async for job in jobs:
                yield job

    async def CancelJob(self, request: controller_pb2.JobRequest, context: Context) -> controller_pb2.Job:
        async with translated(context):
            return await self._cluster.migrations.cancel(request.job)

    async def ListJobs(self, request: controller_pb2.ListJobsRequest, context: Context) -> controller_pb2.ListJobsReply:
        jobs = self._cluster.migrations.jobs(running=request.running, last=request.last)
        return controller_pb2.ListJobsReply(jobs=jobs)

    async def GetJob(self, request: controller_pb2.JobRequest, context: Context) -> controller_pb2.Job:
        async with translated(context):
            return self._cluster.migrations.job(request.job)

    async def Events(
        self, request: controller_pb2.EventsRequest, context: Context
    ) -> AsyncGenerator[controller_pb2.Event, None]:
        async with aclosing(self._cluster.events.read(after=request.after, follow=request.follow)) as records:
            async for record in records:
                yield controller_pb2.Event(
                    sequence=record.sequence,
                    unix_ns=record.unix_ns,
                    kind=record.kind,
                    vm=record.vm,
                    node=record.node,
                    job=record.job,
                    text=record.text,
                )


class MembershipService(controller_pb2_grpc.MembershipServiceServicer):
    """How nodes join."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def Join(
        self, request: controller_pb2.JoinRequest, context: Context
    ) -> AsyncGenerator[controller_pb2.ControllerNotice, None]:
        metadata = dict(context.invocation_metadata() or ())
        given = str(metadata.get(token.KEY, ""))
        async with translated(context), aclosing(self._cluster.membership.join(request, given)) as notices:
            async for notice in notices:
                yield notice
