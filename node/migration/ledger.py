"""The reader's account of a stream's rounds: what every stream must satisfy beyond the order of its records.

* rounds are numbered from 1 without a gap, and records name the round they are in;
* a page comes at most once a round, as octets or as zeros; the first round brings every page of the machine;
* at each ROUND_END, and at END, the writer's counts are the reader's.
"""

from collections.abc import Sequence

import numpy as np

from node.migration.errors import StreamCorrupt
from node.migration.records import End, Pages, RoundEnd, Zeros


class Ledger:
    """Counts of one stream, as read."""

    def __init__(self, pages: int) -> None:
        self._pages = pages
        self._round = 1
        self._seen = np.zeros(pages, np.bool_)
        self._normal = 0
        self._zero = 0
        self.pages_normal = 0
        self.pages_zero = 0

    def enter_pages(self, record: Pages) -> None:
        self._in_round(record.round)
        numbers = np.asarray(record.numbers, np.int64)
        if self._seen[numbers].any():
            page = int(numbers[self._seen[numbers]][0])
            raise StreamCorrupt(f"page {page:#x} comes twice in round {self._round}")
        self._seen[numbers] = True
        self._normal += len(numbers)

    def enter_zeros(self, record: Zeros) -> Sequence[tuple[int, int]]:
        """The runs, now known to be in range, ascending and new in this round."""
        self._in_round(record.round)
        end = 0
        for first, count in record.runs:
            if not count or first < end or first + count > self._pages:
                raise StreamCorrupt(f"a run of {count} zero pages from page {first:#x} is not possible here")
            end = first + count
            if self._seen[first:end].any():
                page = first + int(np.flatnonzero(self._seen[first:end])[0])
                raise StreamCorrupt(f"page {page:#x} comes twice in round {self._round}")
            self._seen[first:end] = True
            self._zero += count
        return record.runs

    def end_round(self, record: RoundEnd, octets_before: int) -> None:
        self._in_round(record.round)
        said = (record.pages_normal, record.pages_zero, record.octets)
        counted = (self._normal, self._zero, octets_before)
        if said != counted:
            raise StreamCorrupt(f"round {self._round} was to have {said} (pages, zero pages, octets), it had {counted}")
        if self._round == 1 and not self._seen.all():
            missing = int(np.flatnonzero(~self._seen)[0])
            raise StreamCorrupt(f"the first round lacks page {missing:#x}")
        self.pages_normal += self._normal
        self.pages_zero += self._zero
        self._normal = self._zero = 0
        self._seen[:] = False
        self._round += 1

    def end(self, record: End, records_before: int, octets_before: int) -> None:
        said = (record.records, record.pages_normal, record.pages_zero, record.octets)
        counted = (records_before, self.pages_normal, self.pages_zero, octets_before)
        if said != counted:
            raise StreamCorrupt(f"the stream was to have {said} (records, pages, zero pages, octets), it had {counted}")

    def _in_round(self, number: int) -> None:
        if number != self._round:
            raise StreamCorrupt(f"a record of round {number} came in round {self._round}")
