"""Fetches files from the cluster's storage service, with its errors in this node's words."""

from pathlib import Path

from node.agent.errors import FailedPrecondition
from storage.client import fetch_blob
from storage.errors import StorageError, StorageUnreachable


async def fetch(storage_address: str, digest: str, destination: Path) -> None:
    """A storage that does not answer is no fault of this node, which does: it refuses, and is not called silent."""
    try:
        await fetch_blob(storage_address, digest, destination)
    except StorageUnreachable as error:
        sentence = f"{error}; the VMs here run on, and what this node has fetched before can still be booted"
        raise FailedPrecondition(sentence) from error
    except StorageError as error:
        raise FailedPrecondition(str(error)) from error
