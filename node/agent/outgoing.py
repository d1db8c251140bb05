"""A migration from this node, as its agent keeps it: the events so far, for every listener, and the verdict.

The record outlives the call that began it. Whoever asks again with the same id hears all events from the first on, so
a controller that was restarted loses nothing. Events: any number, then exactly one of ready_to_commit and failed.
Between two of them only the newest progress is worth hearing.
"""

import asyncio
from collections.abc import AsyncIterator

from node.agent import migration_log
from protos.node_pb2 import Failed, MigrateOutRequest, MigrationEvent

LAST = ("ready_to_commit", "failed")


class OutgoingMigration:
    def __init__(self, request: MigrateOutRequest) -> None:
        self.request = request
        self.verdict = ""  # then "cancelled" or "released"
        self._events: list[MigrationEvent] = []
        self._progress: MigrationEvent | None = None
        self._changed = asyncio.Event()
        self._last = ""

    @property
    def migration_id(self) -> str:
        return self.request.migration_id

    @property
    def ended(self) -> bool:
        return bool(self._last)

    @property
    def ready(self) -> bool:
        return self._last == "ready_to_commit"

    def take(self, event: MigrationEvent) -> None:
        """The next event from the domain."""
        if self.ended:
            return
        kind = event.WhichOneof("event") or ""
        migration_log.source_event(self.request, event)
        if kind == "progress":
            self._progress = event
        else:
            self._events.append(event)
            self._progress = None
            self._last = kind if kind in LAST else ""
        self._changed.set()
        self._changed = asyncio.Event()

    def fail(self, kind: str, error: str) -> None:
        """End it unless it has ended."""
        self.take(MigrationEvent(failed=Failed(kind=kind, error=error)))

    async def follow(self) -> AsyncIterator[MigrationEvent]:
        """All events from the first to the last."""
        heard, progress = 0, None
        while True:
            changed = self._changed
            while heard < len(self._events):
                heard += 1
                yield self._events[heard - 1]
            if self._progress is not None and self._progress is not progress:
                progress = self._progress
                yield progress
            if changed is not self._changed:
                continue
            if self.ended:
                return
            await changed.wait()
