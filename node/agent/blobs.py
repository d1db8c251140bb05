"""The node's cache of kernels, initrds and ROMs: files named by their content, shared by its VMs.

    <directory>/sha256/<64 hex digits>     complete, read-only, its bytes hash to its name

A file appears under its name only when it is whole and verified (`storage.client.fetch_blob` sees to that), and is
hashed again before this agent's first use of it: what rotted on disk is fetched anew, not booted. Each digest is
fetched once, however many VMs wait for it. Where to fetch from is told by the controller, when the node joins.
"""

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

from node.agent.errors import FailedPrecondition, InvalidArgument

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

Fetch = Callable[[str, str, Path], Awaitable[None]]  # (storage address, digest, destination)


class BlobCache:
    def __init__(self, directory: Path, fetch: Fetch) -> None:
        self._directory = directory / "sha256"
        self._directory.mkdir(parents=True, exist_ok=True)
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
        file = self._directory / digest.removeprefix("sha256:")
        if digest in self._verified and file.exists():
            return file
        if not file.exists() or await asyncio.to_thread(_digest, file) != digest:
            if not self.storage_address:
                raise FailedPrecondition(f"{digest} is not in this node's cache, and no storage service is known")
            await self._fetch(self.storage_address, digest, file)
            file.chmod(0o444)
        self._verified.add(digest)
        return file


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return f"sha256:{hashlib.file_digest(content, 'sha256').hexdigest()}"
