"""A real image service on loopback, in this process: one line builds the world for a test."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from prometheus_client import CollectorRegistry

from protos.common_pb2 import BlobRef, BootSource, LinuxBoot
from protos.storage_pb2 import Image
from service.rpc import Accounting
from storage.images import ImageStore
from storage.metrics import Metrics
from storage.service import ImageService, build_server

WAIT_S = 20


@contextlib.asynccontextmanager
async def image_service(
    root: Path,
    *,
    idle_s: float = 10,
    blob_bytes_max: int = 64 << 20,
    now_s: float = 0,
    registry: CollectorRegistry | None = None,
) -> AsyncIterator[str]:
    """The address of a service over the store in `root`."""
    store = ImageStore(root, blob_bytes_max=blob_bytes_max)
    registry = registry or CollectorRegistry()
    service = ImageService(store, lambda: now_s, Metrics(registry), idle_s)
    server = await build_server(service, interceptors=[Accounting(registry)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


def linux_image(
    name: str, kernel: BlobRef, initrd: BlobRef | None = None, command_line: str = "console=ttyS0"
) -> Image:
    """An image record over blobs that are there."""
    boot = BootSource(linux=LinuxBoot(kernel=kernel, initrd=initrd, command_line=command_line))
    return Image(name=name, boot=boot, memory_bytes_min=64 << 20, source="a test")
