"""Images by name, as the storage service knows them."""

from typing import Any, Protocol

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from controller.agents import CHANNEL_OPTIONS, UNARY_TIMEOUT_S
from controller.errors import ControllerError, NotFound, Refused, StorageUnreachable
from protos import storage_pb2, storage_pb2_grpc

CHECK_TIMEOUT_S = 2.0


class Images(Protocol):
    """Where the controller looks up what an image boots."""

    async def get(self, name: str) -> storage_pb2.Image: ...

    async def check(self) -> None:
        """Returns if the store is there and serves; else raises a ControllerError that says why not."""
        ...


class StoredImages:
    """The image repository at `address`."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._channel = grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS)
        self._stub: Any = storage_pb2_grpc.ImageServiceStub(self._channel)  # type: ignore[no-untyped-call]
        self._health: Any = health_pb2_grpc.HealthStub(self._channel)

    async def get(self, name: str) -> storage_pb2.Image:
        request = storage_pb2.GetImageRequest(name=name)
        try:
            image: storage_pb2.Image = await self._stub.GetImage(request, timeout=UNARY_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                raise unknown_image(name) from error
            raise Refused(
                f"the image service at {self.address} does not answer ({error.details()}); `limosa up` restarts it on "
                "one machine. VMs run on, move, and are created from the built-in guest without it"
            ) from error
        return image

    async def check(self) -> None:
        request = health_pb2.HealthCheckRequest()
        try:
            answer = await self._health.Check(request, timeout=CHECK_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            why = str(error.details()).rpartition(": ")[2]  # of gRPC's chain of reasons, the operating system's
            raise StorageUnreachable(f"the image store at {self.address} does not answer ({why})") from error
        if answer.status != health_pb2.HealthCheckResponse.SERVING:
            raise StorageUnreachable(f"what answers at {self.address} is no image store that serves")

    async def close(self) -> None:
        await self._channel.close()


class MemoryImages:
    """Images held in memory: the twin."""

    def __init__(self, *images: storage_pb2.Image) -> None:
        self._images = {image.name: image for image in images}
        self.failure: ControllerError | None = None  # what `check` raises
        self.checks = 0

    async def get(self, name: str) -> storage_pb2.Image:
        if name not in self._images:
            raise unknown_image(name)
        return self._images[name]

    async def check(self) -> None:
        self.checks += 1
        if self.failure is not None:
            raise self.failure


def unknown_image(name: str) -> ControllerError:
    return NotFound(f"there is no image named {name!r}; `limosa image list` shows them, `limosa image pull` makes one")
