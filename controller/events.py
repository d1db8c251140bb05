"""The journal's records as events: numbered without gaps, readable from any number, followable."""

from collections.abc import AsyncGenerator

from controller.changes import Changes
from controller.journal import Journal
from controller.rows import Record


class Events:
    """Reads records; `changes` is notified after each."""

    def __init__(self, journal: Journal, changes: Changes) -> None:
        self._journal = journal
        self._changes = changes

    async def read(self, *, after: int, follow: bool) -> AsyncGenerator[Record, None]:
        """Events with a sequence number above `after`; with `follow`, for as long as the reader stays."""
        while True:
            seen = self._changes.count
            records = self._journal.records(after)
            for record in records:
                after = record.sequence
                yield record
            if records:
                continue
            if not follow:
                return
            await self._changes.beyond(seen)
