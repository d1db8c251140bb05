"""The image service over real gRPC on loopback, and what hostile or unlucky peers can do to it: nothing."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from protos.common_pb2 import BlobRef
from protos.storage_pb2 import BlobChunk, FetchBlobRequest, GetImageRequest, Image
from protos.storage_pb2_grpc import ImageServiceStub
from storage.images import ImageStore
from storage.service import CHUNK_BYTES_MAX, SERVICE
from tests.storage.test_files import largest_file
from tests.support.image_service import WAIT_S, image_service, linux_image

CONTENT = os.urandom(3 << 20)
DIGEST = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


def chunks_of(content: bytes, digest: str, size: int = 700_000) -> list[BlobChunk]:
    """A well-formed push."""
    return [BlobChunk(digest=digest), *(BlobChunk(data=content[at : at + size]) for at in range(0, len(content), size))]


def stub_on(channel: grpc.aio.Channel) -> ImageServiceStub:
    return ImageServiceStub(channel)  # type: ignore[no-untyped-call]


async def push(address: str, chunks: Iterable[BlobChunk] | AsyncIterator[BlobChunk]) -> str:
    """The digest that the service answers with."""
    async with grpc.aio.insecure_channel(address) as channel:
        ref: BlobRef = await stub_on(channel).PushBlob(chunks, timeout=WAIT_S)
        return ref.digest


async def refusal_of(address: str, chunks: Iterable[BlobChunk] | AsyncIterator[BlobChunk]) -> tuple[str, str]:
    """Status and sentence with which a push is refused."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await push(address, chunks)
    return caught.value.code().name, caught.value.details() or ""


def nothing_is_kept(root: Path) -> bool:
    return not any((root / "drafts").iterdir()) and not any((root / "blobs" / "sha256").iterdir())


async def fetch(address: str, digest: str, offset: int = 0) -> list[bytes]:
    async with grpc.aio.insecure_channel(address) as channel:
        call = stub_on(channel).FetchBlob(FetchBlobRequest(digest=digest, offset=offset), timeout=WAIT_S)
        return [chunk.data async for chunk in call]


async def test_a_pushed_blob_is_fetched_in_chunks_of_a_sensible_size(tmp_path: Path) -> None:
    async with image_service(tmp_path) as address:
        assert await push(address, chunks_of(CONTENT, DIGEST)) == DIGEST
        pieces = await fetch(address, DIGEST)
    assert b"".join(pieces) == CONTENT
    assert all(256 << 10 <= len(piece) <= 1 << 20 for piece in pieces[:-1])


@pytest.mark.parametrize("offset", [1, 512 << 10, len(CONTENT) - 1, len(CONTENT)])
async def test_a_fetch_begins_where_it_is_told(tmp_path: Path, offset: int) -> None:
    async with image_service(tmp_path) as address:
        await push(address, chunks_of(CONTENT, DIGEST))
        assert b"".join(await fetch(address, DIGEST, offset)) == CONTENT[offset:]


@pytest.mark.parametrize("offset", [len(CONTENT) + 1, 1 << 63, (1 << 64) - 1])
async def test_an_offset_behind_the_end_is_refused(tmp_path: Path, offset: int) -> None:
    async with image_service(tmp_path) as address:
        await push(address, chunks_of(CONTENT, DIGEST))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await fetch(address, DIGEST, offset)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("digest", ["", "sha256:../../etc/passwd", "/etc/passwd", f"sha256:{'0' * 64}/x"])
async def test_a_digest_that_is_a_path_is_refused(tmp_path: Path, digest: str) -> None:
    async with image_service(tmp_path) as address:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await fetch(address, digest)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert (await refusal_of(address, chunks_of(b"x", digest)))[0] == "INVALID_ARGUMENT"


async def test_a_push_of_other_bytes_is_refused_and_not_kept(tmp_path: Path) -> None:
    async with image_service(tmp_path) as address:
        code, sentence = await refusal_of(address, chunks_of(CONTENT[:-1] + b"!", DIGEST))
        assert code == "INVALID_ARGUMENT" and DIGEST in sentence
        assert nothing_is_kept(tmp_path)


async def test_a_push_that_ends_early_is_refused_and_not_kept(tmp_path: Path) -> None:
    async with image_service(tmp_path) as address:
        for length in (0, 1, 1 << 20, len(CONTENT) - 1):
            assert (await refusal_of(address, chunks_of(CONTENT[:length], DIGEST)))[0] == "INVALID_ARGUMENT"
        assert nothing_is_kept(tmp_path)


async def test_a_push_of_nothing_or_with_two_digests_or_a_huge_chunk_is_refused(tmp_path: Path) -> None:
    other = f"sha256:{'0' * 64}"
    async with image_service(tmp_path) as address:
        assert "first chunk must announce" in (await refusal_of(address, []))[1]
        assert "no digest" in (await refusal_of(address, [BlobChunk(data=b"x")]))[1]
        assert "another digest" in (await refusal_of(address, [BlobChunk(digest=DIGEST), BlobChunk(digest=other)]))[1]
        huge = [BlobChunk(digest=DIGEST), BlobChunk(data=bytes(CHUNK_BYTES_MAX + 1))]
        assert "larger than 1048576" in (await refusal_of(address, huge))[1]
        assert (await refusal_of(address, [BlobChunk(digest=DIGEST, data=bytes(3 << 20))]))[0] == "RESOURCE_EXHAUSTED"
        assert not (tmp_path / "blobs").exists() or nothing_is_kept(tmp_path)


async def test_a_push_beyond_the_limit_is_refused_as_it_arrives(tmp_path: Path) -> None:
    async with image_service(tmp_path, blob_bytes_max=1 << 20) as address:
        code, sentence = await refusal_of(address, chunks_of(CONTENT, DIGEST))
        assert code == "FAILED_PRECONDITION" and "larger than 1048576" in sentence
        assert nothing_is_kept(tmp_path)


async def test_a_full_disk_refuses_the_push_and_the_service_goes_on(tmp_path: Path) -> None:
    async with image_service(tmp_path) as address:
        with largest_file(1 << 20):
            code, sentence = await refusal_of(address, chunks_of(CONTENT, DIGEST))
        assert code == "FAILED_PRECONDITION" and "no room" in sentence and nothing_is_kept(tmp_path)
        assert await push(address, chunks_of(CONTENT, DIGEST)) == DIGEST


async def test_a_pusher_that_falls_silent_is_given_up(tmp_path: Path) -> None:
    async def silence() -> AsyncIterator[BlobChunk]:
        yield BlobChunk(digest=DIGEST, data=b"half")
        await asyncio.sleep(WAIT_S)

    async with image_service(tmp_path, idle_s=0.2) as address:
        code, sentence = await refusal_of(address, silence())
        assert code == "INVALID_ARGUMENT" and "no data came for 0.2 s" in sentence and nothing_is_kept(tmp_path)


async def test_a_pusher_that_vanishes_leaves_nothing(tmp_path: Path) -> None:
    arrived = asyncio.Event()

    async def half() -> AsyncIterator[BlobChunk]:
        yield BlobChunk(digest=DIGEST, data=CONTENT[:1000])
        arrived.set()
        await asyncio.sleep(WAIT_S)

    async with image_service(tmp_path) as address:
        pushing = asyncio.ensure_future(push(address, half()))
        async with asyncio.timeout(WAIT_S):
            await arrived.wait()
            while not (tmp_path / "drafts").exists() or not any((tmp_path / "drafts").iterdir()):
                await asyncio.sleep(0.01)
            pushing.cancel()
            while not nothing_is_kept(tmp_path):
                await asyncio.sleep(0.01)


async def test_two_pushes_of_one_blob_at_once_both_succeed(tmp_path: Path) -> None:
    async with image_service(tmp_path) as address:
        done = await asyncio.gather(*(push(address, chunks_of(CONTENT, DIGEST)) for _ in range(4)))
        assert done == [DIGEST] * 4
    assert len(list((tmp_path / "blobs" / "sha256").iterdir())) == 1


async def test_images_are_put_listed_and_removed_with_the_right_refusals(tmp_path: Path) -> None:
    async with image_service(tmp_path) as address, grpc.aio.insecure_channel(address) as channel:
        stub = stub_on(channel)
        for call, code in (
            (stub.GetImage(GetImageRequest(name="a"), timeout=WAIT_S), "NOT_FOUND"),
            (stub.RemoveImage(GetImageRequest(name="a"), timeout=WAIT_S), "NOT_FOUND"),
            (stub.GetImage(GetImageRequest(name="../lock"), timeout=WAIT_S), "INVALID_ARGUMENT"),
            (stub.PutImage(Image(name="../../x"), timeout=WAIT_S), "INVALID_ARGUMENT"),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            assert caught.value.code().name == code and caught.value.details()


async def test_a_damaged_store_is_said_over_the_wire(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    store.put(linux_image("a", store.blobs.put_bytes(b"kernel")))
    (tmp_path / "images" / "a.json").write_bytes(b"rot")
    async with image_service(tmp_path) as address, grpc.aio.insecure_channel(address) as channel:
        with pytest.raises(grpc.aio.AioRpcError, match="is damaged"):
            await stub_on(channel).GetImage(GetImageRequest(name="a"), timeout=WAIT_S)


async def test_health_and_reflection_are_on(tmp_path: Path) -> None:
    async with image_service(tmp_path) as address, grpc.aio.insecure_channel(address) as channel:
        for service in ("", SERVICE):
            check = health_pb2.HealthCheckRequest(service=service)
            status = (await health_pb2_grpc.HealthStub(channel).Check(check, timeout=WAIT_S)).status
            assert status == health_pb2.HealthCheckResponse.SERVING
        asked = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
        call = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(asked, timeout=WAIT_S)
        names = [s.name async for reply in call for s in reply.list_services_response.service]
    assert "limosa.storage.v1.ImageService" in names
