"""What the image service says of itself, over real gRPC and as Prometheus's checker reads it."""

import asyncio
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from structlog.testing import capture_logs

from service.registry import new_registry
from storage import client
from storage.errors import ImageNotFound
from storage.images import ImageStore
from storage.metrics import OPS, Metrics, watch_store
from storage.service import ImageService
from tests.storage.test_service import CONTENT, DIGEST, chunks_of, fetch, push, refusal_of
from tests.support.image_service import WAIT_S, image_service, linux_image
from tests.support.promtool import complaints


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(f"limosa_storage_{name}", labels)


async def test_requests_and_bytes_are_counted_by_what_they_wanted_and_how_they_ended(tmp_path: Path) -> None:
    registry = new_registry(service="storage", version="1")
    async with image_service(tmp_path / "store", registry=registry) as address:
        await refusal_of(address, chunks_of(b"other bytes", DIGEST))
        assert await push(address, chunks_of(CONTENT, DIGEST)) == DIGEST
        await fetch(address, DIGEST, len(CONTENT) - 10)
        with pytest.raises(ImageNotFound):
            await client.get_image(address, "none")
        await client.list_images(address)
    for op, result in (("push", "ok"), ("push", "error"), ("fetch", "ok"), ("get", "error"), ("list", "ok")):
        assert value(registry, "requests_total", op=op, result=result) == 1, (op, result)
    assert value(registry, "requests_total", op="get", result="ok") == 0
    assert value(registry, "bytes_total", direction="written") == len(CONTENT) + len(b"other bytes")
    assert value(registry, "bytes_total", direction="read") == 10
    assert value(registry, "request_duration_seconds_count", op="push") == 2
    method = {"method": "ImageService/GetImage", "code": "NOT_FOUND"}
    assert registry.get_sample_value("limosa_grpc_server_handled_total", method) == 1
    assert complaints(generate_latest(registry).decode()) == ""


async def test_a_transfer_that_breaks_off_is_an_error_and_its_bytes_were_moved(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    async with image_service(tmp_path / "store", registry=registry) as address:
        call = asyncio.create_task(push(address, endless()))
        async with asyncio.timeout(WAIT_S):
            while not value(registry, "bytes_total", direction="written"):
                await asyncio.sleep(0.01)
            call.cancel()
            while value(registry, "requests_total", op="push", result="error") != 1:
                await asyncio.sleep(0.01)


async def endless():  # type: ignore[no-untyped-def]
    for chunk in chunks_of(CONTENT, DIGEST):
        yield chunk
    await asyncio.Event().wait()


async def test_a_request_that_fails_is_one_event_of_the_log(tmp_path: Path) -> None:
    async with image_service(tmp_path / "store") as address:
        with capture_logs() as events:
            with pytest.raises(ImageNotFound):
                await client.get_image(address, "none")
            await client.list_images(address)
    assert [(e["event"], e["op"], e["error"]) for e in events] == [("request.failed", "get", "ImageNotFound")]


def test_every_procedure_has_an_op_and_every_op_a_procedure() -> None:
    procedures = [name for name in vars(ImageService) if name[0].isupper()]
    assert len(procedures) == len(OPS)


async def test_the_disk_is_watched_and_a_store_that_cannot_be_read_is_said_once(tmp_path: Path) -> None:
    registry, store = CollectorRegistry(), ImageStore(tmp_path / "store")
    store.put(linux_image("a", store.blobs.put_bytes(b"kernel")))
    watching = asyncio.create_task(watch_store(store, Metrics(registry), every_s=0.01))
    try:
        await shows(registry, images=1)
        assert (value(registry, "free_bytes") or 0) > 0
        store.put(linux_image("b", store.blobs.put_bytes(b"kernel")))
        await shows(registry, images=2)
        with capture_logs() as events:
            (tmp_path / "store").rename(tmp_path / "elsewhere")
            (tmp_path / "store").touch()
            async with asyncio.timeout(WAIT_S):
                while not events:
                    await asyncio.sleep(0.01)
            (tmp_path / "store").unlink()
            (tmp_path / "elsewhere").rename(tmp_path / "store")
            store.remove("b", now_s=0)
            await shows(registry, images=1)
        assert [event["event"] for event in events] == ["store.unreadable"]
    finally:
        watching.cancel()


async def shows(registry: CollectorRegistry, *, images: int) -> None:
    async with asyncio.timeout(WAIT_S):
        while value(registry, "images") != images:
            await asyncio.sleep(0.01)
