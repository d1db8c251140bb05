"""The images as the CLI reaches them: through an image service, or in the store of this machine when there is none.

    the address    --storage, else LIMOSA_STORAGE, else the one that the controller names: the address by which the
                   cluster's own parts reach it, which need not be the one from here
    the store      <state>/images; a cluster that `limosa up` started here serves this very store

The one place of the CLI that imports `storage`, late, and that turns its errors into ours.
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from controller.cli.session import Session, connect
from controller.cli.state import StateDir, controller_address
from controller.errors import ControllerUnreachable, Internal, InvalidArgument, NotFound, Refused

if TYPE_CHECKING:
    from protos import common_pb2, storage_pb2


@dataclass(frozen=True, slots=True)
class Service:
    """An image service, and who says that it is there."""

    address: str
    told_by_controller: bool = False


def service_of(session: Session, flag: str | None) -> Service:
    """The image service of a cluster."""
    from protos import controller_pb2

    chosen = _chosen(flag)
    if chosen:
        return Service(chosen)
    reply = session.call("Status", controller_pb2.StatusRequest())
    return Service(str(reply.storage_address), told_by_controller=True)


def service(controller: str | None, flag: str | None) -> Service | None:
    """The image service that was named, or that of the cluster that was named or is up here; None: there is none."""
    if _chosen(flag):
        return Service(_chosen(flag))
    try:
        address = controller_address(controller)
    except ControllerUnreachable:
        return None
    with connect(address) as session:
        return service_of(session, None)


def service_elsewhere(state: StateDir, controller: str | None, flag: str | None) -> Service | None:
    """The image service that was named, if it is not the one over the store of this machine; asked whether it is up."""
    if not (_chosen(flag) or controller or os.environ.get("LIMOSA_CONTROLLER")):
        return None
    where = service(controller, flag)
    if where is None or serves(state, where):
        return None
    images(state, where)
    return where


def serves(state: StateDir, where: Service) -> bool:
    """Is this the service that `limosa up` started over the store of this very machine?"""
    cluster = state.load()
    part = cluster.parts.get("storage") if cluster is not None else None
    return part is not None and part.address == where.address


def push_file(where: Service, path: Path) -> "common_pb2.BlobRef":
    """Put a file into the service; known content costs only the comparison."""
    from storage import client

    with translated(where):
        return asyncio.run(client.push_blob(where.address, path))


def push(state: StateDir, where: Service, name: str, progress: Callable[[str], None]) -> None:
    """Copy an image of the store of this machine to the service."""
    from storage.images import ImageStore
    from storage.push import push_image

    with translated(where):
        asyncio.run(push_image(ImageStore(state.images), name, where.address, progress))


def image(where: Service, name: str) -> "storage_pb2.Image":
    """One image by name."""
    from storage import client

    with translated(where):
        return asyncio.run(client.get_image(where.address, name))


def images(state: StateDir, where: Service | None) -> "list[storage_pb2.Image]":
    """All images of the service; without one, those in the store of this machine."""
    from storage import client
    from storage.images import ImageStore

    with translated(where):
        if where is not None:
            return asyncio.run(client.list_images(where.address))
        return ImageStore(state.images).all()


def remove(state: StateDir, where: Service | None, name: str) -> None:
    """Forget an image; files that no other image uses go with it."""
    from storage import client
    from storage.images import ImageStore

    with translated(where):
        if where is not None:
            asyncio.run(client.remove_image(where.address, name))
        else:
            ImageStore(state.images).remove(name, now_s=time.time())


def pull(state: StateDir, name: str, progress: Callable[[str], None]) -> list[str]:
    """Fetch and build an image into the store of this machine; the names of what was made."""
    from storage.pull import pull as pull_image

    with translated(None):
        return pull_image(name, state.images, progress)


@contextmanager
def translated(where: Service | None) -> Iterator[None]:
    """Storage's errors as ours: unknown names are exit status 3, everything else is refused (4)."""
    from storage import errors

    try:
        yield
    except (errors.ImageNotFound, errors.BlobNotFound) as error:
        raise NotFound(str(error)) from error
    except errors.InvalidRequest as error:
        raise InvalidArgument(str(error)) from error
    except errors.Damaged as error:
        raise Internal(str(error)) from error
    except errors.StorageUnreachable as error:
        raise Refused(f"{error}. {_advice(where)}") from error
    except errors.StorageError as error:
        raise Refused(str(error)) from error


def _chosen(flag: str | None) -> str:
    return flag or os.environ.get("LIMOSA_STORAGE") or ""


def _advice(where: Service | None) -> str:
    """What is meant by "does not answer", and what can be done without it."""
    works = "VMs run on, move, and are created from the built-in guest without it"
    if where is None or not where.told_by_controller:
        return f"Is that its address, and is it up? {works}"
    return (
        "That is where the cluster's own parts reach it; if it has another address from here, name that one: --storage "
        f"HOST:PORT or LIMOSA_STORAGE. If it is down, `limosa up` restarts it on this machine. {works}"
    )
