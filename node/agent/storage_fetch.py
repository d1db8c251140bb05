"""Fetches files from the cluster's storage service, with its errors in this node's words."""

from pathlib import Path

from node.agent.errors import FailedPrecondition, Unavailable
from storage.client import fetch_blob
from storage.errors import StorageError, StorageUnreachable


async def fetch(storage_address: str, digest: str, destination: Path) -> None:
    try:
        await fetch_blob(storage_address, digest, destination)
    except StorageUnreachable as error:
        raise Unavailable(str(error)) from error
    except StorageError as error:
        raise FailedPrecondition(str(error)) from error
