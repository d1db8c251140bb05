"""Records and their live views."""

from typing import Annotated

import numpy as np

from node.devices.record import I64, U8, U16, Cells, allocate, cells


class SampleRecord:
    small: U8  # a byte
    word: U16  # two bytes, not aligned
    time: I64  # eight bytes
    ring: Annotated[Cells, cells(U8, 5)]  # several registers


def test_the_layout_is_packed_in_the_order_of_declaration() -> None:
    record, _ = allocate(SampleRecord)
    expected = np.dtype([("small", "u1"), ("word", "<u2"), ("time", "<i8"), ("ring", "u1", (5,))])
    assert record.dtype == expected and record.shape == (1,) and not record.view("u1").any()


def test_view_and_record_are_the_same_bytes() -> None:
    record, view = allocate(SampleRecord)
    view.time = -3
    view.ring[4] = 9
    assert record["time"][0] == -3 and record["ring"][0].tolist() == [0, 0, 0, 0, 9]
    ring = view.ring
    other, _ = allocate(SampleRecord)
    other["word"] = 0x1234
    other["ring"][0, 2] = 7
    record[...] = other
    assert (view.word, view.time, ring[2], ring[4]) == (0x1234, 0, 7, 0)


def test_a_store_wraps_to_the_width_of_the_register() -> None:
    _, view = allocate(SampleRecord)
    view.small = 0x1FF
    view.word = -1
    assert (view.small, view.word) == (0xFF, 0xFFFF)


def test_two_records_of_one_layout_share_nothing() -> None:
    (first, view), (second, _) = allocate(SampleRecord), allocate(SampleRecord)
    view.small = 1
    assert first["small"][0] == 1 and second["small"][0] == 0 and first.dtype == second.dtype
