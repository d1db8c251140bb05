"""The image store as the CLI uses it: through the running service, or the files on this machine when none runs.

The one place of the CLI that imports `storage`, late, and that turns its errors into ours.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from controller.cli.session import Session
from controller.cli.state import StateDir
from controller.errors import Internal, InvalidArgument, NotFound, Refused

if TYPE_CHECKING:
    from protos import common_pb2, storage_pb2


def push(session: Session, path: Path) -> "common_pb2.BlobRef":
    """Put a file into the store; known content costs only the comparison."""
    from storage import client

    with translated():
        return asyncio.run(client.push_blob(_address(session), path))


def image(session: Session, name: str) -> "storage_pb2.Image":
    """One image by name."""
    from storage import client

    with translated():
        return asyncio.run(client.get_image(_address(session), name))


def images(state: StateDir, session: Session | None) -> "list[storage_pb2.Image]":
    """All images; without a cluster, those in the local store."""
    from storage import client
    from storage.images import ImageStore

    with translated():
        if session is not None:
            return asyncio.run(client.list_images(_address(session)))
        return ImageStore(state.images).all()


def remove(state: StateDir, session: Session | None, name: str) -> None:
    """Forget an image; files that no other image uses go with it."""
    from storage import client
    from storage.images import ImageStore

    with translated():
        if session is not None:
            asyncio.run(client.remove_image(_address(session), name))
        else:
            ImageStore(state.images).remove(name, now_s=time.time())


def pull(state: StateDir, name: str, progress: Callable[[str], None]) -> list[str]:
    """Fetch and build an image into the local store; the names of what was made."""
    from storage.pull import pull as pull_image

    with translated():
        return pull_image(name, state.images, progress)


@contextmanager
def translated() -> Iterator[None]:
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
    except errors.StorageError as error:
        raise Refused(str(error)) from error


def _address(session: Session) -> str:
    from protos import controller_pb2

    return str(session.call("Status", controller_pb2.StatusRequest()).storage_address)
