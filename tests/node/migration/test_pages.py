"""Which pages go as marks and which with octets, and the account that the reader keeps of them."""

import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.memory.ram import PAGE, GuestMemory
from node.migration.errors import StreamCorrupt
from node.migration.ledger import Ledger
from node.migration.pages import PageLanding, PageReader, either, runs, zero_records
from node.migration.records import End, Pages, RoundEnd, Zeros
from node.migration.wire import BATCH_PAGES, ZERO_RUNS


def test_a_single_bit_anywhere_makes_a_page_not_zero() -> None:
    memory = GuestMemory(64 * PAGE)
    reader = PageReader(memory)
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    for _ in range(300):
        page, offset = rng.randrange(64), rng.randrange(PAGE)
        memory.bytes[page * PAGE + offset] = 1 << rng.randrange(8)
        assert np.flatnonzero(~reader.are_zero(np.arange(64))).tolist() == [page], (page, offset)
        memory.bytes[page * PAGE + offset] = 0
    assert reader.are_zero(np.arange(64)).all()


def test_batches_hold_every_page_once_in_order_told_apart() -> None:
    memory = GuestMemory(1000 * PAGE)
    numbers = np.arange(0, 1000, 3)
    memory.bytes[numbers[::2] * PAGE + 77] = 1
    batches = list(PageReader(memory).batches(numbers))
    assert max(len(b.zero) + len(b.normal) for b in batches) <= BATCH_PAGES
    assert np.concatenate([b.normal for b in batches]).tolist() == numbers[::2].tolist()
    assert np.concatenate([b.zero for b in batches]).tolist() == numbers[1::2].tolist()


def test_a_record_of_pages_is_a_copy_that_later_writes_do_not_change() -> None:
    memory = GuestMemory(8 * PAGE)
    memory.bytes[:] = 5
    record = PageReader(memory).pages(1, np.array([1, 6]))
    memory.bytes[:] = 9
    assert b"".join(record.payload) == bytes([5]) * (2 * PAGE)
    assert list(record.numbers) == [1, 6]


@given(st.sets(st.integers(0, 200)))
def test_runs_are_the_numbers_again(numbers: set[int]) -> None:
    found = runs(np.array(sorted(numbers), np.int64))
    assert [n for first, count in found for n in range(first, first + count)] == sorted(numbers)
    assert all(one[0] + one[1] < two[0] for one, two in pairwise(found))


def test_many_runs_are_spread_over_records() -> None:
    numbers = np.arange(0, 2 * (ZERO_RUNS + 5), 2)
    records = list(zero_records(3, numbers))
    assert [len(record.runs) for record in records] == [ZERO_RUNS, 5]


def test_pages_land_where_they_belong_and_zeros_overwrite() -> None:
    memory = GuestMemory(8 * PAGE)
    memory.bytes[:] = 1
    landing = PageLanding(memory)
    views = landing.runs([1, 2, 5])
    assert [len(view) for view in views] == [2 * PAGE, PAGE]
    for view in views:
        view[:] = bytes([7]) * len(view)
    landing.zero(6, 2)
    assert memory.bytes[::PAGE].tolist() == [1, 7, 7, 1, 1, 7, 0, 0]


def full_round(ledger: Ledger, pages: int) -> None:
    ledger.enter_zeros(Zeros(1, [(0, pages)]))
    ledger.end_round(RoundEnd(1, False, 0, pages, 500), 500)


def test_the_ledger_counts_what_it_is_given() -> None:
    ledger = Ledger(10)
    ledger.enter_pages(Pages(1, [0, 3]))
    ledger.enter_zeros(Zeros(1, [(1, 2), (4, 6)]))
    ledger.end_round(RoundEnd(1, False, 2, 8, 500), 500)
    ledger.enter_pages(Pages(2, [0]))
    ledger.end_round(RoundEnd(2, True, 1, 0, 900), 900)
    ledger.end(End(7, 3, 8, 990), 7, 990)


@pytest.mark.parametrize(
    "entry",
    [
        lambda ledger: ledger.enter_pages(Pages(1, [3])),  # a round that is over
        lambda ledger: ledger.enter_pages(Pages(3, [3])),  # one that has not begun
        lambda ledger: (ledger.enter_pages(Pages(2, [3])), ledger.enter_pages(Pages(2, [2, 3]))),
        lambda ledger: (ledger.enter_pages(Pages(2, [3])), ledger.enter_zeros(Zeros(2, [(0, 4)]))),
        lambda ledger: (ledger.enter_zeros(Zeros(2, [(0, 4)])), ledger.enter_pages(Pages(2, [3]))),
        lambda ledger: ledger.enter_zeros(Zeros(2, [(0, 0)])),
        lambda ledger: ledger.enter_zeros(Zeros(2, [(4, 2), (5, 1)])),
        lambda ledger: ledger.enter_zeros(Zeros(2, [(4, 2), (1, 1)])),
        lambda ledger: ledger.enter_zeros(Zeros(2, [(9, 2)])),
        lambda ledger: ledger.enter_zeros(Zeros(2, [(0xFFFF_FFFF, 0xFFFF_FFFF)])),
        lambda ledger: ledger.end_round(RoundEnd(2, True, 1, 0, 900), 900),
        lambda ledger: ledger.end_round(RoundEnd(2, True, 0, 0, 901), 900),
        lambda ledger: ledger.end(End(7, 1, 10, 990), 7, 990),
        lambda ledger: ledger.end(End(7, 0, 10, 990), 8, 990),
    ],
)
def test_the_ledger_refuses_what_does_not_add_up(entry) -> None:  # type: ignore[no-untyped-def]
    ledger = Ledger(10)
    full_round(ledger, 10)
    with pytest.raises(StreamCorrupt):
        entry(ledger)


def test_the_first_round_must_bring_every_page() -> None:
    ledger = Ledger(10)
    ledger.enter_zeros(Zeros(1, [(0, 7), (8, 2)]))
    with pytest.raises(StreamCorrupt, match="lacks page 0x7"):
        ledger.end_round(RoundEnd(1, False, 0, 9, 500), 500)


def test_either_is_the_union_in_order() -> None:
    some, others = np.array([7, 2, 9]), np.array([2, 3])
    assert either(16, some, others).tolist() == np.union1d(some, others).tolist()
    assert either(4, np.zeros(0, np.int64), np.zeros(0, np.int64)).tolist() == []
