"""The image service's client: images by name, files by digest, verified and atomic on this side too.

`fetch_blob` writes a draft beside its destination, goes on where it was when the stream drops, and publishes the file
only when its bytes have the digest asked for. A draft that a killed process left is taken up where it ended.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable
from io import BufferedReader
from pathlib import Path
from typing import Any

import grpc

from protos.common_pb2 import BlobRef
from protos.storage_pb2 import BlobChunk, FetchBlobRequest, GetImageRequest, Image, ListImagesRequest
from protos.storage_pb2_grpc import ImageServiceStub
from storage.blobs import BLOB_BYTES_MAX
from storage.errors import DigestMismatch, InvalidRequest, StorageUnreachable
from storage.files import Draft, disk_errors, make_directory
from storage.local import LocalImage, open_local_image
from storage.names import hex_of
from storage.offload import in_thread
from storage.status import PUSH_KEY, PUSH_KNOWN, from_status

__all__ = [
    "LocalImage",
    "fetch_blob",
    "get_image",
    "list_images",
    "open_local_image",
    "push_blob",
    "put_image",
    "remove_image",
]

UNARY_TIMEOUT_S = 30.0
IDLE_S = 30.0
CHUNK_BYTES = 512 << 10
ATTEMPTS_WITHOUT_PROGRESS = 5
FIRST_PAUSE_S = 0.1


async def list_images(address: str) -> list[Image]:
    """All images by name."""
    async with _service(address) as service:
        return list((await service.ListImages(ListImagesRequest(), timeout=UNARY_TIMEOUT_S)).images)


async def get_image(address: str, name: str) -> Image:
    """The image called `name`."""
    async with _service(address) as service:
        image: Image = await service.GetImage(GetImageRequest(name=name), timeout=UNARY_TIMEOUT_S)
        return image


async def put_image(address: str, image: Image) -> Image:
    """Makes `image` the one of its name; its files must have been pushed."""
    async with _service(address) as service:
        put: Image = await service.PutImage(image, timeout=UNARY_TIMEOUT_S)
        return put


async def remove_image(address: str, name: str) -> None:
    """Removes the image and the files that only it named."""
    async with _service(address) as service:
        await service.RemoveImage(GetImageRequest(name=name), timeout=UNARY_TIMEOUT_S)


async def fetch_blob(address: str, digest: str, destination: Path) -> None:
    """Makes `destination` the file with this digest; until it is whole and verified, what was there stays."""
    expected = hex_of(digest)
    if await in_thread(_hash_of, destination) == expected:
        return
    make_directory(destination.parent)
    prefix = f".{destination.name}.{expected[:16]}."
    while True:
        draft = Draft.adopt(destination.parent, prefix) or Draft.create(destination.parent, prefix)
        with draft:
            adopted = draft.size_bytes
            actual = await _receive(address, digest, draft)
            if actual == expected:
                return await in_thread(draft.publish, destination)
        if not adopted:  # else the part that we took up was bad: it is gone, so begin anew
            raise DigestMismatch(f"the image service at {address} sent sha256:{actual} for {digest}")


async def push_blob(address: str, path: Path, on_send: Callable[[], None] | None = None) -> BlobRef:
    """Stores the file at `path` in the service. Its bytes are sent, after `on_send`, only if they are not there yet."""
    hexadecimal = await in_thread(_hash_of, path)
    if hexadecimal is None:
        raise InvalidRequest(f"{path} is no file that could be pushed")
    with disk_errors(path):
        file = path.open("rb")

    with file:
        async with _service(address) as service:
            call = service.PushBlob()
            await call.write(BlobChunk(digest=f"sha256:{hexadecimal}"))
            if (PUSH_KEY, PUSH_KNOWN) not in tuple(await call.initial_metadata()):
                if on_send is not None:
                    on_send()
                await _send(call, file)
            ref: BlobRef = await call
            return ref


async def _send(call: Any, file: BufferedReader) -> None:
    """All the bytes; a service that has seen enough says why as its answer to the call, not here."""
    try:
        while data := file.read(CHUNK_BYTES):
            await call.write(BlobChunk(data=data))
        await call.done_writing()
    except asyncio.InvalidStateError:
        return


async def _receive(address: str, digest: str, draft: Draft) -> str:
    """Appends the rest of the blob to the draft, over as many streams as it takes; the digest of it all."""
    content = await in_thread(_hash, draft.path)
    failures = 0
    while True:
        before = draft.size_bytes
        try:
            await _stream(address, FetchBlobRequest(digest=digest, offset=before), draft, content)
            return content.hexdigest()
        except StorageUnreachable:
            failures = 1 if draft.size_bytes > before else failures + 1
            if failures == ATTEMPTS_WITHOUT_PROGRESS:
                raise
            await asyncio.sleep(FIRST_PAUSE_S * 2**failures)


async def _stream(address: str, request: FetchBlobRequest, draft: Draft, content: "hashlib._Hash") -> None:
    async with _service(address) as service:
        chunks = aiter(service.FetchBlob(request))
        while True:
            try:
                async with asyncio.timeout(IDLE_S):
                    chunk: BlobChunk | None = await anext(chunks, None)
            except TimeoutError as error:
                raise StorageUnreachable(f"the image service at {address} sent nothing for {IDLE_S:g} s") from error
            if chunk is None:
                return
            if draft.size_bytes + len(chunk.data) > BLOB_BYTES_MAX:
                raise DigestMismatch(
                    f"the image service at {address} sends more than any file holds for {request.digest}"
                )
            draft.write(chunk.data)
            content.update(chunk.data)


@contextlib.asynccontextmanager
async def _service(address: str) -> AsyncIterator[ImageServiceStub]:
    options = [("grpc.keepalive_time_ms", 20_000), ("grpc.max_receive_message_length", 64 << 20)]
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        try:
            yield ImageServiceStub(channel)  # type: ignore[no-untyped-call]
        except grpc.aio.AioRpcError as error:
            raise from_status(address, error) from error


def _hash(path: Path) -> "hashlib._Hash":
    with disk_errors(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256")


def _hash_of(path: Path) -> str | None:
    return _hash(path).hexdigest() if path.is_file() else None
