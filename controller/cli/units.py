"""Sizes, bandwidths and durations as people write them, and back. Bytes, bytes per second and nanoseconds inside.

    size        65536   64M   1.5GiB     K, M, G are 1024-based, as are KiB, MiB, GiB; kB, MB, GB are 1000-based
    bandwidth   500Mbit/s   10MB/s   1GiB/s     decimal bits or bytes, or binary bytes, per second; 0: unlimited
    duration    300ms   1s   1.5s   200us

Exact: parsed by decimal arithmetic, so that 0.3s is 300,000,000 ns. Anything else is a usage error with an example.
"""

import re
from decimal import Decimal

from controller.errors import Usage

NUMBER = r"([0-9]+(?:\.[0-9]+)?)"
SIZES = {
    "": 1, "B": 1, "K": 1 << 10, "KiB": 1 << 10, "M": 1 << 20, "MiB": 1 << 20, "G": 1 << 30, "GiB": 1 << 30,
    "kB": 10**3, "MB": 10**6, "GB": 10**9,
}  # fmt: skip
BITS = {"bit": 1, "kbit": 10**3, "Mbit": 10**6, "Gbit": 10**9}
DURATIONS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "min": 60 * 10**9}


def parse_size(text: str) -> int:
    """Bytes."""
    number, unit = _split(text, "size", "64M, 1.5GiB or 67108864")
    if unit not in SIZES:
        raise Usage(f"{text!r} is no size; write for example 64M, 1.5GiB or 67108864")
    return _whole(number * SIZES[unit], text, "bytes")


def parse_bandwidth(text: str) -> int:
    """Bytes per second; 0 means unlimited."""
    number, unit = _split(text, "bandwidth", "500Mbit/s, 10MB/s or 1GiB/s")
    name, slash, per = unit.partition("/")
    if not unit and number == 0:
        return 0
    if not slash or per != "s" or name not in {**SIZES, **BITS} or not name:
        raise Usage(f"{text!r} is no bandwidth; write for example 500Mbit/s, 10MB/s or 1GiB/s, or 0 for no limit")
    per_second = number * SIZES[name] if name in SIZES else number * BITS[name] / 8
    value = int(per_second)
    if value == 0 and number != 0:
        raise Usage(f"{text!r} is less than a byte per second")
    return value


def parse_duration(text: str) -> int:
    """Nanoseconds."""
    number, unit = _split(text, "duration", "300ms or 1s")
    if unit not in DURATIONS:
        raise Usage(f"{text!r} is no duration; write for example 300ms or 1s")
    return _whole(number * DURATIONS[unit], text, "nanoseconds")


def format_bytes(count: float) -> str:
    """1536 → "1.5 KiB"."""
    value, names = float(count), ["B", "KiB", "MiB", "GiB", "TiB"]
    while value >= 1024 and len(names) > 1:
        value, names = value / 1024, names[1:]
    return f"{int(value)} B" if names[0] == "B" else f"{value:.1f} {names[0]}"


def format_ns(ns: int) -> str:
    """A span with three or four figures, in the unit that suits it."""
    for unit in ("s", "ms", "us"):
        if ns >= DURATIONS[unit]:
            value = ns / DURATIONS[unit]
            return f"{value:.3f} {unit}" if value < 10 else f"{value:.1f} {unit}"
    return f"{ns} ns"


def format_rate(bytes_per_s: float) -> str:
    """As networks are sold: decimal bits."""
    value, names = bytes_per_s * 8, ["bit/s", "kbit/s", "Mbit/s", "Gbit/s"]
    while value >= 1000 and len(names) > 1:
        value, names = value / 1000, names[1:]
    return f"{value:.0f} {names[0]}" if value >= 100 else f"{value:.1f} {names[0]}"


def _split(text: str, what: str, examples: str) -> tuple[Decimal, str]:
    match = re.fullmatch(NUMBER + r"[ ]*([A-Za-zµ/]*)", text.strip())
    if match is None:
        raise Usage(f"{text!r} is no {what}; write for example {examples}")
    return Decimal(match[1]), match[2]


def _whole(value: Decimal, text: str, unit: str) -> int:
    if value != int(value):
        raise Usage(f"{text!r} is no whole number of {unit}")
    return int(value)
