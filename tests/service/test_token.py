"""Who has the cluster's token is answered; who has not hears why, whatever kind of call it makes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

from protos import node_pb2, node_pb2_grpc, storage_pb2, storage_pb2_grpc
from protos.common_pb2 import BlobRef
from service.token import KEY, Guard, same

BOUND_S = 10.0
TOKEN = "a-token"


class Images(storage_pb2_grpc.ImageServiceServicer):
    """One method of each kind but both-ways."""

    async def ListImages(self, request: Any, context: Any) -> Any:
        return storage_pb2.ListImagesReply()

    async def FetchBlob(self, request: Any, context: Any) -> AsyncIterator[Any]:
        yield storage_pb2.BlobChunk(data=b"abc")

    async def PushBlob(self, request_iterator: AsyncIterator[Any], context: Any) -> Any:
        return BlobRef(size_bytes=len([chunk async for chunk in request_iterator]))


class Nodes(node_pb2_grpc.NodeServiceServicer):
    async def Console(self, request_iterator: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        yield node_pb2.ConsoleOutput(data=b"abc")


@asynccontextmanager
async def served(token: str) -> AsyncIterator[grpc.aio.Channel]:
    server = grpc.aio.server(interceptors=[Guard(token, refusal="only friends are answered")])
    storage_pb2_grpc.add_ImageServiceServicer_to_server(Images(), server)  # type: ignore[no-untyped-call]
    node_pb2_grpc.add_NodeServiceServicer_to_server(Nodes(), server)  # type: ignore[no-untyped-call]
    health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), server)
    reflection.enable_server_reflection((reflection.SERVICE_NAME,), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel
    finally:
        await server.stop(None)


async def silence() -> AsyncIterator[Any]:
    """A client's stream that never says anything."""
    await asyncio.Event().wait()
    yield storage_pb2.BlobChunk()


Call = Callable[[grpc.aio.Channel, dict[str, Any]], Any]


def images(channel: grpc.aio.Channel) -> Any:
    return storage_pb2_grpc.ImageServiceStub(channel)  # type: ignore[no-untyped-call]


CALLS: dict[str, Call] = {
    "unary": lambda channel, with_: images(channel).ListImages(storage_pb2.ListImagesRequest(), **with_),
    "answers": lambda channel, with_: images(channel).FetchBlob(storage_pb2.FetchBlobRequest(), **with_).read(),
    "requests": lambda channel, with_: images(channel).PushBlob(iter([storage_pb2.BlobChunk()]), **with_),
    "both": lambda channel, with_: (
        node_pb2_grpc.NodeServiceStub(channel)  # type: ignore[no-untyped-call]
        .Console(silence(), **with_)
        .read()
    ),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_each_kind_of_call_is_answered_with_the_token_only(call: Call) -> None:
    async with served(TOKEN) as channel:
        assert await call(channel, {"metadata": ((KEY, TOKEN),), "timeout": BOUND_S})
        for metadata in ((), ((KEY, ""),), ((KEY, "a-tokem"),), ((KEY, TOKEN + "x"),), (("other", TOKEN),)):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call(channel, {"metadata": metadata, "timeout": BOUND_S})
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
            assert refused.value.details() == "only friends are answered"


async def test_client_that_streams_need_not_say_anything_to_be_refused() -> None:
    async with served(TOKEN) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await images(channel).PushBlob(silence(), timeout=BOUND_S)
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_health_and_reflection_are_open() -> None:
    async with served(TOKEN) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=BOUND_S)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        about = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([request]), timeout=BOUND_S)
        assert (await about.read()).list_services_response.service


async def test_no_token_guards_nothing() -> None:
    async with served("") as channel:
        assert await CALLS["unary"](channel, {"timeout": BOUND_S})


def test_tokens_are_compared_whatever_they_hold() -> None:
    assert same("grün", "grün") and not same("grün", "grun") and not same("", "x")
