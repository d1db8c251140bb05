"""The target's end of a migration in its domain: listen, take the machine in, hold it, run it when told.

Whatever fails before the machine is verified is reported once, as `failed`, and the agent then ends this process;
afterwards the link has no meaning any more, and only `activate` (or the end of the process) changes anything.
"""

import asyncio
from collections.abc import Callable

from node.domain.guest import Guest
from node.domain.machinery import Refused
from node.domain.page_channel import MonotonicClock, PageListener, Threads
from node.migration.errors import LinkLost, MigrationError
from node.migration.target import Held, migrate_in
from protos.node_pb2 import Failed, MigrationEvent

ADMIT_S = 60.0
SETTLE_S = 2.0


class Incoming:
    def __init__(self, guest: Guest, *, token: str, migration_id: str) -> None:
        self.migration_id = migration_id
        self._guest = guest
        self._token = token
        self._taking: asyncio.Task[Held | None] | None = None
        self._activated = False

    async def listen(self, host: str, on_failed: Callable[[MigrationEvent], None]) -> int:
        """Begin to wait for the source; the port at which."""
        try:
            door = await PageListener.open(host, self._token)
        except OSError as error:
            raise Refused("failed-precondition", f"cannot listen for the page channel on {host}: {error}") from error
        self._taking = asyncio.create_task(self._take(door, on_failed), name=f"migration {self.migration_id}")
        return door.port

    async def activate(self) -> None:
        """Run the machine that was taken in; returns when it has executed an instruction."""
        if self._activated:
            return
        assert self._taking is not None, "listen comes before activate"
        await asyncio.wait({self._taking}, timeout=SETTLE_S)  # READY was sent; the task may be about to end
        if not self._taking.done() or self._taking.result() is None:
            raise Refused("failed-precondition", "the machine is not here as a whole: it cannot run")
        self._activated = True
        await self._guest.start()

    async def _take(self, door: PageListener, on_failed: Callable[[MigrationEvent], None]) -> Held | None:
        try:
            async with asyncio.timeout(ADMIT_S):
                link = await door.accept()
            machine = self._guest.machine
            return await migrate_in(machine, link, self.migration_id, clock=MonotonicClock(), workers=Threads())
        except MigrationError as failed:
            failure = Failed(kind=failed.kind, error=failed.sentence)
        except TimeoutError:
            failure = Failed(kind=LinkLost.kind, error=f"the source did not come within {ADMIT_S:.0f} s")
        on_failed(MigrationEvent(failed=failure))
        return None
