"""Every call is counted once, with the code that its client saw."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from prometheus_client import CollectorRegistry

from protos import storage_pb2, storage_pb2_grpc
from protos.common_pb2 import BlobRef
from service.rpc import Accounting

BOUND_S = 10.0


class Service(storage_pb2_grpc.ImageServiceServicer):
    """One method a way to end."""

    async def ListImages(self, request: Any, context: Any) -> Any:
        return storage_pb2.ListImagesReply()

    async def GetImage(self, request: Any, context: Any) -> Any:
        await context.abort(grpc.StatusCode.NOT_FOUND, "no such image")

    async def RemoveImage(self, request: Any, context: Any) -> Any:
        raise ValueError("a bug of ours")

    async def FetchBlob(self, request: Any, context: Any) -> None:
        for _ in range(3):
            await context.write(storage_pb2.BlobChunk(data=b"abc"))
        if request.digest == "refused":
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no")
        if request.digest == "endless":
            await asyncio.Event().wait()

    async def PushBlob(self, request_iterator: AsyncIterator[Any], context: Any) -> Any:
        count = 0
        async for _ in request_iterator:
            count += 1
        return BlobRef(size_bytes=count)


@asynccontextmanager
async def served(registry: CollectorRegistry) -> AsyncIterator[Any]:
    server = grpc.aio.server(interceptors=[Accounting(registry)])
    storage_pb2_grpc.add_ImageServiceServicer_to_server(Service(), server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield storage_pb2_grpc.ImageServiceStub(channel)  # type: ignore[no-untyped-call]
    finally:
        await server.stop(None)


async def counted(registry: CollectorRegistry, method: str, code: str) -> float:
    """The count once it is there: a call's end reaches its client before our `finally`."""
    async with asyncio.timeout(BOUND_S):
        while not (value := registry.get_sample_value("limosa_grpc_server_handled_total", _labels(method, code))):
            await asyncio.sleep(0.01)
    return value


def _labels(method: str, code: str) -> dict[str, str]:
    return {"method": method, "code": code}


async def test_answers_refusals_and_bugs_are_counted_by_their_codes() -> None:
    registry = CollectorRegistry()
    async with served(registry) as stub:
        for _ in range(2):
            await stub.ListImages(storage_pb2.ListImagesRequest())
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.GetImage(storage_pb2.GetImageRequest(name="x"))
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.RemoveImage(storage_pb2.GetImageRequest(name="x"))
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.PutImage(storage_pb2.Image())  # the stub's own: not implemented
        assert (await stub.PushBlob(iter([storage_pb2.BlobChunk()] * 5))).size_bytes == 5
        assert await counted(registry, "ImageService/ListImages", "OK") == 2
        assert await counted(registry, "ImageService/GetImage", "NOT_FOUND") == 1
        assert await counted(registry, "ImageService/RemoveImage", "UNKNOWN") == 1
        assert await counted(registry, "ImageService/PutImage", "UNIMPLEMENTED") == 1
        assert await counted(registry, "ImageService/PushBlob", "OK") == 1
    seconds = "limosa_grpc_server_handling_seconds_count"
    assert registry.get_sample_value(seconds, {"method": "ImageService/ListImages"}) == 2


async def test_streams_are_counted_when_they_end() -> None:
    registry = CollectorRegistry()
    async with served(registry) as stub:
        chunks = [chunk.data async for chunk in stub.FetchBlob(storage_pb2.FetchBlobRequest())]
        assert chunks == [b"abc"] * 3
        with pytest.raises(grpc.aio.AioRpcError, match="no"):
            async for _ in stub.FetchBlob(storage_pb2.FetchBlobRequest(digest="refused")):
                pass
        endless = stub.FetchBlob(storage_pb2.FetchBlobRequest(digest="endless"))
        assert (await endless.read()).data == b"abc"
        endless.cancel()
        assert await counted(registry, "ImageService/FetchBlob", "OK") == 1
        assert await counted(registry, "ImageService/FetchBlob", "INVALID_ARGUMENT") == 1
        assert await counted(registry, "ImageService/FetchBlob", "CANCELLED") == 1
    assert (
        registry.get_sample_value("limosa_grpc_server_handling_seconds_count", {"method": "ImageService/FetchBlob"})
        is None
    )
