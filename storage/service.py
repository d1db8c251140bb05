"""The image service: protos/storage.proto over an `ImageStore`, and nothing else.

Every input is bounded: a message by MESSAGE_BYTES_MAX, a blob by the store, a silent or unreading peer by `idle_s`.
A push is kept only if its bytes have the digest that it announced; a push that breaks off leaves nothing. Whether its
bytes are wanted at all is said in the answer's initial metadata, as soon as it has announced them.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from protos import storage_pb2, storage_pb2_grpc
from protos.common_pb2 import BlobRef
from protos.storage_pb2 import (
    BlobChunk,
    FetchBlobRequest,
    GetImageRequest,
    Image,
    ListImagesReply,
    ListImagesRequest,
    RemoveImageReply,
)
from storage.blobs import BlobWriter
from storage.errors import InvalidRequest, StorageError
from storage.images import ImageStore
from storage.metrics import Metrics
from storage.names import hex_of
from storage.offload import in_thread
from storage.status import PUSH_KEY, PUSH_KNOWN, PUSH_SEND, to_status

CHUNK_BYTES = 512 << 10
CHUNK_BYTES_MAX = 1 << 20
MESSAGE_BYTES_MAX = CHUNK_BYTES_MAX + (64 << 10)
CALLS_MAX = 256
IDLE_S = 30.0
SERVICE = storage_pb2.DESCRIPTOR.services_by_name["ImageService"].full_name

Context = grpc.aio.ServicerContext[Any, Any]
log = structlog.get_logger()


class ImageService(storage_pb2_grpc.ImageServiceServicer):
    """The procedures, one method each. `unix_s` tells the time for the garbage collection's grace."""

    def __init__(
        self, store: ImageStore, unix_s: Callable[[], float], metrics: Metrics, idle_s: float = IDLE_S
    ) -> None:
        self._store, self._unix_s, self._metrics, self._idle_s = store, unix_s, metrics, idle_s

    async def ListImages(self, request: ListImagesRequest, context: Context) -> ListImagesReply:
        async with self._request("list", context):
            return ListImagesReply(images=await in_thread(self._store.all))

    async def GetImage(self, request: GetImageRequest, context: Context) -> Image:
        async with self._request("get", context):
            return await in_thread(self._store.get, request.name)

    async def PutImage(self, request: Image, context: Context) -> Image:
        async with self._request("put", context):
            return await in_thread(self._store.put, request)

    async def RemoveImage(self, request: GetImageRequest, context: Context) -> RemoveImageReply:
        async with self._request("remove", context):
            removed = await in_thread(self._store.remove, request.name, now_s=self._unix_s())
            log.info("image.removed", image=request.name, blobs=len(removed))
            return RemoveImageReply()

    async def FetchBlob(self, request: FetchBlobRequest, context: Context) -> None:
        async with self._request("fetch", context):
            with self._store.blobs.open(request.digest) as file:
                size = file.seek(0, 2)
                if request.offset > size:
                    raise InvalidRequest(f"offset {request.offset} lies behind the end of the file, at {size}")
                file.seek(request.offset)
                while data := await in_thread(file.read, CHUNK_BYTES):
                    async with self._patience("the reader took no data"):
                        await context.write(BlobChunk(data=data))
                    self._metrics.read.inc(len(data))

    async def PushBlob(self, request_iterator: AsyncIterator[BlobChunk], context: Context) -> BlobRef:
        async with self._request("push", context):
            chunk = await self._next(request_iterator)
            if chunk is None:
                raise InvalidRequest("the push holds nothing: its first chunk must announce the digest")
            announced = chunk.digest
            hex_of(announced)
            known = await in_thread(self._store.blobs.renewed, announced)
            await context.send_initial_metadata(((PUSH_KEY, PUSH_KNOWN if known else PUSH_SEND),))
            if known:
                return known
            with self._store.blobs.writer(announced) as writer:
                while chunk is not None:
                    await _append(writer, chunk, announced)
                    self._metrics.written.inc(len(chunk.data))
                    chunk = await self._next(request_iterator)
                return await in_thread(writer.commit)

    @contextlib.asynccontextmanager
    async def _request(self, op: str, context: Context) -> AsyncIterator[None]:
        """Around every procedure: it is counted, and what the store refuses becomes a status and a line of the log."""
        with self._metrics.request(op):
            try:
                yield
            except StorageError as error:
                code, sentence, metadata = to_status(error)
                log.warning("request.failed", op=op, error=type(error).__name__, reason=sentence)
                await context.abort(code, sentence, metadata)

    async def _next(self, chunks: AsyncIterator[BlobChunk]) -> BlobChunk | None:
        async with self._patience("no data came"):
            return await anext(chunks, None)

    @contextlib.asynccontextmanager
    async def _patience(self, what: str) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._idle_s):
                yield
        except TimeoutError as error:
            raise InvalidRequest(f"{what} for {self._idle_s:g} s: the transfer was given up") from error


async def _append(writer: BlobWriter, chunk: BlobChunk, announced: str) -> None:
    if chunk.digest not in ("", announced):
        raise InvalidRequest("a chunk announces another digest than the push began with")
    if len(chunk.data) > CHUNK_BYTES_MAX:
        raise InvalidRequest(f"a chunk of {len(chunk.data)} bytes is larger than {CHUNK_BYTES_MAX}")
    await in_thread(writer.write, chunk.data)


async def build_server(
    service: ImageService, *, interceptors: Sequence[grpc.aio.ServerInterceptor] = ()
) -> grpc.aio.Server:
    """A server with the image service, health and reflection; the caller gives it a port."""
    options = [
        ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
        ("grpc.so_reuseport", 0),  # a port in use is an error, not a port to share
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ]
    server = grpc.aio.server(options=options, interceptors=interceptors, maximum_concurrent_rpcs=CALLS_MAX)
    storage_pb2_grpc.add_ImageServiceServicer_to_server(service, server)  # type: ignore[no-untyped-call]
    checks = health.aio.HealthServicer()
    await checks.set(SERVICE, health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    reflection.enable_server_reflection((SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    return server
