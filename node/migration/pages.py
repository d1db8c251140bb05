"""Which pages go as a mark and which with their octets, and the buffers for both.

Pages are read while the guest may run. Two rules keep every record self-consistent nonetheless:

* a page is called zero by one look at it; if the guest writes it after, it is dirty and comes again (see machines.py);
* octets are copied out of guest memory once, into `staging`, and both the checksum and the sending use the copy.

The copy costs 50 us a MiB here and pays itself back: checksum and socket then read from the cache.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from node.memory.ram import PAGE, Bytes, GuestMemory, PageNumbers
from node.migration.records import Pages, Zeros
from node.migration.wire import BATCH_PAGES, ZERO_RUNS

SAMPLED_WORDS = 8  # of a page's 512: nearly every page with content shows it there
NONE = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class Batch:
    """Some pages of one round, told apart."""

    zero: PageNumbers
    normal: PageNumbers


class PageReader:
    """Reads the pages of one guest memory for sending."""

    def __init__(self, memory: GuestMemory) -> None:
        self._memory = memory
        self._pages: Bytes = memory.bytes.reshape(memory.pages, PAGE)
        self._words = memory.bytes.view(np.uint64).reshape(memory.pages, PAGE // 8)
        self._samples = self._words[:, :: PAGE // 8 // SAMPLED_WORDS]
        self._staging = np.empty((BATCH_PAGES, PAGE), np.uint8)
        self._view = self._staging.reshape(-1).data

    def batches(self, numbers: PageNumbers, size: int = BATCH_PAGES) -> Iterator[Batch]:
        """The pages (ascending), a batch at a time; each is looked at when its turn comes."""
        for at in range(0, len(numbers), size):
            some = numbers[at : at + size]
            zero = self.are_zero(some)
            yield Batch(some[zero], some[~zero])

    def are_zero(self, numbers: PageNumbers) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """For each page: nothing but zeros? Untouched ones are; a sample rules out most, the rest is read."""
        if not len(numbers):
            return np.zeros(0, np.bool_)
        first = int(numbers[0])
        touched = self._memory.touched(first, int(numbers[-1]) - first + 1)[numbers - first]
        zero = ~touched
        zero[touched] = ~self._samples[numbers[touched]].any(axis=1)
        candidates = np.flatnonzero(zero & touched)
        if len(candidates):
            zero[candidates] = np.bitwise_or.reduce(self._words[numbers[candidates]], axis=1) == 0
        return zero

    def pages(self, round_number: int, numbers: PageNumbers) -> Pages:
        """A record of at most a batch; its octets stay valid until the next call."""
        count = len(numbers)
        np.take(self._pages, numbers, axis=0, out=self._staging[:count], mode="clip")
        return Pages(round_number, numbers.tolist(), [self._view[: count * PAGE]])


def either(pages: int, some: PageNumbers, others: PageNumbers) -> PageNumbers:
    """The numbers, of a memory of `pages` pages, that are in one or the other; ascending. (numpy's `union1d` takes ten
    milliseconds at its first call in a process, and that is in a downtime.)"""
    marked = np.zeros(pages, np.bool_)
    marked[some] = True
    marked[others] = True
    return np.flatnonzero(marked)


def runs(numbers: PageNumbers) -> list[tuple[int, int]]:
    """Ascending numbers as (first, how many)."""
    if not len(numbers):
        return []
    breaks = np.flatnonzero(np.diff(numbers) != 1) + 1
    firsts = numbers[np.concatenate(([0], breaks))]
    counts = np.diff(np.concatenate(([0], breaks, [len(numbers)])))
    return list(zip(firsts.tolist(), counts.tolist(), strict=True))


def zero_records(round_number: int, numbers: PageNumbers) -> Iterator[Zeros]:
    """Marks for all of these pages (ascending), in as many records as it takes."""
    all_runs = runs(numbers)
    for at in range(0, len(all_runs), ZERO_RUNS):
        yield Zeros(round_number, all_runs[at : at + ZERO_RUNS])


class PageLanding:
    """Guest memory as the place where a stream's pages come in."""

    def __init__(self, memory: GuestMemory) -> None:
        self.pages = memory.pages
        self._memory = memory
        self._view = memory.view
        self._rows: Bytes = memory.bytes.reshape(memory.pages, PAGE)

    def runs(self, numbers: Sequence[int]) -> list[memoryview]:
        spans = runs(np.asarray(numbers, np.int64))
        return [self._view[first * PAGE : (first + count) * PAGE] for first, count in spans]

    def zero(self, first: int, count: int) -> None:
        """Memory that was never touched is zero already, and stays free."""
        self._rows[first : first + count][self._memory.touched(first, count)] = 0
