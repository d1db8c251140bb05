"""The node's cache of kernels, initrds and ROMs: files named by their content, shared by its VMs.

    <directory>/sha256/<64 hex digits>     complete, read-only, its bytes hash to its name
    <directory>/fetching/…                 incomplete; removed when the agent starts

A file is visible under its name only when it is complete (written beside, then renamed), and is hashed again before
this agent's first use of it: a cache that rotted on disk is fetched anew, not booted. Each digest is fetched once,
however many VMs wait for it. Where to fetch from is told by the controller, when the node joins.
"""

import asyncio
import hashlib
import re
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path

from node.agent.errors import FailedPrecondition, InvalidArgument, Unavailable

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
READ_BYTES = 1 << 20

Fetch = Callable[[str, str, Path], Awaitable[None]]  # (storage address, digest, destination)


class BlobCache:
    def __init__(self, directory: Path, fetch: Fetch) -> None:
        self._complete = directory / "sha256"
        self._fetching = directory / "fetching"
        self._complete.mkdir(parents=True, exist_ok=True)
        self._fetching.mkdir(exist_ok=True)
        for leftover in self._fetching.iterdir():
            leftover.unlink()
        self._fetch = fetch
        self._verified: set[str] = set()
        self._under_way: dict[str, asyncio.Task[Path]] = {}
        self.storage_address = ""

    async def path(self, digest: str) -> Path:
        """The file with that content, fetched if need be."""
        if not DIGEST.fullmatch(digest):
            raise InvalidArgument(f"{digest!r} is no digest: sha256: and 64 hex digits are")
        task = self._under_way.get(digest)
        if task is None:
            task = asyncio.create_task(self._ensure(digest), name=f"blob {digest}")
            self._under_way[digest] = task
            task.add_done_callback(lambda _: self._under_way.pop(digest))
        return await asyncio.shield(task)

    async def _ensure(self, digest: str) -> Path:
        file = self._complete / digest.removeprefix("sha256:")
        if digest in self._verified and file.exists():
            return file
        if not file.exists() or await asyncio.to_thread(_digest, file) != digest:
            await self._bring(digest, file)
        self._verified.add(digest)
        return file

    async def _bring(self, digest: str, file: Path) -> None:
        if not self.storage_address:
            raise FailedPrecondition(f"{digest} is not in this node's cache, and no storage service is known")
        arriving = self._fetching / secrets.token_hex(8)
        try:
            await self._fetch(self.storage_address, digest, arriving)
            if await asyncio.to_thread(_digest, arriving) != digest:
                raise Unavailable(f"what the storage service sent as {digest} hashes to something else")
            arriving.chmod(0o444)
            arriving.rename(file)
        finally:
            arriving.unlink(missing_ok=True)


def _digest(file: Path) -> str:
    hashed = hashlib.sha256()
    with file.open("rb") as content:
        while chunk := content.read(READ_BYTES):
            hashed.update(chunk)
    return f"sha256:{hashed.hexdigest()}"
