"""Sizes, bandwidths and durations: exact, and every mistake a usage error with an example."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.cli.units import (
    BITS,
    DURATIONS,
    SIZES,
    format_bytes,
    format_ns,
    format_rate,
    parse_bandwidth,
    parse_duration,
    parse_size,
)
from controller.errors import Usage

whole = st.integers(min_value=0, max_value=10**9)


@given(whole, st.sampled_from(sorted(SIZES)))
def test_sizes_are_exact(number: int, unit: str) -> None:
    assert parse_size(f"{number}{unit}") == parse_size(f" {number} {unit} ") == number * SIZES[unit]


@given(whole, st.sampled_from(sorted(DURATIONS)))
def test_durations_are_exact(number: int, unit: str) -> None:
    assert parse_duration(f"{number}{unit}") == number * DURATIONS[unit]


@given(st.integers(min_value=1, max_value=10**9), st.sampled_from(sorted(BITS)), st.sampled_from(sorted(SIZES)))
def test_bandwidths_are_bytes_per_second(number: int, bits: str, size: str) -> None:
    if number * BITS[bits] >= 8:
        assert parse_bandwidth(f"{number}{bits}/s") == number * BITS[bits] // 8
    if size:
        assert parse_bandwidth(f"{number}{size}/s") == number * SIZES[size]


@given(st.text(max_size=12))
def test_anything_else_is_a_usage_error_and_nothing_worse(text: str) -> None:
    for parse in (parse_size, parse_bandwidth, parse_duration):
        try:
            assert parse(text) >= 0
        except Usage as error:
            assert "write for example" in str(error) or "whole number" in str(error) or "byte per second" in str(error)


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (parse_size, "64M", 64 << 20),
        (parse_size, "1.5GiB", 3 << 29),
        (parse_bandwidth, "500Mbit/s", 62_500_000),
        (parse_bandwidth, "10MB/s", 10_000_000),
        (parse_bandwidth, "1GiB/s", 1 << 30),
        (parse_bandwidth, "0", 0),
        (parse_duration, "300ms", 300_000_000),
        (parse_duration, "0.3s", 300_000_000),
        (parse_duration, "1s", 10**9),
    ],
)
def test_the_documented_forms(parse, text: str, value: int) -> None:  # type: ignore[no-untyped-def]
    assert parse(text) == value


@pytest.mark.parametrize("text", ["", "fast", "10", "10Mbit", "10 parsec/s", "-1MB/s", "1e3MB/s", "٣MB/s", "1bit/s"])
def test_what_is_no_bandwidth(text: str) -> None:
    with pytest.raises(Usage):
        parse_bandwidth(text)


@pytest.mark.parametrize("text", ["300", "0.5ns", "ms", "1 h"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(Usage):
        parse_duration(text)


def test_formats_have_three_or_four_figures() -> None:
    assert [format_bytes(n) for n in (0, 1023, 1536, 64 << 20)] == ["0 B", "1023 B", "1.5 KiB", "64.0 MiB"]
    assert [format_ns(n) for n in (999, 1500, 12_345_678, 3 * 10**9)] == ["999 ns", "1.500 us", "12.3 ms", "3.000 s"]
    assert [format_rate(n) for n in (10, 62_500_000, 312_500_000)] == ["80.0 bit/s", "500 Mbit/s", "2.5 Gbit/s"]
