"""Memory sizes as people write them."""

import pytest

from node.domain.sizes import BadSize, check_memory, parse


@pytest.mark.parametrize(
    ("text", "size"), [("4096", 4096), ("640K", 640 << 10), ("128M", 128 << 20), ("2g", 2 << 30), ("0", 0)]
)
def test_suffixes_are_powers_of_1024(text: str, size: int) -> None:
    assert parse(text) == size


@pytest.mark.parametrize("text", ["", "M", "12X", "-1M", "1.5G", "1 M", "0x10", "٣M", "MM", "12MB"])
def test_what_is_no_size_is_refused_by_name(text: str) -> None:
    with pytest.raises(BadSize, match="no size"):
        parse(text)


@pytest.mark.parametrize("size", [0, 4096, (1 << 20) - 4096, (3 << 30) + 4096, 1 << 50])
def test_memory_out_of_range_is_refused(size: int) -> None:
    with pytest.raises(BadSize, match="out of range"):
        check_memory(size)


def test_memory_that_is_no_whole_number_of_pages_is_refused() -> None:
    with pytest.raises(BadSize, match="whole number"):
        check_memory((1 << 20) + 1)


@pytest.mark.parametrize("size", [1 << 20, 128 << 20, 3 << 30])
def test_memory_within_range_is_taken(size: int) -> None:
    check_memory(size)
